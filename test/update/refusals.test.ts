/** Everything that issue 6, point 4 lists, by doing it: its own reason, counted, and the old version stays. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { readCabinet, unpack } from '../../signing/cabinet/read.ts'
import { CABINET_INFO, writeCabinetInfo, type CabinetInfo } from '../../signing/cabinet-info.ts'
import { writeCabinet, type NewFile } from '../../signing/cabinet/write.ts'
import { issueRevocationList } from '../../signing/issue.ts'
import { readRevocationList } from '../../signing/revocation.ts'
import { signCabinet } from '../../signing/sign.ts'
import { loadIdentity, loadKey } from '../../update/publisher/key-folder.ts'
import { release } from '../../update/publisher/release.ts'
import { loadSite, saveSite } from '../../update/publisher/site.ts'
import { addComponent } from '../../update/publisher/add.ts'
import { readHistory } from '../../update/installer/history.ts'
import { commandRunner } from '../../update/installer/command.ts'
import { systemClock } from '../../core/clock.ts'
import type { UpdaterSettings } from '../../update/installer/updater.ts'
import { readTrust } from '../../update/trust-file.ts'
import { signMetadata, type Targets } from '../../update/tuf/metadata.ts'
import { publisher } from '../signing/signers.ts'
import { AT, DAY, outcomeOf, world, type World } from './world.ts'

const OLD = { vsasap: ['4.5.1', 'old'], engine: ['1.0', 'engine'] } as const
const NEW = { vsasap: ['4.5.2', 'new'] } as const
const PACKAGE = 'vsasap.200101141511.cab'
const OLD_PACKAGE = 'vsasap.200101131511.cab'
const LIMITS = { maxFiles: 100, maxUnpackedBytes: 10_000_000 }

interface Attack {
  readonly reason: string
  readonly what: string
  /** Does it: what the origin server (or a peer) gives from now on. */
  readonly attack: (w: World) => void | Partial<UpdaterSettings>
}

/** The files of a cabinet, to be put together anew. */
function filesOf(cabinet: Buffer): NewFile[] {
  const files = new Map<string, Buffer>()
  for (const { file, bytes } of unpack(readCabinet(cabinet, LIMITS)))
    files.set(file.name, Buffer.concat([files.get(file.name) ?? Buffer.alloc(0), bytes]))
  return [...files].map(([name, bytes]) => ({ name, bytes }))
}

function replaced(w: World, name: string, bytes: Buffer): void {
  w.tamper = (asked) => (asked === name ? bytes : undefined)
}

function flipped(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}

/** A package that the publisher's own key signed, but which is not the one that was released. */
function signedPackage(w: World, info: Partial<CabinetInfo>, files: readonly NewFile[] = []): Buffer {
  const whole = {
    name: PACKAGE,
    product: 'ViruScan',
    component: 'vsasap',
    version: '4.5.2',
    released: '200101141511',
    ...info,
  }
  const cabinet = writeCabinet(
    [{ name: CABINET_INFO, bytes: writeCabinetInfo(whole) }, ...files],
    'mszip',
    AT,
  )
  return signCabinet(cabinet, loadIdentity(w.keys, 'packages'))
}

/** A catalogue signed anew around other files: what a thief of the online keys could do. */
function signedCatalogue(w: World, change: (files: NewFile[]) => NewFile[]): Buffer {
  const files = change(filesOf(w.file('myupdate.cab')))
  return signCabinet(writeCabinet(files, 'mszip', AT), loadIdentity(w.keys, 'catalog'))
}

const withFile = (name: string, bytes: Buffer) => (files: NewFile[]) =>
  files.map((file) => (file.name === name ? { name, bytes } : file))

