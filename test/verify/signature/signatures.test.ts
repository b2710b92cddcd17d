import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EpochMs } from '../../../core/clock.ts'
import type { Policy } from '../../../core/policy.ts'
import type { TargetUri } from '../../../core/target-uri.ts'
import type { Expectation } from '../../../core/verifier.ts'
import { writeCabinet } from '../../../signing/cabinet/write.ts'
import type { Trust } from '../../../signing/chain.ts'
import { issueRevocationList } from '../../../signing/issue.ts'
import { readRevocationList } from '../../../signing/revocation.ts'
import { signCabinet, signCms } from '../../../signing/sign.ts'
import { verifierLadder } from '../../../verify/ladder.ts'
import { noOriginDigests } from '../../../verify/origin-digests.ts'
import { signatures } from '../../../verify/signature/signatures.ts'
import { manualClock } from '../../manual-clock.ts'
import { patterned } from '../../signing/fixtures.ts'
import { DAY, NOW, publisher } from '../../signing/signers.ts'
import { candidate, NAME, policy, SIGNED_URI, signedCabinet } from './signed-files.ts'

const WHO = publisher('p256')
const FILE = signedCabinet()
const TIMES = publisher('p256', 'Clock', undefined, 'timeStamping')

interface Scene {
  readonly trust?: Trust | undefined
  readonly now?: number
  /** What the origin server has beside the file. */
  readonly beside?: Uint8Array
}

function rung({ trust = WHO.trust, now = NOW, beside }: Scene = {}) {
  const clock = { ...manualClock(), wall: () => now as EpochMs }
  const asked: string[] = []
  const means = signatures({
    clock,
    signers: { trustFor: ({ signers }) => (signers?.length === 0 ? undefined : trust) },
    detached: {
      mayAsk: () => true,
      ask: async ({ target }) => {
        asked.push(target)
        return beside
      },
    },
  })
  const ladder = verifierLadder({ apt: 'off' }, { clock, signatures: means, origins: noOriginDigests })
  return { ladder, means, asked }
}

async function judged(bytes: Uint8Array, scene: Scene = {}, uri = SIGNED_URI): Promise<string> {
  const { ladder, means } = rung(scene)
  const expected = await ladder.expect(uri, policy())
  assert.equal(expected.kind, 'signature')
  const verdict = await ladder.verify(expected, candidate(bytes))
  const { verified, refused } = means.counts()
  if (verdict.kind === 'verified') {
    assert.deepEqual([verdict.rung, verified, refused], ['signature', 1, {}])
    return 'verified'
  }
  const [reason = ''] = Object.keys(refused)
  assert.deepEqual([verified, Object.values(refused)], [0, [1]])
  assert.ok(verdict.reason.startsWith(`signature ${reason}: `), verdict.reason)
  return reason
}

test('a cabinet of a trusted signer that names itself as it was asked for is proved, by RSA and P-256', async () => {
  assert.equal(await judged(FILE), 'verified')
  const rsa = publisher('rsa')
  assert.equal(await judged(signedCabinet({}, rsa), { trust: rsa.trust }), 'verified')
})

test('a file of many slices is proved as well', async () => {
  assert.equal(await judged(signedCabinet({}, WHO, patterned(5_000_000))), 'verified')
})

const REFUSED: readonly (readonly [
  string,
  reason: string,
  bytes: () => Buffer,
  scene?: Scene,
  uri?: string,
])[] = [
  [
    'an older file of the same publisher, renamed',
    'wrong-name',
    () => signedCabinet({ name: 'vsasap.202501010000.cab', released: '202501010000', version: '4.5.0' }),
  ],
  [
    'another product’s file, renamed',
    'wrong-name',
    () => signedCabinet({ name: 'engine.202601131511.cab', component: 'engine' }),
  ],
  [
    'a file of the right name whose version the URL does not say',
    'wrong-version',
    () => signedCabinet({ released: '202501010000' }),
  ],
  ['a file of another signer', 'wrong-signer', () => signedCabinet({}, publisher('p256', 'Somebody Else'))],
  ['a file with a changed byte', 'altered', () => changed(FILE, FILE.length >> 1)],
  ['a file with a byte more', 'altered', () => Buffer.concat([FILE, Buffer.alloc(1)])],
  ['a file with something in the bytes that no signature covers', 'altered', () => changed(FILE, 5)],
  ['a file that is cut off', 'altered', () => FILE.subarray(0, -1)],
  [
    'a file without a signature',
    'unsigned',
    () => writeCabinet([{ name: 'x', bytes: Buffer.from('x') }], 'store', NOW),
  ],
  [
    'a signed file that does not say what it is',
    'unnamed',
    () => signCabinet(writeCabinet([{ name: 'x', bytes: Buffer.from('x') }], 'store', NOW), WHO.identity),
  ],
  ['something else', 'malformed', () => Buffer.from('no cabinet')],
  ['nothing', 'malformed', () => Buffer.alloc(0)],
  ['a file whose signer’s time is over', 'certificate-expired', () => FILE, { now: NOW + 366 * DAY }],
  [
    'a file whose signer’s time has not begun',
    'certificate-not-yet-valid',
    () => FILE,
    { now: NOW - 2 * DAY },
  ],
  ['a file whose signer was revoked', 'certificate-revoked', () => FILE, { trust: revoking(NOW + DAY) }],
  [
    'a file of whose signer nothing is known any more',
    'revocation-unknown',
    () => FILE,
    { trust: revoking(NOW + DAY, false), now: NOW + 2 * DAY },
  ],
  [
    'a file whose signer may not sign code',
    'certificate-unsuitable',
    () => signedCabinet({}, TIMES),
    { trust: TIMES.trust },
  ],
]

