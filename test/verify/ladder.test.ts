import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { DigestAlgorithm, Sha256 } from '../../core/digest.ts'
import { Fault } from '../../core/fault.ts'
import { createDigest } from '../../core/hash.ts'
import { VERIFY_MODES, type Policy, type VerifyMode } from '../../core/policy.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Candidate, Expectation } from '../../core/verifier.ts'
import type { Claim } from '../../verify/digest-rows.ts'
import { nothingGathered, type GatheredIndexes } from '../../verify/gathered-indexes.ts'
import { noOriginDigests } from '../../verify/origin-digests.ts'
import { verifierLadder, type VerifierComponents } from '../../verify/ladder.ts'
import type { Run } from '../../verify/run.ts'
import { manualClock } from '../manual-clock.ts'
import { stanza } from './fake-apt.ts'

const GOOD = Buffer.from('the right bytes')
const BAD = Buffer.from('the wrong bytes')
const BY_HASH = `http://deb.example/debian/dists/x/by-hash/SHA256/${hash('sha-256', GOOD)}` as TargetUri
const LISTED = 'http://deb.example/debian/pool/a%2Bb.deb' as TargetUri
const PYPI_HEX = hash('blake2b-256', GOOD)
const PYPI =
  `http://pypi.example/packages/${PYPI_HEX.slice(0, 2)}/${PYPI_HEX.slice(2, 4)}/${PYPI_HEX.slice(4)}/a.whl` as TargetUri
const UNKNOWN = 'http://u.example/a.cab' as TargetUri
const STRONG = { algorithm: 'sha-256', hex: hash('sha-256', GOOD) } as const
const WEAK = { algorithm: 'md5', hex: hash('md5', GOOD) } as const

for (const verify of VERIFY_MODES) {
  test(`${verify}: a digest in the URL comes first`, async () => {
    assert.deepEqual(await ladder().expect(BY_HASH, policy(verify)), {
      kind: 'digest',
      rung: 'V1',
      digest: { algorithm: 'sha-256', hex: hash('sha-256', GOOD) },
    })
  })

  test(`${verify}: then what apt's lists say`, async () => {
    const verifier = ladder()
    await verifier.start()
    assert.deepEqual(await verifier.expect(LISTED, policy(verify)), {
      kind: 'digest',
      rung: 'V2',
      digest: { algorithm: 'sha-256', hex: hash('sha-256', GOOD) },
      size: GOOD.length,
      isSigned: true,
    })
    await verifier.stop()
  })
}

for (const [verify, expected] of [
  ['auto', { kind: 'none', rung: 'V6' }],
  ['strict', { kind: 'none', rung: 'V6' }],
  ['updater', { kind: 'updater', rung: 'V5' }],
] as const) {
  test(`${verify}: without any digest the answer is ${expected.rung}`, async () => {
    assert.deepEqual(await ladder().expect(UNKNOWN, policy(verify)), expected)
  })
}

test('turned off, apt is not asked', async () => {
  const verifier = verifierLadder({ apt: 'off' }, { clock: manualClock(), run: forbidden })
  await verifier.start()
  assert.deepEqual(await verifier.expect(LISTED, policy('auto')), { kind: 'none', rung: 'V6' })
  await verifier.stop()
})

test('the path of an apt.conf is handed to apt', async () => {
  const seen = new Set<string | undefined>()
  const run: Run = (program, args, options) => {
    seen.add(options.env['APT_CONFIG'])
    return lists(program, args, options)
  }
  const verifier = verifierLadder({ apt: '/srv/apt.conf' }, { ...components(), run })
  await verifier.start()
  assert.equal((await verifier.expect(LISTED, policy('auto'))).rung, 'V2')
  await verifier.stop()
  assert.deepEqual([...seen], ['/srv/apt.conf'])
})