const CATALOGUES: readonly Attack[] = [
  {
    what: 'an unsigned catalogue',
    reason: 'unsigned',
    attack: (w) => replaced(w, 'myupdate.cab', writeCabinet(filesOf(w.file('myupdate.cab')), 'mszip', AT)),
  },
  {
    what: 'a catalogue signed by somebody else',
    reason: 'wrong-signer',
    attack: (w) => {
      const cabinet = writeCabinet(filesOf(w.file('myupdate.cab')), 'mszip', AT)
      replaced(w, 'myupdate.cab', signCabinet(cabinet, publisher('p256', 'Mallory').identity))
    },
  },
  {
    what: 'a catalogue whose certificate has expired',
    reason: 'certificate-expired',
    attack: (w) => void (w.now += 4 * 365 * DAY),
  },
  {
    what: 'a catalogue whose certificate was revoked',
    reason: 'certificate-revoked',
    attack: (w) => {
      const trust = readTrust(readFileSync(join(w.keys, 'publisher.pem'), 'utf8'))
      const [certificate] = trust.certificates
      assert.ok(certificate)
      const authority = { key: loadKey(w.keys, 'authority'), certificate }
      const { serial } = loadIdentity(w.keys, 'catalog').certificate
      const list = issueRevocationList(authority, [{ serial, at: w.now - DAY }], w.now, w.now + DAY)
      return { trust: { ...trust, revocations: [readRevocationList(list)] } }
    },
  },
  {
    what: 'a catalogue with a changed byte',
    reason: 'altered',
    attack: (w) => replaced(w, 'myupdate.cab', flipped(w.file('myupdate.cab'), 200)),
  },
  ...[4, 34, 36, 40, 52].map((at): Attack => ({
    what: `a catalogue with a changed byte ${at}, which Authenticode leaves unsigned`,
    reason: 'altered',
    attack: (w) => replaced(w, 'myupdate.cab', flipped(w.file('myupdate.cab'), at)),
  })),
  {
    what: 'bytes after the catalogue',
    reason: 'altered',
    attack: (w) => replaced(w, 'myupdate.cab', Buffer.concat([w.file('myupdate.cab'), Buffer.from('more')])),
  },
  {
    what: 'a signed package in the place of the catalogue',
    reason: 'wrong-name',
    attack: (w) => replaced(w, 'myupdate.cab', w.file(OLD_PACKAGE)),
  },
  {
    what: 'the catalogue of another product of the same publisher',
    reason: 'wrong-product',
    attack: (w) => {
      const info = {
        name: 'myupdate.cab',
        product: 'Firewall',
        component: 'catalog',
        version: '2',
        released: '200101141511',
      }
      replaced(w, 'myupdate.cab', signedCatalogue(w, withFile(CABINET_INFO, writeCabinetInfo(info))))
    },
  },
  {
    what: 'an older catalogue, replayed',
    reason: 'replayed',
    attack: (w) => replaced(w, 'myupdate.cab', readFileSync(join(w.site, '../older.cab'))),
  },
  {
    what: 'a catalogue that has expired (a freeze)',
    reason: 'expired-catalogue',
    attack: (w) => void (w.now += 15 * DAY),
  },
  {
    what: 'a new timestamp with an old snapshot',
    reason: 'mixed-set',
    attack: (w) => {
      const old = filesOf(readFileSync(join(w.site, '../older.cab'))).find(
        ({ name }) => name === 'snapshot.json',
      )
      replaced(w, 'myupdate.cab', signedCatalogue(w, withFile('snapshot.json', old?.bytes as Buffer)))
    },
  },
  {
    what: 'new metadata with the old list of packages',
    reason: 'mixed-set',
    attack: (w) => {
      const old = filesOf(readFileSync(join(w.site, '../older.cab'))).find(
        ({ name }) => name === 'catalog.ini',
      )
      replaced(w, 'myupdate.cab', signedCatalogue(w, withFile('catalog.ini', old?.bytes as Buffer)))
    },
  },
  {
    what: 'a timestamp signed by a key that may not',
    reason: 'wrong-signer',
    attack: (w) => {
      const files = filesOf(w.file('myupdate.cab'))
      const { signed } = JSON.parse(
        Buffer.from(files.find(({ name }) => name === 'timestamp.json')?.bytes ?? []).toString(),
      )
      const forged = signMetadata(signed as Targets, [loadKey(w.keys, 'snapshot')])
      replaced(w, 'myupdate.cab', signedCatalogue(w, withFile('timestamp.json', forged)))
    },
  },
  {
    what: 'a root that the old root did not sign',
    reason: 'wrong-signer',
    attack: (w) => {
      const root = JSON.parse(readFileSync(join(w.site, 'metadata/root.json'), 'utf8'))
      const forged = signMetadata({ ...root.signed, version: 2 }, [loadKey(w.keys, 'timestamp')])
      replaced(w, 'myupdate.cab', signedCatalogue(w, withFile('root.json', forged)))
    },
  },
  {
    what: 'an endless catalogue',
    reason: 'oversized',
    attack: (w) => replaced(w, 'myupdate.cab', Buffer.alloc(600_000)),
  },
  {
    what: 'a catalogue that is no cabinet',
    reason: 'malformed',
    attack: (w) => replaced(w, 'myupdate.cab', Buffer.from('<html>captive portal</html>')),
  },
  { what: 'no catalogue', reason: 'not-found', attack: (w) => rmSync(join(w.site, 'myupdate.cab')) },
  {
    what: 'a component that the catalogue does not have',
    reason: 'unknown-component',
    attack: () => ({ components: ['vsasap', 'vsengine'] }),
  },
  {
    what: 'a package that is installed by a command, where none is configured',
    reason: 'command-missing',
    attack: (w) => {
      const paths = [join(w.site, 'catalog.ini')]
      const install = { kind: 'command', into: 'x' } as const
      addComponent(w.site, { component: 'driver', version: '1', minProduct: undefined, install, paths })
      republish(w)
    },
  },
  {
    what: 'a package for a newer product than is installed',
    reason: 'product-too-old',
    attack: (w) => {
      const paths = [join(w.site, 'catalog.ini')]
      const install = { kind: 'unpack', into: 'x' } as const
      addComponent(w.site, { component: 'extra', version: '1', minProduct: '5.0', install, paths })
      republish(w)
      return { productVersion: '4.9' }
    },
  },
  {
    what: 'a catalogue in which a component is older than what is installed',
    reason: 'downgrade',
    attack: (w) => {
      // The publisher's own folder, put back by a day, publishes again: newer metadata, older contents.
      w.publish({ engine: ['2.0', 'engine'] })
      return undefined
    },
  },
]

