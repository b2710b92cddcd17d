/** A disk that becomes full in the middle of an update: nobody else is to suffer for it, and what happened can be told. */
import assert from 'node:assert/strict'
import fs, { existsSync, readdirSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { readHistory } from '../../update/installer/history.ts'
import { outcomeOf, world, type World } from './world.ts'

/** While it `isFull`, no file is made or grows, and no link is made; what is removed gives room. */
function disk(t: TestContext, isFull: (path: string) => boolean): void {
  const paths = new Map<number, string>()
  const open = fs.openSync
  const write = fs.writeSync
  const link = fs.symlinkSync
  t.mock.method(fs, 'openSync', (path: string, flags: number, mode?: number) => {
    const file = open(path, flags, mode)
    paths.set(file, path)
    return file
  })
  t.mock.method(fs, 'writeSync', (file: number, ...rest: [Buffer, number]) => {
    const path = paths.get(file)
    if (path !== undefined && isFull(path)) throw noSpace('write')
    return write(file, ...rest)
  })
  t.mock.method(fs, 'symlinkSync', (target: string, path: string) => {
    if (isFull(path)) throw noSpace('symlink')
    link(target, path)
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
}

function noSpace(syscall: string): Error {
  return Object.assign(new Error(`ENOSPC: no space left on device, ${syscall}`), { code: 'ENOSPC', syscall })
}

async function oldWithNewAhead(t: TestContext): Promise<{ readonly w: World; readonly next: string }> {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  assert.equal(outcomeOf(await w.update()), 'updated')
  w.publish({ vsasap: ['2', 'new'] })
  return { w, next: w.installation.set('200101131512-2') }
}

/** What of an update is left on the disk, apart from whole packages. */
function leftovers(w: World): readonly string[] {
  const names = [w.into, w.installation.versions, w.installation.downloads, dirname(w.installation.downloads)]
  return names.flatMap((folder) => readdirSync(folder).filter((name) => /new|journal/.test(name)))
}

for (const file of ['journal.json.new', '.current.new'])
  test(`where the disk is full when ${file} is written, the new set goes, packages stay, and the refusal is counted and told`, async (t) => {
    const { w, next } = await oldWithNewAhead(t)
    w.now += 60_000
    disk(t, (path) => existsSync(next) && basename(path) === file)
    assert.equal(outcomeOf(await w.update()), 'disk')
    assert.equal(w.installed('vsasap'), 'old')
    assert.equal(existsSync(next), false)
    assert.deepEqual(leftovers(w), [])
    assert.equal(readdirSync(w.installation.downloads).length, 1)
    const { lastCheck, refused } = w.installation.state()
    assert.deepEqual([lastCheck?.at, lastCheck?.outcome, lastCheck?.reason], [w.now, 'refused', 'disk'])
    assert.equal(refused.disk, 1)
    const last = readHistory(w.installation.history).at(-1)
    assert.ok(last?.kind === 'refused' && last.reason === 'disk')
    assert.equal(w.installation.isInterrupted(), false)
    t.mock.restoreAll()
    syncBuiltinESMExports()
    w.asked.length = 0
    assert.equal(outcomeOf(await w.update()), 'updated')
    assert.deepEqual(w.asked, ['myupdate.cab fresh'])
  })

test('a package for which there is no room leaves no half of it', async (t) => {
  const { w } = await oldWithNewAhead(t)
  disk(t, (path) => path.endsWith('.cab.new'))
  assert.equal(outcomeOf(await w.update()), 'disk')
  assert.deepEqual(readdirSync(w.installation.downloads), [])
  assert.deepEqual(leftovers(w), [])
})

test('on a disk that is full but for the packages, a set that is in use and checked is noted in their place', async (t) => {
  const { w, next } = await oldWithNewAhead(t)
  const isFull = (path: string) =>
    /state\.json|history/.test(path) &&
    w.installation.currentId() === basename(next) &&
    readdirSync(w.installation.downloads).length > 0
  disk(t, isFull)
  assert.equal(outcomeOf(await w.update()), 'updated')
  assert.equal(w.installed('vsasap'), 'new')
  assert.equal(readHistory(w.installation.history).at(-1)?.kind, 'installed')
})

test('an interrupted update that cannot be switched to, for want of room, goes; the next run makes it again', async (t) => {
  const { w, next } = await oldWithNewAhead(t)
  const checkCommand = { words: ['check'], limitMs: 1000 }
  w.commands = () => {
    throw new Error('power cut')
  }
  await assert.rejects(w.update({ checkCommand }), /power cut/)
  // The cut was before the switch.
  w.installation.switchTo('200101131511-1')
  w.commands = () => ({ kind: 'done' })
  disk(t, (path) => existsSync(next) && path === join(w.into, '.current.new'))
  assert.equal(outcomeOf(await w.update()), 'disk')
  assert.equal(existsSync(next), false)
  assert.deepEqual(leftovers(w), [])
  assert.equal(outcomeOf(await w.update()), 'disk')
  t.mock.restoreAll()
  syncBuiltinESMExports()
  assert.equal(outcomeOf(await w.update()), 'updated')
})

test('a refusal that can be told in only one place is told there', async (t) => {
  const { w } = await oldWithNewAhead(t)
  disk(t, (path) => basename(path) === 'state.json.new')
  assert.equal(outcomeOf(await w.update()), 'disk')
  const last = readHistory(w.installation.history).at(-1)
  assert.ok(last?.kind === 'refused' && last.reason === 'disk')
})

test('a rollback for which there is no room is refused, and is not done later by somebody else', async (t) => {
  const { w } = await oldWithNewAhead(t)
  await w.update()
  disk(t, (path) => path === join(w.into, '.current.new'))
  assert.equal(outcomeOf(await w.rollback()), 'disk')
  assert.equal(w.installation.isInterrupted(), false)
  t.mock.restoreAll()
  syncBuiltinESMExports()
  assert.equal(outcomeOf(await w.update()), 'up-to-date')
  assert.equal(w.installed('vsasap'), 'new')
  assert.equal(outcomeOf(await w.rollback()), 'rolled-back')
})