for (const [what, uri] of [
  ['SHA-256 in the URL', BY_HASH],
  ['BLAKE2b in the URL', PYPI],
  ["apt's lists", LISTED],
] as const) {
  test(`${what}: the right bytes are verified, one wrong bit is refused with both digests named`, async () => {
    const verifier = ladder()
    await verifier.start()
    const expected = await verifier.expect(uri, policy('auto'))
    assert.equal((await verifier.verify(expected, candidate(GOOD))).kind, 'verified')
    await fc.assert(
      fc.asyncProperty(fc.nat(GOOD.length * 8 - 1), async (bit) => {
        const bytes = Buffer.from(GOOD)
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const verdict = await verifier.verify(expected, candidate(bytes))
        assert.ok(verdict.kind === 'refused' && expected.kind === 'digest')
        assert.ok(verdict.reason.includes(expected.digest.hex))
        assert.ok(verdict.reason.includes(hash(expected.digest.algorithm, bytes)))
      }),
    )
    await verifier.stop()
  })
}

test('a body of another size is refused before it is hashed', async () => {
  const hex = hash('sha-512', GOOD)
  const expected: Expectation = { kind: 'digest', rung: 'V2', digest: { algorithm: 'sha-512', hex }, size: 1 }
  const unhashed = { ...candidate(GOOD), digest: () => assert.fail('hashed') }
  assert.deepEqual(await ladder().verify(expected, unhashed), {
    kind: 'refused',
    reason: `expected 1 bytes, got ${GOOD.length}`,
  })
})

test('where the application verifies, anything is delivered but a body that proved wrong before', async () => {
  const verifier = ladder({ isBadBody: (body) => body === candidate(BAD).sha256 })
  const expected: Expectation = { kind: 'updater', rung: 'V5' }
  assert.deepEqual(await verifier.verify(expected, candidate(GOOD)), { kind: 'verified', rung: 'V5' })
  assert.equal((await verifier.verify(expected, candidate(BAD))).kind, 'refused')
})

test('a digest outweighs a bad name: the same body may be right elsewhere', async () => {
  const verifier = ladder({ isBadBody: () => true })
  const expected = await verifier.expect(BY_HASH, policy('auto'))
  assert.equal((await verifier.verify(expected, candidate(GOOD))).kind, 'verified')
})

test('without a proof nothing passes', async () => {
  const verdict = await ladder().verify({ kind: 'none', rung: 'V6' }, candidate(GOOD))
  assert.equal(verdict.kind, 'refused')
})

test("a copy that cannot be read is this node's fault, not a verdict on the peer", async () => {
  const verifier = ladder()
  const expected = await verifier.expect(PYPI, policy('auto'))
  const unreadable = { ...candidate(GOOD), digest: () => Promise.reject(new Fault('STORE_FAILED', 'gone')) }
  await assert.rejects(verifier.verify(expected, unreadable), { code: 'STORE_FAILED' })
})

for (const [verify, immutable, expected] of [
  ['auto', true, { kind: 'digest', rung: 'V2', digest: { algorithm: 'sha-512', hex: 'c' } }],
  ['strict', true, { kind: 'digest', rung: 'V2', digest: { algorithm: 'sha-512', hex: 'c' } }],
  ['updater', true, { kind: 'digest', rung: 'V2', digest: { algorithm: 'sha-512', hex: 'c' } }],
  ['auto', false, { kind: 'none', rung: 'V6' }],
  ['updater', false, { kind: 'updater', rung: 'V5' }],
] as const)
  test(`${verify}: what an index said that passed through counts for a name that ${immutable ? 'cannot' : 'can'} change`, async () => {
    const gathered = gatheredFor(new Map([[UNKNOWN, { digest: { algorithm: 'sha-512', hex: 'c' } }]]))
    const verifier = ladder({ gathered })
    assert.deepEqual(await verifier.expect(UNKNOWN, { ...policy(verify), immutable }), expected)
    const isKnown = verifier.knownDigest(UNKNOWN, { ...policy(verify), immutable }) !== undefined
    assert.equal(isKnown, immutable)
  })

test("apt's signed lists count more than what passed through", async () => {
  const gathered = gatheredFor(new Map([[LISTED, { digest: { algorithm: 'sha-256', hex: 'other' } }]]))
  const verifier = ladder({ gathered })
  await verifier.start()
  const expected = await verifier.expect(LISTED, policy('auto'))
  assert.equal(expected.kind === 'digest' && expected.digest.hex, hash('sha-256', GOOD))
  assert.equal(verifier.knownDigest(LISTED, policy('auto'))?.hex, hash('sha-256', GOOD))
  await verifier.stop()
})