function revoking(until: number, isRevoked = true): Trust {
  const { serial } = WHO.identity.certificate
  const list = issueRevocationList(WHO.authority, isRevoked ? [{ serial, at: NOW - DAY }] : [], NOW, until)
  return { ...WHO.trust, revocations: [readRevocationList(list)] }
}

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

for (const [what, reason, bytes, scene] of REFUSED)
  test(`${what} is refused: ${reason}`, async () => {
    assert.equal(await judged(bytes(), scene), reason)
  })

const SIGNATURE = signCms(FILE, WHO.identity, NOW, 'detached')
const BESIDE: Policy = policy({ signature: '.p7s', immutable: false })
const ZIP = 'http://updates.test/tool.zip' as TargetUri

async function besideIs(
  beside: Uint8Array | undefined,
  bytes: Uint8Array,
  scene: Scene = {},
): Promise<string> {
  const { ladder, means, asked } = rung(beside === undefined ? scene : { ...scene, beside })
  assert.equal((await ladder.expect(ZIP, BESIDE)).kind, 'askable')
  assert.deepEqual(asked, [], 'asked before any peer has it')
  const expected = await ladder.ask({ uri: ZIP, target: ZIP, fields: [], policy: BESIDE })
  assert.deepEqual(asked, [ZIP])
  if (expected.kind !== 'signature') return expected.kind
  const verdict = await ladder.verify(expected, candidate(bytes))
  return verdict.kind === 'verified' ? verdict.kind : (Object.keys(means.counts().refused)[0] ?? '')
}

test('a signature beside the file proves it, whatever it is, also under a name that can change', async () => {
  assert.equal(await besideIs(SIGNATURE, FILE), 'verified')
  const text = patterned(40_000)
  assert.equal(await besideIs(signCms(text, WHO.identity, NOW, 'detached'), text), 'verified')
})

test('a signature beside the file that is for other bytes, of another signer, or none, proves nothing', async () => {
  const other = publisher('p256', 'Somebody Else').identity
  assert.equal(await besideIs(SIGNATURE, changed(FILE, 100)), 'altered')
  assert.equal(await besideIs(signCms(FILE, other, NOW, 'detached'), FILE), 'wrong-signer')
  assert.equal(await besideIs(signCms(FILE, WHO.identity, NOW, 'attached'), FILE), 'malformed')
  assert.equal(await besideIs(Buffer.from('<html>'), FILE), 'malformed')
  assert.equal(await besideIs(SIGNATURE, FILE, { now: NOW + 366 * DAY }), 'certificate-expired')
  assert.equal(await besideIs(undefined, FILE), 'none')
})

const NOT_BY_SIGNATURE: readonly (readonly [string, uri: string, Partial<Policy>, Scene?])[] = [
  ['names that can change, where the signature is in the file', SIGNED_URI, { immutable: false }],
  ['files that carry none', 'http://updates.test/tool-1.2.3.zip', {}],
  ['rules that trust nobody', SIGNED_URI, { signers: [] }],
]

for (const [what, uri, rule] of NOT_BY_SIGNATURE)
  test(`${what} have no such proof`, async () => {
    const { ladder } = rung()
    const expected: Expectation = await ladder.expect(uri as TargetUri, policy(rule))
    assert.deepEqual(expected, { kind: 'none', rung: 'V6' })
  })

test('a signer who is no longer trusted when the file has come proves nothing', async () => {
  const { ladder } = rung()
  const expected = await ladder.expect(SIGNED_URI, policy())
  const later = verifierLadder({ apt: 'off' }, { clock: manualClock() })
  const verdict = await later.verify(expected, candidate(FILE))
  assert.equal(
    verdict.kind === 'refused' && verdict.reason,
    'signature wrong-signer: nobody’s signature counts here any more',
  )
})

test('the file name is compared, not the rest of the URL', async () => {
  assert.equal(await judged(FILE, {}, `http://mirror.test/other/${NAME}` as TargetUri), 'verified')
})
