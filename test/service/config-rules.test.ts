import assert from 'node:assert/strict'
import { basename, isAbsolute } from 'node:path'
import test from 'node:test'
import type { Rule } from '../../retrieval/rules.ts'
import { formatConfigError } from '../../service/config-source.ts'
import { parseConfig } from '../../service/config.ts'

function rules(text: string): readonly Rule[] | readonly string[] {
  const result = parseConfig(text, 'c.yaml', '/base')
  return result.kind === 'ok' ? result.config.rules : result.errors.map(formatConfigError)
}

test('a rule says all it can', () => {
  assert.deepEqual(
    rules(
      "rules:\n  - { match: '**/pool/**', share: true, immutable: true, verify: updater, waitForDownloads: false }",
    ),
    [
      {
        rule: '**/pool/**',
        match: '**/pool/**',
        share: true,
        immutable: true,
        store: true,
        verify: 'updater',
        waitForDownloads: false,
      },
    ],
  )
})

test('what a rule does not say is not shared, not immutable, stored, and verified by the ladder', () => {
  assert.deepEqual(rules('rules: [{ match: /x, name: mine }]'), [
    {
      rule: 'mine',
      match: '/x',
      share: false,
      immutable: false,
      store: true,
      verify: 'auto',
      waitForDownloads: true,
    },
  ])
})

test('a rule says for which files elsewhere its indexes may speak', () => {
  const [rule] = rules("rules: [{ match: /simple/**, speaksFor: ['http://files.test/**'] }]")
  assert.deepEqual(typeof rule === 'object' && rule.speaksFor, ['http://files.test/**'])
  const wrong = rules("rules: [{ match: /simple/**, speaksFor: ['http://files.test/{'] }]")
  assert.match(JSON.stringify(wrong), /rules\[0\]\.speaksFor: expected a list of URL globs/)
})

test('a rule says whose signatures count, and where they are', () => {
  const [rule] = rules('rules: [{ match: "*.zip", signers: [/keys/a.pem, b.pem], signature: .p7s }]')
  assert.ok(typeof rule === 'object')
  assert.deepEqual(
    rule.signers?.map((each) => basename(each)),
    ['a.pem', 'b.pem'],
  )
  assert.ok(rule.signers?.every((each) => isAbsolute(each)))
  assert.equal(rule.signature, '.p7s')
  for (const wrong of ['p7s', '.p7s/../x', '.', '.a?b', 'beside'])
    assert.match(
      JSON.stringify(rules(`rules: [{ match: "*.zip", signature: ${JSON.stringify(wrong)} }]`)),
      /rules\[0\]\.signature: expected embedded, or an ending/,
    )
})

test('a rule that does not say whether to wait does as peering.waitForDownloads', () => {
  const text =
    'peering: { waitForDownloads: false }\nrules: [{ match: /x }, { match: /y, waitForDownloads: true }]'
  assert.deepEqual(
    rules(text).map((each) => typeof each === 'object' && each.waitForDownloads),
    [false, true],
  )
})

test('the order of the file is kept', () => {
  assert.deepEqual(
    rules('rules: [{ match: /b }, { match: /a }]').map((each) => typeof each === 'object' && each.match),
    ['/b', '/a'],
  )
})

const FLAWS: readonly (readonly [flaw: string, text: string, errors: readonly string[]])[] = [
  [
    'rules that are no list',
    'rules: { match: /x }',
    ['c.yaml:1:8: rules: expected a list of rules, got a mapping'],
  ],
  ['a rule that is no mapping', 'rules: [x]', ['c.yaml:1:9: rules[0]: expected a mapping, got "x"']],
  [
    'a hyphen with nothing behind it',
    'rules:\n  -\n',
    ['c.yaml:2:4: rules[0]: expected a mapping, got nothing'],
  ],
  [
    'a rule without a pattern',
    'rules: [{ share: true }]',
    ['c.yaml:1:9: rules[0].match: expected a URL glob, got nothing'],
  ],
  [
    'a wrong pattern',
    'rules: [{ match: "[z-" }]',
    ['c.yaml:1:18: rules[0].match: expected a URL glob with a set such as [0-9] after [, got "[z-"'],
  ],
  [
    'a pattern that is no text',
    'rules: [{ match: 5 }]',
    ['c.yaml:1:18: rules[0].match: expected a URL glob, got 5'],
  ],
  [
    'an unknown key',
    'rules: [{ match: /x, shared: true }]',
    ['c.yaml:1:22: rules[0].shared: unknown key; did you mean share?'],
  ],
  [
    'an unknown way to verify',
    'rules: [{ match: /x, verify: no }]',
    ['c.yaml:1:30: rules[0].verify: expected auto, updater or strict, got "no"'],
  ],
  [
    'sharing what is not stored',
    'rules: [{ match: /x, share: true, store: false }]',
    ['c.yaml:1:29: rules[0].share: expected false, since store is false: nothing is kept to share'],
  ],
]

for (const [flaw, text, expected] of FLAWS)
  test(`${flaw} is an error, located and said once`, () => assert.deepEqual(rules(text), expected))