for (const [verify, known, mayAsk, expected] of [
  ['auto', undefined, true, 'askable'],
  ['strict', undefined, true, 'askable'],
  ['updater', undefined, true, 'updater'],
  ['auto', undefined, false, 'none'],
  ['auto', 'none', true, 'none'],
  ['auto', STRONG, true, 'digest'],
  ['strict', STRONG, true, 'digest'],
  ['updater', STRONG, true, 'digest'],
  ['auto', WEAK, true, 'digest'],
  ['updater', WEAK, true, 'digest'],
  ['strict', WEAK, true, 'none'],
] as const) {
  const what =
    typeof known === 'object' ? known.algorithm : (known ?? (mayAsk ? 'unasked' : 'not to be asked'))
  test(`${verify}: of an origin server that is ${what} follows ${expected}`, async () => {
    const origins = { ...noOriginDigests, known: () => known, mayAsk: () => mayAsk }
    const { kind } = await ladder({ origins }).expect(UNKNOWN, policy(verify))
    assert.equal(kind, expected)
  })
}

for (const [verify, answer, expected] of [
  ['auto', STRONG, { kind: 'digest', rung: 'V3', digest: STRONG }],
  ['auto', WEAK, { kind: 'digest', rung: 'V3', digest: WEAK }],
  ['auto', { ...STRONG, size: 12 }, { kind: 'digest', rung: 'V3', digest: STRONG, size: 12 }],
  ['strict', WEAK, { kind: 'none', rung: 'V6' }],
  ['auto', 'none', { kind: 'none', rung: 'V6' }],
] as const)
  test(`${verify}: an answer of ${typeof answer === 'object' ? answer.algorithm : answer} leads to ${expected.rung}`, async () => {
    const origins = { ...noOriginDigests, ask: async () => answer }
    const question = { uri: UNKNOWN, target: UNKNOWN, fields: [], policy: policy(verify) }
    assert.deepEqual(await ladder({ origins }).ask(question), expected)
  })

test('MD5 refuses one wrong bit as well', async () => {
  const expected: Expectation = {
    kind: 'digest',
    rung: 'V3',
    digest: { algorithm: 'md5', hex: hash('md5', GOOD) },
  }
  const verifier = ladder()
  assert.deepEqual(await verifier.verify(expected, candidate(GOOD)), { kind: 'verified', rung: 'V3' })
  assert.equal((await verifier.verify(expected, candidate(BAD))).kind, 'refused')
})

test('what may still be asked is no proof', async () => {
  assert.equal((await ladder().verify({ kind: 'askable', rung: 'V3' }, candidate(GOOD))).kind, 'refused')
})

function gatheredFor(claims: ReadonlyMap<TargetUri, Claim>): GatheredIndexes {
  return { ...nothingGathered, find: async (uri) => claims.get(uri), known: (uri) => claims.get(uri) }
}

function ladder(more: Partial<VerifierComponents> = {}) {
  return verifierLadder({ apt: 'auto' }, { ...components(), ...more })
}

function components(): VerifierComponents {
  const files = { stamp: async () => 'unchanged', watch: () => () => {} }
  return { clock: manualClock(), run: lists, files }
}

const forbidden: Run = () => assert.fail('asked')

/** A machine whose apt has one signed list with one file. */
const lists: Run = async function* (program, args) {
  if (program === 'apt-config') yield Buffer.from("D='/lists/'\n")
  else if (args[0] === 'indextargets') yield Buffer.from('yes http://deb.example/debian/ /lists/main\n')
  else yield Buffer.from(stanza('pool/a+b.deb', hash('sha-256', GOOD), GOOD.length))
}

function policy(verify: VerifyMode): Policy {
  return { rule: 'test', share: true, immutable: true, store: true, verify, waitForDownloads: true }
}

function candidate(bytes: Uint8Array): Candidate {
  return {
    size: bytes.length,
    sha256: hash('sha-256', bytes) as Sha256,
    digest: async (algorithm) => hash(algorithm, bytes),
    async *read({ start, end }) {
      yield bytes.subarray(start, end)
    },
  }
}

function hash(algorithm: DigestAlgorithm, bytes: Uint8Array): string {
  const digest = createDigest(algorithm)
  digest.update(bytes)
  return digest.hex()
}