function republish(w: World): void {
  release(w.site, { keys: w.keys, at: w.now, compression: 'store', validDays: 14, baseUrl: undefined })
}

const PACKAGES: readonly Attack[] = [
  {
    what: 'an unsigned package',
    reason: 'unsigned',
    attack: (w) => replaced(w, PACKAGE, writeCabinet(filesOf(w.file(PACKAGE)), 'mszip', AT)),
  },
  {
    what: 'a package signed by somebody else',
    reason: 'wrong-signer',
    attack: (w) =>
      replaced(
        w,
        PACKAGE,
        signCabinet(
          writeCabinet(filesOf(w.file(PACKAGE)), 'mszip', AT),
          publisher('p256', 'Mallory').identity,
        ),
      ),
  },
  {
    what: 'a package with a changed byte',
    reason: 'altered',
    attack: (w) => replaced(w, PACKAGE, flipped(w.file(PACKAGE), 150)),
  },
  ...[4, 34, 37, 42, 55].map((at): Attack => ({
    what: `a package with a changed byte ${at}, which Authenticode leaves unsigned`,
    reason: 'altered',
    attack: (w) => replaced(w, PACKAGE, flipped(w.file(PACKAGE), at)),
  })),
  {
    what: 'an old signed package under the new name (patent B [0065])',
    reason: 'wrong-name',
    attack: (w) => replaced(w, PACKAGE, w.file(OLD_PACKAGE)),
  },
  {
    what: 'a signed package with another name inside',
    reason: 'wrong-name',
    attack: (w) => replaced(w, PACKAGE, signedPackage(w, { name: 'other.200101141511.cab' })),
  },
  {
    what: 'a signed package with another version inside',
    reason: 'wrong-version',
    attack: (w) => replaced(w, PACKAGE, signedPackage(w, { version: '4.5.1' })),
  },
  {
    what: 'a signed package of another product',
    reason: 'wrong-product',
    attack: (w) => replaced(w, PACKAGE, signedPackage(w, { product: 'Firewall' })),
  },
  {
    what: 'a signed package of a component that nobody knows',
    reason: 'unknown-component',
    attack: (w) => replaced(w, PACKAGE, signedPackage(w, { component: 'trojan' })),
  },
  {
    what: 'a signed package with the right names and other contents',
    reason: 'wrong-digest',
    attack: (w) =>
      replaced(w, PACKAGE, signedPackage(w, {}, [{ name: 'vsasap.dat', bytes: Buffer.from('other') }])),
  },
  {
    what: 'a signed package with a name that leads elsewhere (zip slip)',
    reason: 'unsafe-name',
    attack: (w) => {
      const info = writeCabinetInfo({
        name: PACKAGE,
        product: 'ViruScan',
        component: 'vsasap',
        version: '4.5.2',
        released: '200101141511',
      })
      const plain = writeCabinet(
        [
          { name: CABINET_INFO, bytes: info },
          { name: 'xxxoutside', bytes: Buffer.from('x') },
        ],
        'store',
        AT,
      )
      plain.write('..\\outside', plain.indexOf('xxxoutside'), 'latin1')
      replaced(w, PACKAGE, signCabinet(plain, loadIdentity(w.keys, 'packages')))
    },
  },
  {
    what: 'a signed package that unpacks to more than is allowed (a bomb)',
    reason: 'oversized',
    attack: (w) => {
      replaced(w, PACKAGE, signedPackage(w, {}, [{ name: 'bomb', bytes: Buffer.alloc(5_000_000) }]))
      return { limits: { maxFiles: 100, maxUnpackedBytes: 1_000_000 } }
    },
  },
  {
    what: 'an endless package',
    reason: 'oversized',
    attack: (w) => replaced(w, PACKAGE, Buffer.alloc(2_000_000)),
  },
  {
    what: 'a package larger than the machine takes',
    reason: 'oversized',
    attack: () => ({ maxPackageBytes: 100 }),
  },
  {
    what: 'a package that is cut off',
    reason: 'altered',
    attack: (w) => replaced(w, PACKAGE, w.file(PACKAGE).subarray(0, -10)),
  },
]

