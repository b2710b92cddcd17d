/** Whatever fails while something is published: readers see a whole old or a whole new release, and the next command goes on. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createHash, createPrivateKey } from 'node:crypto'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { keyPath } from '../../update/publisher/key-folder.ts'
import { refresh, release } from '../../update/publisher/release.ts'
import { rotate, ROTATABLE } from '../../update/publisher/rotate.ts'
import { loadSite } from '../../update/publisher/site.ts'
import { keyId, parseMetadata, ROLES, tufKey, type Root } from '../../update/tuf/metadata.ts'
import { trustedTargets } from '../../update/tuf/trusted.ts'
import { everyFile, temporaryFolder } from '../signing/fixtures.ts'
import { breakOff, type Breaking } from './broken-off.ts'
import { AT, DAY, outcomeOf, world, type World } from './world.ts'

const MEMORY_DISK = '/dev/shm'

/** What is published here is synced some ten thousand times, which took a disk three quarters of this file's time; no power fails meanwhile. */
if (existsSync(MEMORY_DISK)) process.env['TMPDIR'] ??= MEMORY_DISK

const RELEASE = { at: AT + DAY, compression: 'mszip', validDays: 14, baseUrl: undefined } as const

/** A site with release 1 public and release 2 put aside, as it can be gone back to. */
function prepared(t: TestContext): { readonly w: World; readonly again: () => void } {
  const w = world(t)
  const copies = temporaryFolder(t)
  w.publish({ vsasap: ['1', 'old'], rules: ['1', 'old rules'] })
  w.stage({ vsasap: ['2', 'new'], rules: ['2', 'new rules'] })
  for (const each of ['site', 'keys'] as const) cpSync(w[each], join(copies, each), { recursive: true })
  const again = () => {
    for (const each of ['site', 'keys'] as const) {
      rmSync(w[each], { recursive: true, force: true })
      cpSync(join(copies, each), w[each], { recursive: true })
    }
    rmSync(w.into, { recursive: true, force: true })
  }
  w.now = AT + DAY
  return { w, again }
}

/** What a machine that knows nothing yet installs. */
async function installed(w: World): Promise<string> {
  rmSync(w.into, { recursive: true, force: true })
  assert.equal(outcomeOf(await w.update()), 'updated')
  return `${w.installed('vsasap')}, ${w.installed('rules')}`
}

/** The separate files, as a TUF client reads them one after the other. */
function assertWhole(w: World): void {
  const file = (name: string) => w.file(`metadata/${name}.json`)
  const root = parseMetadata<Root>(file('root'), 'root').signed
  const files = { timestamp: file('timestamp'), snapshot: file('snapshot'), targets: file('targets') }
  const { targets } = trustedTargets(files, { root, bytes: file('root'), seen: undefined }, w.now)
  for (const [name, { hashes }] of Object.entries(targets))
    assert.equal(createHash('sha256').update(w.file(name)).digest('hex'), hashes.sha256, name)
}

/** Each key in use is the one that the root names. */
function assertKeys(w: World): void {
  const { roles } = parseMetadata<Root>(w.file('metadata/root.json'), 'root').signed
  for (const role of ROLES) {
    const key = createPrivateKey(readFileSync(keyPath(w.keys, role), 'utf8'))
    assert.deepEqual(roles[role].keyids, [keyId(tufKey(key))], role)
  }
}

const ONLINE = [
  'online/snapshot.key.pem',
  'online/timestamp.key.pem',
  'online/catalog.key.pem',
  'online/catalog.pem',
]
const OFFLINE = ['offline/targets.key.pem', 'offline/packages.key.pem', 'offline/packages.pem']

for (const missing of [...ONLINE, ...OFFLINE, 'publisher.pem'])
  test(`a release without ${missing} changes nothing, and a refresh after it publishes the old release`, async (t) => {
    const { w } = prepared(t)
    const [path, aside] = [join(w.keys, missing), join(temporaryFolder(t), 'aside')]
    const before = everyFile(w.site)
    renameSync(path, aside)
    assert.throws(() => release(w.site, { ...RELEASE, keys: w.keys }), /there is no/)
    assert.deepEqual(everyFile(w.site), before)
    renameSync(aside, path)
    w.refresh()
    assert.equal(await installed(w), 'old, old rules')
    assertWhole(w)
    release(w.site, { ...RELEASE, keys: w.keys })
    assert.equal(await installed(w), 'new, new rules')
  })

test('a release with the key of another product is refused, and nothing is changed', (t) => {
  const { w } = prepared(t)
  const other = world(t)
  const before = everyFile(w.site)
  for (const role of ['targets', 'snapshot', 'timestamp'] as const) {
    const [path, own] = [keyPath(w.keys, role), readFileSync(keyPath(w.keys, role))]
    cpSync(keyPath(other.keys, role), path)
    assert.throws(
      () => release(w.site, { ...RELEASE, keys: w.keys }),
      /is not the key that the public root names/,
    )
    writeFileSync(path, own)
  }
  assert.deepEqual(everyFile(w.site), before)
})

