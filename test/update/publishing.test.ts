import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { issueCertificate } from '../../signing/issue.ts'
import { toPem } from '../../signing/pem.ts'
import { addComponent } from '../../update/publisher/add.ts'
import { initSite } from '../../update/publisher/init.ts'
import { keyPath, makeKeyFolder, newTufKey, saveKey } from '../../update/publisher/key-folder.ts'
import { refresh, release } from '../../update/publisher/release.ts'
import { readTrust } from '../../update/trust-file.ts'
import { patterned, temporaryFolder } from '../signing/fixtures.ts'
import { keyOf, type KeyKind } from '../signing/signers.ts'
import { AT, outcomeOf, world } from './world.ts'

const UNPACK = { kind: 'unpack', into: 'x' } as const
const INIT = { product: 'ViruScan', at: AT, kind: 'rsa', own: undefined, ownCatalog: undefined } as const
const RELEASE = { at: AT, compression: 'mszip', validDays: 14, baseUrl: undefined } as const

/** The patents' reference workload: the six packages of [0058], in kB. */
const REFERENCE = { myavdat: 910, myxtrdat: 16, mycioagt: 370, vsasap: 360, vseng9x: 240, vsengine: 340 }

function addReference(site: string, folder: string): void {
  for (const [component, kilobytes] of Object.entries(REFERENCE)) {
    const file = join(folder, `${component}.dat`)
    writeFileSync(file, patterned(kilobytes * 1000))
    const install = { kind: 'unpack', into: component } as const
    addComponent(site, { component, version: '4.5.1', minProduct: '4.0', install, paths: [file] })
  }
}

function everyFile(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const files = names.filter((name) => statSync(join(folder, name)).isFile())
  return new Map(files.toSorted().map((name) => [name, readFileSync(join(folder, name)).toString('hex')]))
}

test('a second product does not write over the keys of the first', (t) => {
  const folder = temporaryFolder(t)
  const keys = join(folder, 'keys')
  initSite(join(folder, 'one'), { ...INIT, keys })
  const root = readFileSync(join(keys, 'offline/root.key.pem'), 'utf8')
  assert.throws(() => initSite(join(folder, 'two'), { ...INIT, keys }), /has keys of a product/)
  assert.equal(readFileSync(join(keys, 'offline/root.key.pem'), 'utf8'), root)
  assert.equal(existsSync(join(folder, 'two')), false)
})

test('the key that another one takes the place of can be put back', (t) => {
  const folder = temporaryFolder(t)
  makeKeyFolder(folder)
  const [first, second] = [newTufKey(), newTufKey()]
  saveKey(folder, 'root', first)
  saveKey(folder, 'root', second)
  const before = readFileSync(`${keyPath(folder, 'root')}.before`, 'utf8')
  assert.equal(before, first.export({ format: 'pem', type: 'pkcs8' }))
})

test('the same files, keys and time give the same bytes, byte for byte', (t) => {
  const folder = temporaryFolder(t)
  const [site, copy, keys] = [join(folder, 'site'), join(folder, 'copy'), join(folder, 'keys')]
  initSite(site, { ...INIT, keys })
  addReference(site, folder)
  cpSync(site, copy, { recursive: true })
  for (const each of [site, copy]) release(each, { ...RELEASE, keys })
  assert.deepEqual(everyFile(site), everyFile(copy))
  for (const each of [site, copy]) refresh(each, { ...RELEASE, keys, at: AT + 1000 })
  assert.deepEqual(everyFile(site), everyFile(copy))
})

for (const kind of ['rsa', 'p256'] as const)
  test(`the catalogue of the reference workload takes at most 8 kB, signed by ${kind} (R9.4)`, (t) => {
    const folder = temporaryFolder(t)
    const [site, keys] = [join(folder, 'site'), join(folder, 'keys')]
    initSite(site, { ...INIT, kind, keys })
    addReference(site, folder)
    const { catalogueBytes, packages } = release(site, { ...RELEASE, keys })
    assert.equal(packages.length, 6)
    assert.ok(catalogueBytes <= 8000, `${catalogueBytes} bytes`)
    t.diagnostic(`${catalogueBytes} bytes`)
  })

test('keys are closed to others, and what is prepared is, too', (t) => {
  const { keys, site } = world(t)
  for (const place of ['offline', 'online']) {
    assert.equal(statSync(join(keys, place)).mode & 0o777, 0o700)
    for (const name of readdirSync(join(keys, place)).filter((each) => each.endsWith('.key.pem')))
      assert.equal(statSync(join(keys, place, name)).mode & 0o777, 0o600, name)
  }
  assert.equal(statSync(join(site, '.publish')).mode & 0o777, 0o700)
})

