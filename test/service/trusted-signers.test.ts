import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Policy } from '../../core/policy.ts'
import { TrustedSigners, type TrustedSignersSettings } from '../../service/trusted-signers.ts'
import { issueCertificate, issueRevocationList } from '../../signing/issue.ts'
import { toPem } from '../../signing/pem.ts'
import { manualClock } from '../manual-clock.ts'
import { DAY, NOW, publisher, type Publisher } from '../signing/signers.ts'
import { policy } from '../verify/signature/signed-files.ts'

const [ONE, OTHER] = [publisher('p256', 'One'), publisher('p256', 'Other')]

function scene(
  context: TestContext,
  settings: (name: (each: string) => string) => Partial<TrustedSignersSettings>,
) {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-signers-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  const name = (each: string) => join(folder, each)
  const write = (each: string, { authority }: Publisher) =>
    writeFileSync(name(each), toPem('CERTIFICATE', authority.certificate.der))
  write('one.pem', ONE)
  write('other.pem', OTHER)
  const clock = manualClock()
  const troubles: string[] = []
  const make = (policies: readonly Policy[] = []) =>
    new TrustedSigners({ signers: 'none', revocations: 'none', ...settings(name) }, policies, {
      clock,
      onTrouble: (detail) => troubles.push(detail),
    })
  return { name, write, clock, troubles, make }
}

function wanting(rule: Partial<Policy> = {}): Policy {
  return policy({ signature: 'embedded', ...rule })
}

function trusted(signers: TrustedSigners, rule: Partial<Policy> = {}): readonly string[] | undefined {
  return signers.trustFor(wanting(rule))?.certificates.map((each) => each.name)
}

test('where nobody is named, nobody counts', (t) => {
  assert.equal(trusted(scene(t, () => ({})).make()), undefined)
})

test('a rule’s own signers count in place of those for all rules, and an empty list is nobody', (t) => {
  const { name, make } = scene(t, (each) => ({ signers: [each('one.pem')] }))
  const signers = make([policy({ signers: [name('other.pem')] })])
  assert.deepEqual(trusted(signers), ['One authority'])
  assert.deepEqual(trusted(signers, { signers: [name('other.pem')] }), ['Other authority'])
  assert.equal(trusted(signers, { signers: [] }), undefined)
  const both = [name('one.pem'), name('other.pem')]
  assert.deepEqual(trusted(signers, { signers: both }), ['One authority', 'Other authority'])
})

test('signers for all rules count only where a rule says where the signature is: others make programs too', (t) => {
  const signers = scene(t, (each) => ({ signers: [each('one.pem')] })).make()
  assert.equal(signers.trustFor(policy()), undefined)
  assert.ok(signers.trustFor(policy({ signature: '.p7s' })))
})

test('a rule that wants signatures of nobody is an error', (t) => {
  const { make } = scene(t, () => ({}))
  assert.throws(() => make([policy({ signature: '.p7s' })]), {
    code: 'CONFIG_INVALID',
    message: /^rule test: .*\("signature"\), but neither its "signers" nor "verification\.signers" name/,
  })
})

test('a file that is not there, or holds no certificate, ends the start with its name', (t) => {
  const missing = scene(t, (each) => ({ signers: [each('missing.pem')] }))
  assert.throws(() => missing.make(), {
    code: 'CONFIG_INVALID',
    message: /signers: .*missing\.pem: there is no such file$/,
  })
  const empty = scene(t, () => ({}))
  writeFileSync(empty.name('empty.pem'), 'nothing')
  assert.throws(() => empty.make([policy({ signers: [empty.name('empty.pem')] })]), /found none/)
  const lists = scene(t, (each) => ({ signers: [each('one.pem')], revocations: [each('one.pem')] }))
  assert.throws(() => lists.make(), { code: 'CONFIG_INVALID', message: /revocations: .*one\.pem/ })
})

test('a revocation list that is not there ends the start, also where nobody’s signature counts', () => {
  const settings = { signers: 'none', revocations: ['/nowhere/lost.crl'] } as const
  const components = { clock: manualClock(), onTrouble: () => {} }
  assert.throws(() => new TrustedSigners(settings, [], components), {
    code: 'CONFIG_INVALID',
    message: 'revocations: /nowhere/lost.crl: there is no such file',
  })
})

test('a certificate whose signatures would never count ends the start with the reason', (t) => {
  const { privateKey: key } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const valid = { notBefore: NOW - DAY, notAfter: NOW + DAY }
  const weak = issueCertificate({ name: 'Weak', key, role: 'authority', ...valid })
  const { name, make } = scene(t, (each) => ({ signers: [each('one.pem'), each('weak.pem')] }))
  writeFileSync(name('weak.pem'), toPem('CERTIFICATE', weak.der))
  assert.throws(() => make(), {
    code: 'CONFIG_INVALID',
    message: /weak\.pem: the certificate of "Weak": expected RSA with at least 2048 bits, got 1024/,
  })
})

test('files that change are read again within a minute; one that cannot be read stays in force as it was', (t) => {
  const { name, write, clock, troubles, make } = scene(t, (each) => ({ signers: [each('one.pem')] }))
  const signers = make()
  const first = signers.trustFor(wanting())
  clock.advance(60_000)
  assert.equal(signers.trustFor(wanting()), first, 'read again although nothing has changed')
  write('one.pem', OTHER)
  writeFileSync(name('one.pem'), `${toPem('CERTIFICATE', OTHER.authority.certificate.der)}\n`)
  assert.deepEqual(trusted(signers), ['One authority'])
  clock.advance(60_000)
  assert.deepEqual(trusted(signers), ['Other authority'])
  rmSync(name('one.pem'))
  clock.advance(60_000)
  assert.deepEqual(trusted(signers), ['Other authority'])
  assert.equal(troubles.length, 1)
  clock.advance(1_000)
  trusted(signers)
  assert.equal(troubles.length, 1, 'the same trouble is told at every request')
})

test('a new revocation list is in force within a minute', (t) => {
  const { name, clock, make } = scene(t, (each) => ({
    signers: [each('one.pem')],
    revocations: [each('one.crl')],
  }))
  const list = (serials: readonly Buffer[]) =>
    issueRevocationList(
      ONE.authority,
      serials.map((serial) => ({ serial, at: NOW })),
      NOW,
      NOW + DAY,
    )
  writeFileSync(name('one.crl'), list([]))
  const signers = make()
  assert.equal(signers.trustFor(wanting())?.revocations[0]?.revoked.size, 0)
  writeFileSync(name('one.crl'), list([ONE.identity.certificate.serial]))
  clock.advance(60_000)
  assert.equal(signers.trustFor(wanting())?.revocations[0]?.revoked.size, 1)
})
