import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { rotate } from '../../update/publisher/rotate.ts'
import { AT, CATALOG, DAY, outcomeOf, world } from './world.ts'

const COMMAND = { words: ['check'], limitMs: 1000 }

test('a product is installed, brought up to date, and left alone when nothing is new', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['4.5.1', 'old'], engine: ['1.0', 'engine'] })
  assert.equal(outcomeOf(await w.update()), 'updated')
  assert.deepEqual([w.installed('vsasap'), w.installed('engine')], ['old', 'engine'])
  w.now += DAY
  w.publish({ vsasap: ['4.5.2', 'new'] })
  w.asked.length = 0
  assert.equal(outcomeOf(await w.update()), 'updated')
  // Only what changed is fetched; the catalogue is always asked of the origin server.
  assert.deepEqual(w.asked, ['myupdate.cab fresh', 'vsasap.200101141511.cab'])
  assert.deepEqual([w.installed('vsasap'), w.installed('engine')], ['new', 'engine'])
  assert.equal(outcomeOf(await w.update()), 'up-to-date')
})

test('packages have unique names by the minute of release, and another minute where one is taken', (t) => {
  const w = world(t)
  const names = ['4.5.1', '4.5.2', '4.5.3'].map(
    (version) => w.publish({ vsasap: [version, version] }).packages[0]?.url,
  )
  assert.deepEqual(names, ['vsasap.200101131511.cab', 'vsasap.200101131512.cab', 'vsasap.200101131513.cab'])
})

test('check says what is needed and installs nothing', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['4.5.1', 'old'] })
  const { outcome, needed } = await w.update({}, 'check')
  assert.deepEqual(
    [outcome, needed],
    ['needed', [{ component: 'vsasap', version: '4.5.1', installed: undefined }]],
  )
  assert.equal(w.installed('vsasap'), undefined)
  assert.deepEqual(w.asked, ['myupdate.cab fresh'])
})

test('a component that is no longer published is no longer installed', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'a'], engine: ['1', 'b'] })
  await w.update()
  assert.equal(outcomeOf(await w.update({ components: ['vsasap'] })), 'updated')
  assert.deepEqual([w.installed('vsasap'), w.installed('engine')], ['a', undefined])
})

test('a file that was changed by hand is fetched again', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'right'] })
  await w.update()
  writeFileSync(join(w.into, 'current/vsasap/vsasap.dat'), 'wrong')
  assert.equal(outcomeOf(await w.update()), 'updated')
  assert.equal(w.installed('vsasap'), 'right')
})

test('a check command that fails puts the old set back, and that release is not tried again by itself', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  w.publish({ vsasap: ['2', 'broken'] })
  w.commands = (_, folder) =>
    readFileSync(join(folder, 'vsasap/vsasap.dat'), 'utf8') === 'broken'
      ? { kind: 'failed', detail: 'the engine does not load' }
      : { kind: 'done' }
  const failed = await w.update({ checkCommand: COMMAND })
  assert.deepEqual([failed.reason, w.installed('vsasap')], ['check-failed', 'old'])
  assert.match(failed.detail, /the engine does not load/)
  assert.equal(outcomeOf(await w.update({ checkCommand: COMMAND })), 'held-back')
  assert.equal(outcomeOf(await w.update({ checkCommand: COMMAND, isAgain: true })), 'check-failed')
  w.publish({ vsasap: ['3', 'mended'] })
  assert.equal(outcomeOf(await w.update({ checkCommand: COMMAND })), 'updated')
  assert.equal(w.installed('vsasap'), 'mended')
})

test('an install command runs for the new set, and again for the old one when it fails', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  const ran: string[] = []
  w.commands = (_, folder) => {
    ran.push(folder.slice(folder.lastIndexOf('/') + 1))
    return ran.length === 2 ? { kind: 'failed', detail: 'no' } : { kind: 'done' }
  }
  await w.update({ installCommand: COMMAND })
  w.publish({ vsasap: ['2', 'new'] })
  assert.equal(outcomeOf(await w.update({ installCommand: COMMAND })), 'install-failed')
  assert.deepEqual(ran, ['200101131511-1', '200101131512-2', '200101131511-1'])
  assert.equal(w.installed('vsasap'), 'old')
})

test('rollback goes to the set before, which stays until there is a newer release', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  w.publish({ vsasap: ['2', 'new'] })
  await w.update()
  assert.equal((await w.rollback()).outcome, 'rolled-back')
  assert.equal(w.installed('vsasap'), 'old')
  assert.equal(outcomeOf(await w.update()), 'held-back')
  assert.equal(outcomeOf(await w.rollback()), 'no-such-set')
  w.publish({ vsasap: ['3', 'newest'] })
  await w.update()
  assert.equal(w.installed('vsasap'), 'newest')
})

test('a set that was repaired does not push out the one before it, and rollback goes there', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['4.5.0', 'old'] })
  await w.update()
  const old = w.installation.currentId()
  w.now += DAY
  w.publish({ vsasap: ['4.5.1', 'new'] })
  await w.update()
  for (const damage of ['once', 'twice', 'three times']) {
    writeFileSync(join(w.into, 'current/vsasap/vsasap.dat'), damage)
    assert.equal(outcomeOf(await w.update()), 'updated')
    assert.equal(w.installed('vsasap'), 'new')
  }
  assert.equal(readdirSync(join(w.into, 'versions')).length, 2)
  await w.rollback()
  assert.equal(w.installation.currentId(), old)
})

