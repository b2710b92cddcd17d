/** The table of floors in docs/architecture.md and the lint rules that keep it say the same. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'

const ROOT = new URL('../../', import.meta.url)
const TABLE = /## The floors\n([\s\S]*?)\n## /.exec(text('docs/architecture.md'))?.[1] ?? ''

interface LintConfig {
  readonly overrides: readonly {
    readonly files: readonly string[]
    readonly rules: { readonly 'no-restricted-imports'?: readonly [string, { readonly patterns: Patterns }] }
  }[]
}
type Patterns = readonly { readonly group: readonly string[] }[]

const FLOORS = TABLE.split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .flatMap(([, name = '', , knows = '']) => name.split(', ').map((each) => ({ name: folderOf(each), knows })))
const NAMES = FLOORS.map(({ name }) => name)

function text(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8')
}

function folderOf(cell: string): string {
  return cell.replaceAll(/[`/]/g, '')
}

/** "core, cache's semantics", "all above", "nothing". */
function known(at: number, knows: string): ReadonlySet<string> {
  if (knows === 'all above') return new Set(NAMES.slice(0, at))
  return new Set(knows.split(', ').map((each) => /^\w+/.exec(each)?.[0] ?? ''))
}

function banned(name: string): readonly ReadonlySet<string>[] {
  const { overrides } = JSON.parse(text('.oxlintrc.json')) as LintConfig
  const own = overrides.filter(({ files }) => files.some((file) => file.startsWith(`${name}/`)))
  return own.flatMap(({ rules }) => {
    const patterns = rules['no-restricted-imports']?.[1].patterns
    return patterns === undefined
      ? []
      : [
          new Set(
            patterns.flatMap(({ group }) => group.map((each) => /^\*\*\/(\w+)\//.exec(each)?.[1] ?? '')),
          ),
        ]
  })
}

describe('what a floor does not know, it cannot import:', () => {
  for (const [at, { name, knows }] of FLOORS.entries()) {
    if (knows.startsWith('anything')) continue
    test(name, () => {
      const may = known(at, knows)
      const sets = banned(name)
      assert.ok(sets.length > 0, `no lint rule is about ${name}/`)
      for (const bans of sets)
        for (const other of NAMES) {
          const isForbidden = other !== name && !may.has(other)
          assert.equal(bans.has(other), isForbidden, `${name}/ and ${other}/`)
        }
    })
  }
})

test('the table names every floor', () => {
  assert.ok(NAMES.length > 15, NAMES.join(' '))
})
