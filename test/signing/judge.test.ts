import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkAuthenticode } from '../../signing/authenticode.ts'
import { writeCabinet } from '../../signing/cabinet/write.ts'
import { issueCertificate, issueRevocationList } from '../../signing/issue.ts'
import { verdictOf } from '../../signing/judge.ts'
import { readRevocationList } from '../../signing/revocation.ts'
import { signCabinet } from '../../signing/sign.ts'
import { refusal } from './fixtures.ts'
import { DAY, keyOf, NOW, publisher, type KeyKind } from './signers.ts'

const PLAIN = writeCabinet(
  [{ name: 'cabinfo.ini', bytes: Buffer.from('[cabinfo]\r\nformat=1\r\n') }],
  'mszip',
  NOW,
)
const KINDS: readonly KeyKind[] = ['rsa', 'p256']

for (const kind of KINDS) {
  test(`a changed bit in any byte of a cabinet signed by ${kind} is refused`, () => {
    const { identity, trust } = publisher(kind)
    const cabinet = signCabinet(PLAIN, identity)
    assert.equal(checkAuthenticode(cabinet, trust, NOW).signer, 'Example Software')
    const accepted: number[] = []
    for (let at = 0; at < cabinet.length; at++) {
      const changed = Buffer.from(cabinet)
      changed[at] = (changed[at] ?? 0) ^ (1 << (at & 7))
      if (refusal(() => checkAuthenticode(changed, trust, NOW)) === 'accepted') accepted.push(at)
    }
    assert.deepEqual(accepted, [])
  })
}

test('a byte more, a byte less, and no signature at all are refused', () => {
  const { identity, trust } = publisher('p256')
  const cabinet = signCabinet(PLAIN, identity)
  const check = (bytes: Buffer) => refusal(() => checkAuthenticode(bytes, trust, NOW))
  assert.equal(check(Buffer.concat([cabinet, Buffer.alloc(1)])), 'altered')
  assert.notEqual(check(cabinet.subarray(0, -1)), 'accepted')
  assert.equal(check(PLAIN), 'unsigned')
  assert.equal(check(Buffer.from('not a cabinet')), 'malformed')
})

test('a signer to whom no trusted certificate leads is refused', () => {
  const cabinet = signCabinet(PLAIN, publisher('p256', 'Somebody Else').identity)
  assert.equal(
    refusal(() => checkAuthenticode(cabinet, publisher('p256').trust, NOW)),
    'wrong-signer',
  )
})

test('a signer’s own certificate can be what is trusted', () => {
  const { identity } = publisher('p256')
  const trust = { certificates: [identity.certificate], revocations: [] }
  assert.equal(checkAuthenticode(signCabinet(PLAIN, identity), trust, NOW).signer, 'Example Software')
})

test('a certificate counts within its time only', () => {
  const { identity, trust } = publisher('p256')
  const cabinet = signCabinet(PLAIN, identity)
  const at = (now: number) => refusal(() => checkAuthenticode(cabinet, trust, now))
  assert.equal(at(NOW + 366 * DAY), 'certificate-expired')
  assert.equal(at(NOW - 2 * DAY), 'certificate-not-yet-valid')
})

test('a certificate for something else, or that may not issue, is refused', () => {
  const times = publisher('p256', 'Clock', undefined, 'timeStamping')
  assert.equal(
    refusal(() => checkAuthenticode(signCabinet(PLAIN, times.identity), times.trust, NOW)),
    'certificate-unsuitable',
  )
  const { identity, trust } = publisher('p256')
  const key = keyOf('p256', 'below')
  const request = {
    name: 'Below',
    key,
    notBefore: NOW - DAY,
    notAfter: NOW + DAY,
    role: 'codeSigning',
  } as const
  const below = issueCertificate(request, identity)
  const chain = [identity.certificate]
  const cabinet = signCabinet(PLAIN, { key, certificate: below, chain })
  assert.equal(
    refusal(() => checkAuthenticode(cabinet, trust, NOW)),
    'certificate-unsuitable',
  )
})

test('a revoked certificate is refused, and so is everything once the list is out of date', () => {
  const { authority, identity, trust } = publisher('p256')
  const cabinet = signCabinet(PLAIN, identity)
  const list = (revoked: Parameters<typeof issueRevocationList>[1]) =>
    readRevocationList(issueRevocationList(authority, revoked, NOW, NOW + DAY))
  const { serial } = identity.certificate
  const check = (revocations: ReturnType<typeof list>, now = NOW) =>
    refusal(() => checkAuthenticode(cabinet, { ...trust, revocations: [revocations] }, now))
  assert.equal(check(list([])), 'accepted')
  assert.equal(check(list([{ serial, at: NOW - DAY }])), 'certificate-revoked')
  assert.equal(check(list([]), NOW + 2 * DAY), 'revocation-unknown')
})

test('a list that somebody else signed revokes nothing', () => {
  const { authority, identity, trust } = publisher('p256')
  const forged = { key: keyOf('p256', 'forger'), certificate: authority.certificate }
  const entry = { serial: identity.certificate.serial, at: NOW - DAY }
  const revocations = [readRevocationList(issueRevocationList(forged, [entry], NOW, NOW + DAY))]
  assert.equal(
    checkAuthenticode(signCabinet(PLAIN, identity), { ...trust, revocations }, NOW).signer,
    'Example Software',
  )
})

test('a verdict tells the reason in a word and in a sentence', () => {
  const verdict = verdictOf(() => checkAuthenticode(PLAIN, publisher('p256').trust, NOW))
  assert.deepEqual(verdict, { kind: 'refused', reason: 'unsigned', detail: 'the cabinet is not signed' })
})

test('certificates between come along with the signature, as many as their issuers allow', () => {
  const { authority } = publisher('p256')
  const times = { notBefore: NOW - DAY, notAfter: NOW + DAY }
  const key = (name: string) => keyOf('p256', name)
  const middle = issueCertificate(
    { name: 'Middle', key: key('middle'), ...times, role: 'authority' },
    authority,
  )
  const issuer = { key: key('middle'), certificate: middle }
  const leaf = issueCertificate({ name: 'Leaf', key: key('leaf'), ...times, role: 'codeSigning' }, issuer)
  const trust = { certificates: [authority.certificate], revocations: [] }
  const signed = (chain: readonly (typeof middle)[]) =>
    signCabinet(PLAIN, { key: key('leaf'), certificate: leaf, chain })
  assert.equal(checkAuthenticode(signed([middle]), trust, NOW).signer, 'Leaf')
  assert.equal(
    refusal(() => checkAuthenticode(signed([]), trust, NOW)),
    'wrong-signer',
  )
  const revoked = issueRevocationList(authority, [{ serial: middle.serial, at: NOW }], NOW, NOW + DAY)
  const lists = { ...trust, revocations: [readRevocationList(revoked)] }
  assert.equal(
    refusal(() => checkAuthenticode(signed([middle]), lists, NOW)),
    'certificate-revoked',
  )
})
