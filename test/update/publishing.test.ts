import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { issueCertificate } from '../../signing/issue.ts'
import { toPem } from '../../signing/pem.ts'
import { addComponent } from '../../update/publisher/add.ts'
import { expiriesOf } from '../../update/publisher/expiries.ts'
import { initSite } from '../../update/publisher/init.ts'
import { keyPath, makeKeyFolder, newTufKey, saveKey } from '../../update/publisher/key-folder.ts'
import { withSite } from '../../update/publisher/open-site.ts'
import { checkPackage } from '../../update/publisher/package-rules.ts'
import { refresh, release } from '../../update/publisher/release.ts'
import { rotate } from '../../update/publisher/rotate.ts'
import { loadSite, type Site } from '../../update/publisher/site.ts'
import { readTrust } from '../../update/trust-file.ts'
import { everyFile, patterned, temporaryFolder } from '../signing/fixtures.ts'
import { keyOf, type KeyKind } from '../signing/signers.ts'
import { breakOff } from './broken-off.ts'
import { AT, DAY, outcomeOf, world } from './world.ts'

const UNPACK = { kind: 'unpack', into: 'x' } as const
const INIT = { product: 'ViruScan', at: AT, kind: 'rsa', own: undefined, ownCatalog: undefined } as const
const RELEASE = { at: AT, compression: 'mszip', validDays: 14, baseUrl: undefined } as const

/** The patents' reference workload: the six packages of [0058], in kB. */
const REFERENCE = { myavdat: 910, myxtrdat: 16, mycioagt: 370, vsasap: 360, vseng9x: 240, vsengine: 340 }

function addReference(site: string, folder: string, order: 'as named' | 'backwards' = 'as named'): void {
  const components = Object.entries(REFERENCE)
  for (const [component, kilobytes] of order === 'as named' ? components : components.toReversed()) {
    const file = join(folder, `${component}.dat`)
    writeFileSync(file, patterned(kilobytes * 1000))
    if (order === 'backwards') utimesSync(file, 1, 1)
    const install = { kind: 'unpack', into: component } as const
    addComponent(site, { component, version: '4.5.1', minProduct: '4.0', install, paths: [file] })
  }
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

test('a folder of other files does not become a publisher’s folder', (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'source.ts'), 'x')
  assert.throws(() => initSite(folder, { ...INIT, keys: join(folder, 'keys') }), /has other files already/)
  assert.deepEqual(readdirSync(folder), ['source.ts'])
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

test('the same files, keys and time give the same bytes, byte for byte, in whatever order and on whatever day', (t) => {
  const folder = temporaryFolder(t)
  const [site, copy, keys] = [join(folder, 'site'), join(folder, 'copy'), join(folder, 'keys')]
  const [here, there] = [join(folder, 'here'), join(folder, 'there')]
  initSite(site, { ...INIT, keys })
  cpSync(site, copy, { recursive: true })
  for (const each of [here, there]) mkdirSync(each)
  addReference(site, here)
  addReference(copy, there, 'backwards')
  for (const each of [site, copy]) release(each, { ...RELEASE, keys })
  assert.deepEqual(publicFiles(site), publicFiles(copy))
  assert.ok(publicFiles(site).has('myupdate.cab') && publicFiles(site).has('vsasap.200101131511.cab'))
  for (const each of [site, copy]) refresh(each, { ...RELEASE, keys, at: AT + 1000 })
  assert.deepEqual(publicFiles(site), publicFiles(copy))
  refresh(copy, { ...RELEASE, keys, at: AT + 2000 })
  assert.notDeepEqual(publicFiles(site), publicFiles(copy))
})

/** What a web server shows, in hexadecimal. */
function publicFiles(site: string): ReadonlyMap<string, string> {
  return new Map([...everyFile(site)].filter(([name]) => !name.startsWith('.publish')))
}

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
  assert.throws(() => add({ paths: [join(folder, 'file'), join(folder, 'file')] }), /have the name/)
  add({ version: '2' })
  release(w.site, settings)
  assert.throws(() => add({ version: '1.9' }), /is older/)
  assert.throws(() => initSite(w.site, { ...INIT, keys: w.keys }), /already/)
})

