/** SECURITY.md names a control, a module and a test for each threat of the design (V§4); all of them exist. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const PAGE = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8')

const THREATS = [
  'poisoning by a peer',
  'old signed file under a new name (rollback)',
  'freeze, mix-and-match',
  'private data shared',
  'request smuggling, response splitting',
  'open proxy, SSRF',
  'reflection and amplification by spoofed datagrams',
  'replayed or forged packets',
  'XML',
  'exhaustion',
  'web pages attacking the node through a browser, DNS rebinding',
  'who lacks which patch is written on the wall',
  'interception CA stolen',
  'publisher key stolen',
]

/** For what this version does not do there is nothing to try. */
const NOT_HERE = ['interception CA stolen']

interface Row {
  readonly threat: string
  readonly control: string
  readonly modules: readonly string[]
  readonly tests: readonly string[]
}

const ROWS: readonly Row[] = PAGE.split('\n')
  .filter((line) => /^\| .* \|$/.test(line))
  .map((line) => line.slice(2, -2).split(' | '))
  .filter(([threat]) => threat !== 'threat' && threat !== '---')
  .map(([threat = '', control = '', modules = '', tests = '']) => ({
    threat: threat.trim(),
    control: control.trim(),
    modules: pathsIn(modules),
    tests: pathsIn(tests),
  }))

function pathsIn(cell: string): string[] {
  return [...cell.matchAll(/`([\w./-]+)`/g)].map(([, path]) => path ?? '')
}

test('every threat has a row, with a control, a module and a test', () => {
  for (const threat of THREATS) {
    const row = ROWS.find((each) => each.threat === threat)
    assert.ok(row, threat)
    if (NOT_HERE.includes(threat)) continue
    assert.ok(row.control !== '' && row.modules.length > 0 && row.tests.length > 0, threat)
  }
})

test('every module and every test that is named exists', () => {
  const paths = ROWS.flatMap(({ modules, tests }) => [...modules, ...tests])
  assert.ok(paths.length > 50)
  assert.deepEqual(
    paths.filter((path) => !existsSync(join(ROOT, path))),
    [],
  )
  assert.ok(ROWS.every(({ tests }) => tests.every((path) => path.endsWith('.test.ts'))))
})

test('no test of an attack is left out', () => {
  const named = new Set(ROWS.flatMap(({ tests }) => tests))
  const attacks = readdirSync(join(ROOT, 'test/attacks')).filter((name) => name.endsWith('.test.ts'))
  assert.deepEqual(
    attacks.filter((name) => !named.has(`test/attacks/${name}`)),
    [],
  )
})

test('every page that it links to exists', () => {
  for (const [, path = ''] of PAGE.matchAll(/\]\(([\w./-]+)\)/g))
    assert.ok(existsSync(join(ROOT, path)), path)
})
