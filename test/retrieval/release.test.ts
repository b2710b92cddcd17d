import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Expectation } from '../../core/verifier.ts'
import {
  HOLD_BACK_BYTES,
  mayAnswer,
  releasedBytes,
  SMALL_GROWING_BYTES,
  VERIFY_FIRST_MS,
  type Filling,
} from '../../retrieval/release.ts'
import { DEFAULT_POLICY } from '../../retrieval/rules.ts'

const MiB = 1024 * 1024
const digest: Expectation = { kind: 'digest', rung: 'V1', digest: { algorithm: 'sha-256', hex: '00' } }
const updater: Expectation = { kind: 'updater', rung: 'V5' }
const signature: Expectation = {
  kind: 'signature',
  rung: 'signature',
  uri: 'http://updates.test/a.1.2.cab' as TargetUri,
  policy: DEFAULT_POLICY,
}
const LARGE_AND_SLOW = { size: 900 * MiB, heldBytes: 899 * MiB, elapsedMs: 60_000 }
const none: Expectation = { kind: 'none', rung: 'V6' }
const filling = (changes: Partial<Filling>): Filling => ({
  heldBytes: 3 * MiB,
  size: 8 * MiB,
  mustBeProved: true,
  isGrowing: false,
  isStreaming: false,
  expectation: digest,
  elapsedMs: 0,
  verifyFirstUpTo: 64 * MiB,
  ...changes,
})

describe('release of bytes (V§2)', () => {
  const cases: [string, Partial<Filling>, number, boolean][] = [
    ['from the origin server alone: at once', { mustBeProved: false, expectation: none }, 3 * MiB, true],
    ['the application verifies (V5): at once', { expectation: updater }, 3 * MiB, true],
    ['a whole copy up to the limit: nothing before it is verified', {}, 0, false],
    ['a whole copy that takes too long: streamed', { elapsedMs: VERIFY_FIRST_MS }, 3 * MiB, true],
    [
      'a small whole copy never: the wait is short',
      { size: SMALL_GROWING_BYTES - 1, heldBytes: 100, elapsedMs: 9999 },
      0,
      false,
    ],
    ['above the limit: streamed', { verifyFirstUpTo: MiB }, 3 * MiB, true],
    [
      'the last block is held back',
      { verifyFirstUpTo: MiB, heldBytes: 8 * MiB },
      8 * MiB - HOLD_BACK_BYTES,
      true,
    ],
    ['a growing copy: streamed', { isGrowing: true }, 3 * MiB, true],
    [
      'a small growing copy: verified first',
      { isGrowing: true, size: SMALL_GROWING_BYTES - 1, heldBytes: 10 },
      0,
      false,
    ],
    ['a stream that has begun goes on, whoever continues it', { isStreaming: true }, 3 * MiB, true],
    [
      'by its signature: nothing, however large and slow it is',
      { expectation: signature, ...LARGE_AND_SLOW },
      0,
      false,
    ],
    [
      'by its signature: nothing more, where the origin server began and broke off',
      { expectation: signature, isStreaming: true },
      0,
      false,
    ],
    ['by its signature: a growing copy neither', { expectation: signature, isGrowing: true }, 0, false],
    ['of unknown size: nothing before it is verified', { size: undefined, isGrowing: true }, 0, false],
  ]
  for (const [name, changes, released, answered] of cases)
    test(name, () => {
      assert.equal(releasedBytes(filling(changes)), released)
      assert.equal(mayAnswer(filling(changes)), answered)
    })

  test('an unverified copy from a peer can begin, but never end', () => {
    const anything = fc.record({
      heldBytes: fc.nat(200 * MiB),
      size: fc.option(fc.nat(200 * MiB), { nil: undefined }),
      isGrowing: fc.boolean(),
      isStreaming: fc.boolean(),
      elapsedMs: fc.nat(60_000),
      verifyFirstUpTo: fc.nat(100 * MiB),
      mustBeProved: fc.constant(true),
      expectation: fc.constantFrom(digest, none),
    })
    fc.assert(
      fc.property(anything, (each) => {
        const released = releasedBytes(each)
        assert.ok(released <= each.heldBytes)
        assert.ok(
          each.size === undefined ? released === 0 : released <= Math.max(0, each.size - HOLD_BACK_BYTES),
        )
        if (released > 0) assert.ok(mayAnswer(each))
      }),
    )
  })
})