test('what updaters would refuse is refused when it is added, with the reason', async (t) => {
  const w = world(t)
  const folder = temporaryFolder(t)
  const file = (name: string, content = 'x') => {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const add = (component: string, into: string, ...paths: readonly string[]) =>
    addComponent(w.site, {
      component,
      version: '1',
      minProduct: undefined,
      install: { kind: 'unpack', into },
      paths,
    })
  const atTop = /two files of the set have the name readme/
  add('one', '.', file('a/readme'))
  assert.throws(() => add('two', '.', file('b/readme')), atTop, 'waits for the release')
  assert.throws(() => add('two', '.', file('b/README')), atTop, 'differs in capitals')
  assert.throws(() => add('two', 'readme', file('b/x')), atTop, 'a folder where there is a file')
  release(w.site, { ...RELEASE, keys: w.keys })
  assert.throws(() => add('two', '.', file('b/readme')), atTop, 'is public')
  add('one', '.', file('b/readme'))
  assert.throws(() => add('two', '.', file('set.json')), /what the installed set says of itself/)
  add('two', 'folder', file('set.json'))
  assert.throws(() => add('two', '.', file('Cabinfo.ini')), /what the package says of itself/)
  const composed = [file('c/\u00e9'), file('d/e\u0301')] as const
  assert.throws(() => add('two', '.', ...composed), /two files of the set/, 'two spellings of one name')
  for (const name of ['a:b', 'con.txt', 'ends in a dot.', 'new\nline'])
    assert.throws(() => add('two', '.', file(name)), /a file name that leads elsewhere.*unsafe-name/s, name)
  assert.throws(() => add('two', '.', file('back\\slash')), /without "\\"/)
  assert.throws(() => add('two', 'aux', file('b/x')), /leads elsewhere/, '--to')
  file(`${'y'.repeat(100)}/${'x'.repeat(200)}`)
  assert.throws(() => add('two', '.', join(folder, 'y'.repeat(100))), /a file name of more than 255 bytes/)
  assert.throws(() => add('ONE', 'elsewhere', file('b/x')), /too alike/)
  release(w.site, { ...RELEASE, keys: w.keys })
  assert.equal(outcomeOf(await w.update()), 'updated', 'what was let through')
})

test('a package has as many files and bytes as updaters take, and not one more', (t) => {
  const site = { packages: [], staged: [] } as unknown as Site
  const check = (files: number, bytes = 1) =>
    checkPackage(
      site,
      'x',
      UNPACK,
      Array.from({ length: files }, (_, at) => ({ name: `${at}`, bytes })),
    )
  check(9_999)
  assert.throws(() => check(10_000), /at most 9999/)
  check(1, 1_999_990_000)
  assert.throws(() => check(1, 1_999_990_001), /at most 2000000000/)
  const w = world(t)
  const many = join(temporaryFolder(t), 'many')
  mkdirSync(many)
  for (let at = 0; at < 10_000; at++) writeFileSync(join(many, `${at}`), '')
  const addition = { component: 'x', version: '1', minProduct: undefined, install: UNPACK, paths: [many] }
  assert.throws(() => addComponent(w.site, addition), /10000 files/)
  rmSync(join(many, '0'))
  addComponent(w.site, addition)
  assert.equal(release(w.site, { ...RELEASE, keys: w.keys }).packages.length, 1)
})

test('an addition that fails at any step leaves what was put aside before, or nothing of the component', (t) => {
  const w = world(t)
  const copies = join(temporaryFolder(t), 'copy')
  w.stage({ vsasap: ['1', 'first'], rules: ['1', 'rules'] })
  cpSync(w.site, copies, { recursive: true })
  for (let nth = 1; ; nth++) {
    rmSync(w.site, { recursive: true })
    cpSync(copies, w.site, { recursive: true })
    if (!breakOff(t, nth, 'from then on', () => w.stage({ vsasap: ['2', 'second'] })).isBroken) break
    const { staged } = loadSite(w.site)
    for (const { component, version } of staged) {
      const path = join(w.site, '.publish/staged', component, `${component}.dat`)
      const expected = component === 'rules' ? 'rules' : version === '1' ? 'first' : 'second'
      assert.equal(readFileSync(path, 'utf8'), expected, `change ${nth}`)
    }
    w.publish({ vsasap: ['2', 'second'] })
    assert.equal(loadSite(w.site).packages.length, 2)
  }
})

test('a certificate is used from the second on in which it becomes valid', (t) => {
  const folder = temporaryFolder(t)
  const [site, keys, at] = [join(folder, 'site'), join(folder, 'keys'), AT + 25_000]
  const key = keyOf('p256', 'a young signer')
  const times = { notBefore: at, notAfter: at + DAY }
  const young = issueCertificate({ name: 'Young signer', key, ...times, role: 'codeSigning' })
  const [certificate, privateKey] = [join(folder, 'signer.pem'), join(folder, 'signer.key')]
  writeFileSync(certificate, toPem('CERTIFICATE', young.der))
  writeFileSync(privateKey, key.export({ format: 'pem', type: 'pkcs8' }))
  initSite(site, { ...INIT, at, keys, own: { certificate, privateKey } })
  const addition = {
    component: 'x',
    version: '1',
    minProduct: undefined,
    install: UNPACK,
    paths: [certificate],
  }
  addComponent(site, addition)
  assert.throws(() => release(site, { ...RELEASE, keys, at: at - 1000 }), /is valid from/)
  assert.equal(release(site, { ...RELEASE, keys, at }).packages.length, 1)
  refresh(site, { ...RELEASE, keys, at })
  assert.throws(() => refresh(site, { ...RELEASE, keys, at: at + DAY + 1000 }), /was valid until/)
})

test('a catalogue of which a role has expired is not published; a rotation of the root renews root and targets', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'x'] })
  w.now = AT + 400 * DAY
  const before = everyFile(w.site)
  assert.throws(() => w.refresh(), /its root was valid until.*rotate --key root/)
  assert.deepEqual(everyFile(w.site), before)
  rotate(w.site, 'root', { keys: w.keys, at: w.now, validDays: 14 })
  assert.equal(outcomeOf(await w.update()), 'updated')
  const left = expiriesOf(w.site, w.now).map(({ what, daysLeft, state }) => `${what} ${daysLeft} ${state}`)
  assert.deepEqual(left, [
    'root 365 valid',
    'targets 365 valid',
    'snapshot 14 valid',
    'timestamp 14 valid',
    'packages 695 valid',
    'catalog 695 valid',
  ])
})