/** The old release is installed; the new one is published a day later; then the attack. */
async function attacked(w: World, { reason, attack }: Attack): Promise<void> {
  w.publish(OLD)
  assert.equal(outcomeOf(await w.update()), 'updated')
  writeFileSync(join(w.site, '../older.cab'), w.file('myupdate.cab'))
  w.now += DAY
  if (reason === 'downgrade') await withOldPublisher(w)
  else w.publish(NEW)
  // What a machine has seen once is not forgotten: a check, which installs nothing.
  if (reason !== 'downgrade') await w.update({}, 'check')
  const change = attack(w) ?? {}
  const result = await w.update(change)
  assert.equal(outcomeOf(result), reason, result.detail)
  assert.deepEqual([w.installed('vsasap'), w.installed('engine')], ['old', 'engine'])
  assert.equal(w.installation.state().refused[result.reason ?? 'busy'], 1)
  const last = readHistory(w.installation.history).at(-1)
  assert.ok(last?.kind === 'refused' && last.reason === reason && last.detail.length > 10)
  assert.deepEqual(w.events.at(-2), { event: 'refused', reason, detail: result.detail })
}

/** The publisher once had an older version in its folder, before what is installed. */
async function withOldPublisher(w: World): Promise<void> {
  const site = join(w.site, '.publish/site.json')
  const before = JSON.parse(readFileSync(site, 'utf8'))
  const packages = before.packages.map((each: { component: string }) =>
    each.component === 'vsasap' ? { ...each, version: '4.4.9' } : each,
  )
  writeFileSync(site, JSON.stringify({ ...before, packages }))
}

