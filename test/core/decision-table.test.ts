import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { VERIFY_MODES } from '../../core/policy.ts'
import { DECISION_TABLE, decisionFor, type Facts } from '../../core/decision-table.ts'

/** A resource of which nothing is known. */
const UNKNOWN: Facts = {
  isImmutable: false,
  hasDigest: false,
  published: 'none',
  signed: 'none',
  attested: 'nothing',
  isStorable: true,
  verify: 'auto',
}

/** V§1, row by row: for each row resources that it decides. */
const ROWS: readonly (readonly [
  resource: string,
  proof: string,
  action: string,
  facts: readonly Partial<Facts>[],
])[] = [
  [
    'immutable name',
    'V1 or V2',
    'verify',
    [
      { isImmutable: true, hasDigest: true },
      { isImmutable: true, hasDigest: true, published: 'strong', verify: 'strict' },
      { isImmutable: true, hasDigest: true, published: 'unasked', verify: 'updater' },
      { isImmutable: true, hasDigest: true, signed: 'embedded' },
    ],
  ],
  [
    'any',
    'V3, SHA-256 or better',
    'verify-published',
    [
      { published: 'strong' },
      { published: 'strong', verify: 'strict', isImmutable: true },
      { published: 'strong', verify: 'updater' },
      { published: 'strong', hasDigest: true },
      { published: 'strong', isImmutable: true, signed: 'embedded' },
      { published: 'strong', signed: 'beside' },
    ],
  ],
  [
    'immutable name, where the rule trusts signers',
    'signature in the file',
    'verify-signature',
    [
      { isImmutable: true, signed: 'embedded' },
      { isImmutable: true, signed: 'embedded', verify: 'strict', published: 'unasked' },
      { isImmutable: true, signed: 'embedded', verify: 'updater' },
      { isImmutable: true, signed: 'embedded', published: 'weak' },
    ],
  ],
  [
    'any, where the rule trusts signers',
    'signature beside the file, at the origin',
    'verify-signature',
    [
      { signed: 'beside' },
      { signed: 'beside', verify: 'strict', isImmutable: true },
      { signed: 'beside', published: 'weak' },
    ],
  ],
  [
    'any, where the rule is not strict',
    'V3, MD5',
    'verify-published',
    [{ published: 'weak' }, { published: 'weak', verify: 'updater' }],
  ],
  [
    'any',
    'V3 may be had',
    'ask-origin',
    [{ published: 'unasked' }, { published: 'unasked', verify: 'strict' }],
  ],
  [
    'any, where the rule trusts signers',
    'signature beside the file may be had',
    'ask-origin',
    [{ signed: 'unasked' }, { signed: 'unasked', verify: 'strict', isImmutable: true }],
  ],
  ['immutable name, cacheable', 'V4', 'verify-attested', [{ isImmutable: true, attested: 'for-good' }]],
  ['mutable, cacheable', 'V4', 'verify-attested', [{ attested: 'by-validator' }]],
  ['cacheable, no validator at the origin', 'V4', 'verify-attested', [{ attested: 'for-a-time' }]],
  [
    'cacheable',
    'V5',
    'deliver-and-watch',
    [{ verify: 'updater' }, { verify: 'updater', published: 'unasked', isImmutable: true }],
  ],
  [
    'anything else',
    'none',
    'internet-only',
    [
      {},
      { isImmutable: true },
      { hasDigest: true },
      { published: 'weak', verify: 'strict' },
      { isImmutable: true, attested: 'for-good', isStorable: false },
      { attested: 'for-good' },
      { attested: 'by-validator', isStorable: false },
      { attested: 'for-a-time', isStorable: false },
      { verify: 'updater', isStorable: false },
      { signed: 'embedded' },
      { signed: 'unasked', verify: 'updater', isStorable: false },
    ],
  ],
]

test('the table has these rows, in this order', () => {
  assert.deepEqual(
    DECISION_TABLE.map(({ resource, proof, action }) => [resource, proof, action]),
    ROWS.map(([resource, proof, action]) => [resource, proof, action]),
  )
})

for (const [at, [resource, proof, action, examples]] of ROWS.entries())
  for (const facts of examples)
    test(`${resource}, ${proof}: ${action} for ${JSON.stringify(facts)}`, () => {
      assert.equal(decisionFor({ ...UNKNOWN, ...facts }), DECISION_TABLE[at])
    })

const FACTS: fc.Arbitrary<Facts> = fc.record({
  isImmutable: fc.boolean(),
  hasDigest: fc.boolean(),
  published: fc.constantFrom('unasked', 'none', 'weak', 'strong'),
  signed: fc.constantFrom('none', 'embedded', 'unasked', 'beside'),
  attested: fc.constantFrom('nothing', 'for-good', 'by-validator', 'for-a-time'),
  isStorable: fc.boolean(),
  verify: fc.constantFrom(...VERIFY_MODES),
})

test('a signature in a file proves nothing of a name that can change: it may be an older file', () => {
  fc.assert(
    fc.property(FACTS, (facts) => {
      const { action } = decisionFor({ ...facts, isImmutable: false, signed: 'embedded' })
      assert.notEqual(action, 'verify-signature')
    }),
  )
})

test('under strict nothing passes but digests of SHA-256 or better, signatures, and attestations', () => {
  fc.assert(
    fc.property(FACTS, (facts) => {
      const { action } = decisionFor({ ...facts, verify: 'strict' })
      if (action === 'verify-published') assert.equal(facts.published, 'strong')
      assert.notEqual(action, 'deliver-and-watch')
    }),
  )
})

test('without a proof, and without a rule that trusts the application, nothing comes from peers', () => {
  fc.assert(
    fc.property(FACTS, (facts) => {
      const bare = {
        ...facts,
        hasDigest: false,
        published: 'none',
        signed: 'none',
        attested: 'nothing',
        verify: 'auto',
      } as const
      assert.equal(decisionFor(bare).action, 'internet-only')
    }),
  )
})

test('a digest of an immutable name needs no request to anybody', () => {
  fc.assert(
    fc.property(FACTS, (facts) => {
      assert.equal(decisionFor({ ...facts, isImmutable: true, hasDigest: true }).action, 'verify')
    }),
  )
})