test('packages whose certificate expires are named until they are released again', (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'x'], rules: ['1', 'y'] })
  const expiry = (what: string) => expiriesOf(w.site, w.now).find((each) => each.what === what)
  assert.equal(expiry('packages')?.state, 'valid')
  w.now = AT + 3 * 365 * DAY - 10 * DAY
  assert.deepEqual([expiry('packages')?.state, expiry('packages')?.components], ['soon', ['rules', 'vsasap']])
  for (const each of ['root', 'packages', 'catalog'] as const)
    rotate(w.site, each, { keys: w.keys, at: w.now, validDays: 14 })
  assert.equal(expiry('catalog')?.state, 'valid')
  w.publish({ vsasap: ['1', 'x'] })
  assert.deepEqual([expiry('packages')?.state, expiry('packages')?.components], ['soon', ['rules']])
  w.now += 11 * DAY
  assert.equal(expiry('packages')?.state, 'expired')
  w.publish({ rules: ['1', 'y'] })
  assert.equal(expiry('packages')?.state, 'valid')
})

test('a new certificate of one’s own takes the place of one that expires; a stranger’s does not', async (t) => {
  const folder = temporaryFolder(t)
  const [site, keys] = [join(folder, 'site'), join(folder, 'keys')]
  const times = { notBefore: AT - 1000, notAfter: AT + 400 * DAY }
  const authority = (name: string) => {
    const key = keyOf('p256', name)
    return { key, certificate: issueCertificate({ name, key, ...times, role: 'authority' }) }
  }
  const [ours, stranger] = [authority('Authority'), authority('Stranger')]
  const signer = (issuer: typeof ours, days: number, from = AT - 1000) => {
    const name = `signer-${issuer === ours ? 'ours' : 'stranger'}-${days}`
    const key = keyOf('p256', name)
    const request = { name, key, notBefore: from, notAfter: AT + days * DAY, role: 'codeSigning' } as const
    const issued = issueCertificate(request, issuer)
    const own = { certificate: join(folder, `${name}.pem`), privateKey: join(folder, `${name}.key`) }
    writeFileSync(
      own.certificate,
      [issued, issuer.certificate].map(({ der }) => toPem('CERTIFICATE', der)).join(''),
    )
    writeFileSync(own.privateKey, key.export({ format: 'pem', type: 'pkcs8' }))
    return own
  }
  initSite(site, { ...INIT, keys, own: signer(ours, 20) })
  const add = () =>
    addComponent(site, {
      component: 'x',
      version: '1',
      minProduct: undefined,
      install: UNPACK,
      paths: [signer(ours, 20).certificate],
    })
  add()
  release(site, { ...RELEASE, keys })
  const w = world(t)
  w.tamper = (name) => readFileSync(join(site, name))
  const trust = readTrust(readFileSync(join(keys, 'publisher.pem'), 'utf8'))
  const settings = { keys, at: AT + 19 * DAY, validDays: 14 }
  for (const what of ['packages', 'catalog'] as const) {
    assert.throws(() => rotate(site, what, settings), /the certificate is your own: expected the new one/)
    assert.throws(
      () => rotate(site, what, { ...settings, own: signer(stranger, 300) }),
      /no trusted certificate leads/,
    )
    assert.throws(() => rotate(site, what, { ...settings, own: signer(ours, 10) }), /was valid until/)
    rotate(site, what, { ...settings, own: signer(ours, 300) })
  }
  w.now = AT + 30 * DAY
  assert.equal(outcomeOf(await w.update({ trust })), 'certificate-expired', 'of the package')
  add()
  release(site, { ...RELEASE, keys, at: w.now })
  assert.equal(outcomeOf(await w.update({ trust })), 'updated')
})

test('two commands at once do not write into one folder', (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'x'] })
  withSite(w.site, undefined, () => {
    assert.throws(() => w.refresh(), /is in use by another process/)
  })
  w.refresh()
})

test('a release whose certificate updaters would refuse is not published', (t) => {
  const w = world(t)
  w.now += 4 * 365 * 86_400_000
  assert.throws(() => w.publish({ vsasap: ['1', 'x'] }), /was valid until.*rotate --key packages/)
  assert.ok(!readdirSync(w.site).includes('myupdate.cab'))
})