test('rollback does not go to a set that somebody has damaged', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  const [former = ''] = readdirSync(join(w.into, 'versions'))
  w.publish({ vsasap: ['2', 'new'] })
  await w.update()
  rmSync(join(w.into, 'versions', former, 'vsasap'), { recursive: true })
  const { reason, detail } = await w.rollback()
  assert.equal(reason, 'damaged-set')
  assert.match(detail, /is not what was installed any more \(vsasap\)/)
  assert.equal(w.installed('vsasap'), 'new')
})

test('a folder whose versions are somebody else’s is left alone', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  mkdirSync(join(w.into, 'versions/2024'), { recursive: true })
  writeFileSync(join(w.into, 'versions/2024/data'), 'precious')
  assert.equal(outcomeOf(await w.update()), 'disk')
  assert.equal(outcomeOf(await w.update()), 'disk')
  assert.equal(readFileSync(join(w.into, 'versions/2024/data'), 'utf8'), 'precious')
})

test('a damaged memory of the installation is put aside, and updates go on', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  writeFileSync(join(w.into, '.ihave/state.json'), '{')
  w.publish({ vsasap: ['2', 'new'] })
  assert.equal(outcomeOf(await w.update()), 'updated')
  assert.equal(w.installed('vsasap'), 'new')
  assert.equal(readFileSync(join(w.into, '.ihave/state.json.damaged'), 'utf8'), '{')
})

for (const [name, shapes] of [
  ['.ihave/state.json', ['5', 'null', '[]', '{"refused":5}', '{"refused":{},"remembered":7}']],
  ['.ihave/journal.json', ['5', 'null', '{"phase":"confirming"}', '{"phase":"asleep","id":"x"}']],
  ['.ihave/history.jsonl', ['5', 'null', '{"kind":"installed","at":1}', '{"kind":"none","at":1}']],
  ['current/set.json', ['5', 'null', '[]', '{"components":5}', '{"components":[null]}']],
] as const)
  for (const shape of shapes)
    test(`${name} that has become ${shape} is put aside or passed over, and updates go on`, async (t) => {
      const w = world(t)
      w.publish({ vsasap: ['1', 'old'] })
      await w.update()
      writeFileSync(join(w.into, name), shape)
      w.publish({ vsasap: ['2', 'new'] })
      assert.equal(outcomeOf(await w.update()), 'updated')
      assert.equal(w.installed('vsasap'), 'new')
      assert.equal(outcomeOf(await w.update()), 'up-to-date')
    })

test('only so many former sets stay', async (t) => {
  const w = world(t)
  for (const version of ['1', '2', '3', '4', '5']) {
    w.publish({ vsasap: [version, version] })
    await w.update({ keep: 2 })
  }
  assert.equal(readdirSync(join(w.into, 'versions')).length, 3)
})

for (const role of ['timestamp', 'snapshot', 'targets', 'root', 'catalog', 'packages'] as const)
  test(`a new key for ${role} is followed, also by machines that know only an older one`, async (t) => {
    const w = world(t)
    w.publish({ vsasap: ['1', 'old'] })
    await w.update()
    const early = w.installation.state()
    for (let times = 0; times < 3; times++) rotate(w.site, role, { keys: w.keys, at: AT, validDays: 14 })
    w.publish({ vsasap: ['2', 'new'] })
    assert.equal(outcomeOf(await w.update()), 'updated', JSON.stringify(early.refused))
    assert.equal(w.installed('vsasap'), 'new')
    // A new machine has only publisher.pem, which names the very first key of the root.
    const fresh = { ...w, into: join(w.into, '../fresh') }
    assert.equal(outcomeOf(await w.update({ into: fresh.into })), 'updated')
  })

test('refreshing keeps machines believing, with the online keys alone', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  w.now += 20 * DAY
  assert.equal(outcomeOf(await w.update()), 'expired-catalogue')
  renameSync(join(w.keys, 'offline'), join(w.keys, 'vault'))
  w.refresh()
  assert.equal(outcomeOf(await w.update()), 'up-to-date')
})

test('what an interrupted run left is tidied, and what was fetched is not fetched again', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'one'], engine: ['1', 'two'] })
  w.tamper = (name) => (name.startsWith('vsasap') ? Buffer.from('nothing') : undefined)
  assert.equal(outcomeOf(await w.update()), 'malformed')
  w.tamper = () => undefined
  w.asked.length = 0
  const { received } = await w.update()
  assert.ok(received.kept > 0)
  assert.deepEqual(w.asked, ['myupdate.cab fresh', 'vsasap.200101131511.cab'])
  assert.deepEqual(readdirSync(w.installation.downloads), [])
  assert.ok(!existsSync(join(w.into, '.ihave/journal.json')))
})

test('what a believed catalogue says of its packages is told, wanted or not; a refused one tells nothing', async (t) => {
  const w = world(t)
  const { packages } = w.publish({ vsasap: ['4.5.1', 'a'], engine: ['1.0', 'b'] })
  await w.update({ components: ['engine'] })
  const files = packages.map(({ url, size, sha256 }) => {
    return { url: `http://updates.example/${url}`, size, sha256 }
  })
  const byUrl = files.toSorted((one, other) => (one.url < other.url ? -1 : 1))
  assert.deepEqual(w.verified, [{ catalog: CATALOG, files: byUrl }])
  const older = w.file('myupdate.cab')
  w.publish({ vsasap: ['4.5.2', 'c'] })
  await w.update()
  assert.equal(w.verified.length, 2)
  const cut = older.subarray(0, -8)
  for (const bytes of [older, cut, Buffer.from('no catalogue')]) {
    w.tamper = (name) => (name === 'myupdate.cab' ? bytes : undefined)
    assert.equal((await w.update()).outcome, 'refused')
  }
  assert.equal(w.verified.length, 2)
})
