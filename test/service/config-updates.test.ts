import assert from 'node:assert/strict'
import test from 'node:test'
import { parseConfig } from '../../service/config.ts'
import { formatConfigError } from '../../service/config-source.ts'

const COMPLETE = '{ catalog: http://x/myupdate.cab, trust: pem, into: /opt/x }'

function problems(text: string): readonly string[] {
  const parsed = parseConfig(text, 'proxy.config.yaml', '/base')
  return parsed.kind === 'ok' ? [] : parsed.errors.map(formatConfigError)
}

test('a product has its defaults, and paths are relative to the file', () => {
  const parsed = parseConfig(`updates:\n  - ${COMPLETE}`, 'proxy.config.yaml', '/base')
  assert.ok(parsed.kind === 'ok')
  const [product] = parsed.config.updates
  assert.deepEqual(
    [product?.name, product?.catalog, product?.trust, product?.into],
    ['http://x/myupdate.cab', 'http://x/myupdate.cab', '/base/pem', '/opt/x'],
  )
  assert.deepEqual(
    [
      product?.afterBootMs,
      product?.afterFailureMs,
      product?.afterSuccessMs,
      product?.dailyAt,
      product?.atBoot,
    ],
    [300_000, 21_600_000, 43_200_000, 'off', false],
  )
})

for (const [what, text, expected] of [
  [
    'nothing of what must be given',
    'updates:\n  - { name: x }',
    [
      'proxy.config.yaml:2:5: updates[0].catalog: expected an http or https URL, got nothing',
      'proxy.config.yaml:2:5: updates[0].trust: expected a path, got nothing',
      'proxy.config.yaml:2:5: updates[0].into: expected a path, got nothing',
    ],
  ],
  [
    'a wrong time of day',
    `updates:\n  - { catalog: http://x/, trust: a, into: b, dailyAt: '24:00' }`,
    [
      `proxy.config.yaml:2:55: updates[0].dailyAt: expected off or a time of day such as '04:30', got "24:00"`,
    ],
  ],
  [
    'a command as one text',
    'updates:\n  - { catalog: http://x/, trust: a, into: b, checkCommand: /bin/true }',
    [
      'proxy.config.yaml:2:60: updates[0].checkCommand: expected a list of words: a program and its arguments, got "/bin/true"',
    ],
  ],
  [
    'a key that is nearly one',
    'updates:\n  - { catalog: http://x/, trust: a, into: b, checkComand: [x] }',
    ['proxy.config.yaml:2:46: updates[0].checkComand: unknown key; did you mean checkCommand?'],
  ],
  [
    'two products in one folder',
    `updates:\n  - ${COMPLETE}\n  - ${COMPLETE}`,
    ['proxy.config.yaml:3:5: updates[1].into: expected another folder than updates[0] has'],
  ],
  [
    'something else than a list',
    'updates: yes please',
    ['proxy.config.yaml:1:10: updates: expected a list of products, got "yes please"'],
  ],
] as const)
  test(`${what} is an error with its place`, () => {
    assert.deepEqual(problems(text), expected)
  })