for (const kind of ['rsa', 'p256'] as const satisfies readonly KeyKind[])
  test(`certificates of one’s own are used: an ${kind} signer below an authority`, async (t) => {
    const folder = temporaryFolder(t)
    const times = { notBefore: AT - 1000, notAfter: AT + 1e10 }
    const authorityKey = keyOf(kind, 'own authority')
    const authority = issueCertificate({
      name: 'Own authority',
      key: authorityKey,
      ...times,
      role: 'authority',
    })
    const key = keyOf(kind, 'own signer')
    const signer = issueCertificate(
      { name: 'Own signer', key, ...times, role: 'codeSigning' },
      { key: authorityKey, certificate: authority },
    )
    const [certificate, privateKey] = [join(folder, 'signer.pem'), join(folder, 'signer.key')]
    writeFileSync(certificate, toPem('CERTIFICATE', signer.der) + toPem('CERTIFICATE', authority.der))
    writeFileSync(privateKey, key.export({ format: 'pem', type: 'pkcs8' }))
    const w = world(t)
    const [site, keys] = [join(folder, 'site'), join(folder, 'keys')]
    initSite(site, { ...INIT, keys, own: { certificate, privateKey } })
    writeFileSync(join(folder, 'x'), 'content')
    addComponent(site, {
      component: 'x',
      version: '1',
      minProduct: undefined,
      install: UNPACK,
      paths: [join(folder, 'x')],
    })
    release(site, { ...RELEASE, keys })
    w.tamper = (name) => readFileSync(join(site, name))
    const trust = readTrust(readFileSync(join(keys, 'publisher.pem'), 'utf8'))
    assert.deepEqual(
      trust.certificates.map(({ name }) => name),
      ['Own authority'],
    )
    assert.equal(outcomeOf(await w.update({ trust })), 'updated')
    // The certificate alone, as anybody has it, is enough to trust.
    const plain = { certificates: trust.certificates, revocations: [], rootKeys: [] }
    assert.equal(outcomeOf(await w.update({ trust: plain, into: join(folder, 'other') })), 'updated')
  })

test('what cannot be released is refused with the reason', (t) => {
  const w = world(t)
  const folder = temporaryFolder(t)
  const add = (change: object) =>
    addComponent(w.site, {
      component: 'x',
      version: '1',
      minProduct: undefined,
      install: UNPACK,
      paths: [join(folder, 'file')],
      ...change,
    })
  writeFileSync(join(folder, 'file'), 'x')
  writeFileSync(join(folder, 'cabinfo.ini'), 'x')
  symlinkSync('/etc/passwd', join(folder, 'link'))
  mkdirSync(join(folder, 'empty'))
  const settings = { ...RELEASE, keys: w.keys }
  assert.throws(() => release(w.site, settings), /nothing was added/)
  assert.throws(() => refresh(w.site, settings), /nothing was released/)
  assert.throws(() => add({ component: '../x' }), /expected letters/)
  assert.throws(() => add({ component: 'catalog' }), /expected letters/)
  assert.throws(() => add({ version: 'a b' }), /expected a version/)
  assert.throws(() => add({ paths: [] }), /expected the files/)
  assert.throws(() => add({ paths: [join(folder, 'none')] }), /there is no/)
  assert.throws(() => add({ paths: [join(folder, 'link')] }), /expected a file or a folder/)
  assert.throws(() => add({ paths: [join(folder, 'cabinfo.ini')] }), /what the package says of itself/)
  assert.throws(() => add({ paths: [join(folder, 'empty')] }), /empty folders/)
  assert.throws(() => add({ paths: [join(folder, 'file'), join(folder, 'file')] }), /would be named/)
  add({ version: '2' })
  release(w.site, settings)
  assert.throws(() => add({ version: '1.9' }), /is older/)
  assert.throws(() => initSite(w.site, { ...INIT, keys: w.keys }), /already/)
})

test('a release whose certificate updaters would refuse is not published', (t) => {
  const w = world(t)
  w.now += 4 * 365 * 86_400_000
  assert.throws(() => w.publish({ vsasap: ['1', 'x'] }), /was valid until/)
  assert.ok(!readdirSync(w.site).includes('myupdate.cab'))
})
