/** Somebody who may write beside the updater plants a link, so that the updater writes or removes elsewhere for him. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { outcomeOf, world, type World } from './world.ts'

/** Something precious elsewhere: a file, and a folder with a file in it. */
function elsewhere(w: World): { readonly file: string; readonly folder: string } {
  const folder = join(w.into, '../elsewhere')
  mkdirSync(folder)
  for (const name of ['precious', `${'0'.repeat(64)}.cab`]) writeFileSync(join(folder, name), 'precious')
  return { file: join(folder, 'precious'), folder }
}

/** A link in the place of one of the updater's own, before it has made anything (`first`) or after an update. */
async function planted(w: World, name: string, kind: 'file' | 'folder', isFirst: boolean) {
  w.publish({ vsasap: ['1', 'old'] })
  if (!isFirst) await w.update()
  w.publish({ vsasap: ['2', 'new'] })
  const target = elsewhere(w)
  const path = join(w.into, name)
  const own = join(w.into, '../own')
  if (existsSync(path)) renameSync(path, own)
  mkdirSync(join(path, '..'), { recursive: true })
  symlinkSync(target[kind], path)
  const mend = () => {
    rmSync(path)
    if (existsSync(own)) renameSync(own, path)
  }
  return { path, target, mend }
}

const FILES = ['lock', 'lock-journal', 'state.json', 'state.json.new', 'journal.json', 'journal.json.new']
const PLACES = [
  ['.ihave', 'folder'],
  ['versions', 'folder'],
  ['.ihave/downloads', 'folder'],
  [`.ihave/downloads/${'0'.repeat(64)}.cab`, 'file'],
  ...[...FILES, 'history.jsonl', 'schedule.json.new'].map((name) => [`.ihave/${name}`, 'file'] as const),
] as const

for (const [name, kind] of PLACES)
  for (const isFirst of [true, false])
    test(`a link planted as ${name} ${isFirst ? 'before the first' : 'after an'} update is refused by its name, and where it leads nothing changes`, async (t) => {
      const w = world(t)
      const { path, target, mend } = await planted(w, name, kind, isFirst)
      for (const mode of ['run', 'check'] as const) {
        const result = await w.update({}, mode)
        assert.equal(outcomeOf(result), 'unsafe-place', result.detail)
        assert.ok(
          result.detail.includes(`${path}: expected a ${kind}, there is a symbolic link`),
          result.detail,
        )
      }
      assert.equal(outcomeOf(await w.rollback()), 'unsafe-place')
      assert.deepEqual(readdirSync(target.folder), [`${'0'.repeat(64)}.cab`, 'precious'])
      for (const each of readdirSync(target.folder))
        assert.equal(readFileSync(join(target.folder, each), 'utf8'), 'precious')
      mend()
      assert.equal(outcomeOf(await w.update()), 'updated')
      assert.equal(w.installed('vsasap'), 'new')
    })

test('a link in the place of a former set is no set, and goes without what it leads to', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  w.publish({ vsasap: ['2', 'new'] })
  await w.update()
  const target = elsewhere(w)
  const [former = ''] = readdirSync(w.installation.versions)
  const set = join(w.installation.versions, former)
  writeFileSync(join(target.folder, 'set.json'), readFileSync(join(set, 'set.json')))
  rmSync(set, { recursive: true })
  symlinkSync(target.folder, set)
  assert.equal(outcomeOf(await w.rollback()), 'no-such-set')
  w.publish({ vsasap: ['3', 'newest'] })
  await w.update({ keep: 0 })
  assert.deepEqual(readdirSync(w.installation.versions), [w.installation.currentId()])
  assert.equal(readFileSync(target.file, 'utf8'), 'precious')
})

test('a planted link in the place of current is no installation, and is replaced without touching what it leads to', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  const { folder, file } = elsewhere(w)
  const current = join(w.into, 'current')
  const id = w.installation.currentId() ?? ''
  mkdirSync(join(folder, id))
  rmSync(current)
  symlinkSync(join(folder, id), current)
  assert.equal(w.installation.currentId(), undefined)
  assert.equal(outcomeOf(await w.update()), 'updated')
  assert.equal(readlinkSync(current), join('versions', id))
  assert.equal(w.installed('vsasap'), 'old')
  assert.deepEqual([readdirSync(join(folder, id)), readFileSync(file, 'utf8')], [[], 'precious'])
})

for (const name of ['current', '.current.new'])
  for (const kind of ['folder', 'file'] as const)
    test(`a ${kind} of somebody’s in the place of ${name} is seen before anything is fetched, and stays`, async (t) => {
      const w = world(t)
      w.publish({ vsasap: ['1', 'new'] })
      const path = join(w.into, name)
      mkdirSync(kind === 'folder' ? path : w.into, { recursive: true })
      const precious = kind === 'folder' ? join(path, 'precious') : path
      writeFileSync(precious, 'precious')
      const result = await w.update()
      assert.equal(outcomeOf(result), 'unsafe-place')
      assert.match(
        result.detail,
        new RegExp(`${name}: expected a link, or nothing, there is a ${kind}; move it away`),
      )
      assert.deepEqual(w.asked, [])
      assert.equal(readFileSync(precious, 'utf8'), 'precious')
      rmSync(path, { recursive: true })
      assert.equal(outcomeOf(await w.update()), 'updated')
    })

test('a set that is asked for by a name that leads elsewhere is none', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  writeFileSync(join(w.into, 'set.json'), readFileSync(join(w.into, 'current/set.json')))
  const { reason, detail } = await w.rollback('..')
  assert.equal(reason, 'no-such-set')
  assert.match(detail, /there is no set \.\./)
  assert.equal(w.installed('vsasap'), 'old')
})

test('an installed file that is a link, even to the same bytes, is not what was installed', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  const file = join(w.into, 'current/vsasap/vsasap.dat')
  writeFileSync(join(w.into, 'same'), 'old')
  rmSync(file)
  symlinkSync(join(w.into, 'same'), file)
  assert.equal(outcomeOf(await w.update()), 'updated')
})

test('a folder that everybody may write is not trusted', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  chmodSync(join(w.into, '.ihave'), 0o777)
  const { reason, detail } = await w.update()
  assert.equal(reason, 'unsafe-place')
  assert.match(detail, /\.ihave may be written by everybody/)
})

test(
  'a folder that belongs to another user is not trusted',
  { skip: process.geteuid?.() !== 0 },
  async (t) => {
    const w = world(t)
    w.publish({ vsasap: ['1', 'old'] })
    await w.update()
    chownSync(join(w.into, '.ihave/downloads'), 12_345, 12_345)
    const { reason, detail } = await w.update()
    assert.equal(reason, 'unsafe-place')
    assert.match(detail, /downloads belongs to user 12345, and this is run by user 0; run it as that user/)
  },
)

for (const place of ['/proc/nope', '/proc/nope/deeper', '/dev/null/product'])
  test(
    `installing into ${place}, which cannot be made, fails at once`,
    { skip: process.platform !== 'linux' },
    async (t) => {
      const w = world(t)
      w.publish({ vsasap: ['1', 'old'] })
      const { reason, detail } = await w.update({ into: place })
      assert.equal(reason, 'disk')
      assert.match(detail, new RegExp(`^${place} cannot be made: E`))
    },
  )
