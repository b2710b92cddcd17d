import assert from 'node:assert/strict'
import test from 'node:test'
import {
  formatConfigError,
  MAX_CONFIG_CHARACTERS,
  MAX_SYNTAX_ERRORS,
  parseSource,
  plain,
} from '../../service/config-source.ts'

function messages(text: string): readonly string[] {
  return parseSource(text, 'c.yaml').errors.map(formatConfigError)
}

for (const text of ['', '\n', '# only a comment\n', '---\n', 'null\n'])
  test(`${JSON.stringify(text)} is an empty configuration`, () => {
    assert.deepEqual(parseSource(text, 'c.yaml'), { root: undefined, errors: [] })
  })

test('every value and key knows its line and column', () => {
  const { root } = parseSource('\nproxy:\n  listen:   here\n', 'c.yaml')
  const [proxy] = root?.kind === 'mapping' ? root.entries : []
  const [listen] = proxy?.value.kind === 'mapping' ? proxy.value.entries : []
  assert.deepEqual(proxy?.place, { source: 'c.yaml', position: { line: 2, column: 1 } })
  assert.deepEqual(listen?.place, { source: 'c.yaml', position: { line: 3, column: 3 } })
  assert.deepEqual(listen?.value.place, { source: 'c.yaml', position: { line: 3, column: 13 } })
})

test('a tree without its places is the value that YAML means', () => {
  const { root } = parseSource('a: [1, x, true, ~]\nb: { c: 0x10 }\n80: "80"\n', 'c.yaml')
  assert.deepEqual(root && plain(root), { a: [1, 'x', true, null], b: { c: 16 }, 80: '80' })
})

const FLAWS: readonly (readonly [flaw: string, text: string, message: RegExp])[] = [
  ['a tab as indentation', 'a:\n\tb: 1\n', /^c\.yaml:2:1: Tabs/],
  ['a duplicate key', 'a: 1\na: 2\n', /^c\.yaml:2:1: Map keys must be unique/],
  ['a quote without an end', 'a: "x', /^c\.yaml:1:6: Missing closing/],
  ['a second document', 'a: 1\n---\nb: 2\n', /^c\.yaml:2:1: .*multiple documents/],
  ['an alias', 'a: &x 1\nb: *x\n', /^c\.yaml:2:4: expected a value instead of the alias \*x$/],
  [
    'an alias to what holds it',
    'a: &x { b: *x }\n',
    /^c\.yaml:1:12: expected a value instead of the alias \*x$/,
  ],
  ['an unknown tag', 'a: !run x\n', /^c\.yaml:1:4: Unresolved tag: !run/],
]

for (const [flaw, text, message] of FLAWS)
  test(`${flaw} is reported where it stands, once`, () => {
    assert.equal(messages(text).length, 1)
    assert.match(messages(text)[0] ?? '', message)
  })

test('after an error of syntax the tree is not believed', () => {
  assert.equal(parseSource('a: 1\nb: "x', 'c.yaml').root, undefined)
})

test('after a duplicate key the rest is still read', () => {
  assert.notEqual(parseSource('a: 1\na: 2\n', 'c.yaml').root, undefined)
})

test('brackets in brackets without end are an error, not a crash, and reported with few words', () => {
  const count = messages('['.repeat(50_000)).length
  assert.ok(count > 0 && count <= MAX_SYNTAX_ERRORS, String(count))
  assert.ok(messages(`${'['.repeat(5000)}${']'.repeat(5000)}`).length > 0)
})

/** A comment of so many characters. */
const comment = (length: number) => `#${'x'.repeat(length - 1)}`

test('a text beyond the bound is not parsed', () => {
  assert.deepEqual(messages(comment(MAX_CONFIG_CHARACTERS)), [])
  assert.deepEqual(messages(comment(MAX_CONFIG_CHARACTERS + 1)), [
    'c.yaml: expected at most 1000000 characters',
  ])
})