/** One of each kind; every key takes as many minutes (IHAVE_TEST_ROUNDS). */
function rotated(breaking: Breaking): typeof ROTATABLE {
  if (process.env['IHAVE_TEST_ROUNDS'] !== undefined) return ROTATABLE
  return breaking === 'once' ? ['root'] : ['root', 'timestamp', 'catalog']
}

for (const breaking of ['once', 'from then on'] as const satisfies readonly Breaking[]) {
  test(`a release that fails ${breaking} at any change leaves a whole release, and a refresh goes on`, async (t) => {
    const { w, again } = prepared(t)
    const seen = new Set<string>()
    for (let nth = 1; ; nth++) {
      again()
      const { isBroken } = breakOff(t, nth, breaking, () => release(w.site, { ...RELEASE, keys: w.keys }))
      if (!isBroken) break
      const between = await installed(w)
      w.refresh()
      const after = await installed(w)
      assertWhole(w)
      assert.ok(between === 'old, old rules' || after === between, `change ${nth}: ${between}, then ${after}`)
      assert.ok(['old, old rules', 'new, new rules'].includes(after), after)
      seen.add(`${between}; ${after}`)
      // What was not decided can be released again, with new files or none missing.
      if (loadSite(w.site).staged.length > 0) release(w.site, { ...RELEASE, keys: w.keys })
      assert.equal(await installed(w), 'new, new rules')
      assert.deepEqual(readdirSync(join(w.site, '.publish')).toSorted(), ['lock', 'site.json', 'staged'])
    }
    // Before it is decided, between that and myupdate.cab, and after: the sweep met all three.
    assert.deepEqual([...seen].toSorted(), [
      'new, new rules; new, new rules',
      'old, old rules; new, new rules',
      'old, old rules; old, old rules',
    ])
  })

  test(`a release that fails ${breaking} at any change is gone on with by the next release`, async (t) => {
    const { w, again } = prepared(t)
    for (let nth = 1; ; nth++) {
      again()
      const { error, isBroken } = breakOff(t, nth, breaking, () =>
        release(w.site, { ...RELEASE, keys: w.keys }),
      )
      if (!isBroken) break
      // Without an error it is done, all but some tidying.
      if (error === undefined) continue
      const made = release(w.site, { ...RELEASE, keys: w.keys })
      assert.deepEqual(made.packages.map(({ component, version }) => `${component} ${version}`).toSorted(), [
        'rules 2',
        'vsasap 2',
      ])
      assert.equal(made.catalogueBytes, w.file('myupdate.cab').length)
      assert.equal(await installed(w), 'new, new rules')
    }
  })

  for (const what of rotated(breaking))
    test(`a rotation of ${what} that fails ${breaking} at any change loses and mixes no key`, async (t) => {
      const { w, again } = prepared(t)
      for (let nth = 1; ; nth++) {
        again()
        const known = join(temporaryFolder(t), 'machine')
        assert.equal(outcomeOf(await w.update({ into: known })), 'updated')
        const before = keysIn(w.keys)
        const { isBroken } = breakOff(t, nth, breaking, () =>
          rotate(w.site, what, { keys: w.keys, at: w.now, validDays: 14 }),
        )
        if (!isBroken) break
        const after = keysIn(w.keys)
        for (const key of before) assert.ok(after.has(key), `change ${nth} lost a key`)
        assert.equal(await installed(w), 'old, old rules')
        // The commands that go on with it, in turn.
        if (nth % 3 === 0) w.refresh()
        else if (nth % 3 === 1) rotate(w.site, what, { keys: w.keys, at: w.now, validDays: 14 })
        else release(w.site, { ...RELEASE, keys: w.keys })
        assertKeys(w)
        assertWhole(w)
        w.stage({ vsasap: ['3', 'newer'] })
        release(w.site, { ...RELEASE, keys: w.keys })
        assert.match(await installed(w), /^newer, /)
        assert.equal(
          outcomeOf(await w.update({ into: known })),
          'updated',
          'a machine that knew the keys of before',
        )
      }
    })
}

test('the online keys alone end a rotation that was broken off after it was decided', async (t) => {
  const { w, again } = prepared(t)
  let ended = 0
  for (let nth = 1; ; nth++) {
    again()
    if (
      !breakOff(t, nth, 'from then on', () =>
        rotate(w.site, 'timestamp', { keys: w.keys, at: w.now, validDays: 14 }),
      ).isBroken
    )
      break
    if (!existsSync(join(w.site, '.publish/next/publication.json'))) continue
    const online = join(temporaryFolder(t), 'online only')
    cpSync(join(w.keys, 'online'), join(online, 'online'), { recursive: true })
    cpSync(join(w.keys, 'publisher.pem'), join(online, 'publisher.pem'))
    refresh(w.site, { keys: online, at: w.now, validDays: 14 })
    assert.equal(await installed(w), 'old, old rules')
    ended++
  }
  assert.ok(ended > 5, `${ended} times`)
})

/** Every private key that lies in a keys' folder, in use or beside one. */
function keysIn(folder: string): ReadonlySet<string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return new Set(
    names
      .filter((name) => /\.key\.pem(?:\.before|\.next)?$/.test(name))
      .map((name) => readFileSync(join(folder, name), 'utf8')),
  )
}