for (const [where, attacks] of [
  ['the catalogue', CATALOGUES],
  ['a package', PACKAGES],
] as const)
  describe(`refused at ${where}`, () => {
    for (const each of attacks)
      test(`${each.what} (${each.reason})`, async (t) => {
        await attacked(world(t), each)
      })
  })

test('a changed byte anywhere in the catalogue is refused', async (t) => {
  const w = world(t)
  w.publish(OLD)
  const cabinet = w.file('myupdate.cab')
  const accepted: number[] = []
  for (let at = 0; at < cabinet.length; at += 7) {
    replaced(w, 'myupdate.cab', flipped(cabinet, at))
    if ((await w.update({}, 'check')).outcome !== 'refused') accepted.push(at)
  }
  assert.deepEqual(accepted, [])
})

test('a downgrade is installed where it is permitted', async (t) => {
  const w = world(t)
  w.publish(OLD)
  await w.update()
  await withOldPublisher(w)
  w.publish({ engine: ['2.0', 'engine'] })
  assert.equal(outcomeOf(await w.update()), 'downgrade')
  // The same bytes under an older version: nothing but the other component is fetched.
  assert.equal(outcomeOf(await w.update({ mayDowngrade: true })), 'updated')
})

test('a bad copy from a peer is fetched again from the origin server, and the update goes on', async (t) => {
  const w = world(t)
  w.publish(OLD)
  w.source = 'peer'
  w.tamper = (name, isFresh) => (name === OLD_PACKAGE && !isFresh ? flipped(w.file(name), 150) : undefined)
  const { outcome, received } = await w.update()
  assert.equal(outcome, 'updated')
  assert.ok(received.internet > 0 && received.peer > 0)
  assert.ok(w.events.some((event) => event.event === 'retry' && event.reason === 'altered'))
})

test('two files of one set with one name are refused, where a publisher did not', async (t) => {
  const w = world(t)
  const file = join(w.site, '../same.dat')
  writeFileSync(file, 'x')
  for (const component of ['one', 'two'])
    addComponent(w.site, {
      component,
      version: '1',
      minProduct: undefined,
      install: { kind: 'unpack', into: component },
      paths: [file],
    })
  const site = loadSite(w.site)
  const install = { kind: 'unpack', into: '.' } as const
  saveSite(w.site, { ...site, staged: site.staged.map((each) => ({ ...each, install })) })
  republish(w)
  assert.equal(outcomeOf(await w.update()), 'unsafe-name')
})

test('a run beside another is told so, and disturbs nothing', async (t) => {
  const w = world(t)
  w.publish(OLD)
  const first = w.update()
  const second = await w.update()
  assert.equal(outcomeOf(second), 'busy')
  assert.equal(outcomeOf(await first), 'updated')
})

test('a command has no shell, a time limit, and leaves nothing running', async (t) => {
  const w = world(t)
  const run = commandRunner(systemClock)
  const say = (...words: string[]) => run({ words, limitMs: 5000 }, w.site, { IHAVE_SET: 'x' })
  assert.deepEqual(await say('true'), { kind: 'done' })
  assert.match(JSON.stringify(await say('sh', '-c', 'echo broken >&2; exit 3')), /ended with 3: broken/)
  assert.match(JSON.stringify(await say('true; false')), /cannot be run/)
  const late = await run({ words: ['sh', '-c', 'sleep 60 & sleep 60'], limitMs: 200 }, w.site, {})
  assert.match(JSON.stringify(late), /longer than 200 ms/)
})

test(
  'what a command starts outside of its group goes on, as the documentation says, and holds nothing up',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const w = world(t)
    const script = `setsid sh -c 'echo $$ >pid.new; mv pid.new pid; exec sleep 60' & while [ ! -e pid ]; do :; done`
    const run = commandRunner(systemClock)
    assert.deepEqual(await run({ words: ['sh', '-c', script], limitMs: 20_000 }, w.site, {}), {
      kind: 'done',
    })
    const pid = Number(readFileSync(join(w.site, 'pid'), 'utf8'))
    // Throws where it has gone.
    assert.equal(process.kill(pid, 'SIGKILL'), true)
  },
)
