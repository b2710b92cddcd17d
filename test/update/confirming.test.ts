/** Between the switch and the word of the check command: what a crash, a failing check and a damaged former set leave. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CommandResult, OwnCommand } from '../../update/installer/command.ts'
import { readHistory } from '../../update/installer/history.ts'
import { outcomeOf, world, type World } from './world.ts'

const COMMAND = { words: ['check', '--quick'], limitMs: 1234 }
const JOURNAL = '.ihave/journal.json'

const content = (folder: string) => readFileSync(join(folder, 'vsasap/vsasap.dat'), 'utf8')
const failsFor =
  (...bad: readonly string[]) =>
  (_: OwnCommand, folder: string): CommandResult =>
    bad.includes(content(folder)) ? { kind: 'failed', detail: 'it does not load' } : { kind: 'done' }

async function releases(w: World, ...contents: readonly string[]): Promise<void> {
  for (const [at, each] of contents.entries()) {
    w.publish({ vsasap: [String(at + 1), each] })
    assert.equal(outcomeOf(await w.update()), 'updated')
  }
}

/** The process ends after the switch, before the check command has said anything. */
async function crashed(w: World): Promise<void> {
  const commands = w.commands
  w.commands = () => {
    throw new Error('power cut')
  }
  await assert.rejects(w.update({ checkCommand: COMMAND }), /power cut/)
  w.commands = commands
}

for (const [how, end] of [
  ['a check', (w: World) => w.update({}, 'check')],
  ['a run without commands', (w: World) => w.update()],
  ['a rollback', (w: World) => w.rollback()],
] as const)
  test(`${how} that ends an interrupted update runs the check command that it was begun with, and goes back where it fails`, async (t) => {
    const w = world(t)
    await releases(w, 'older', 'old')
    w.publish({ vsasap: ['3', 'broken'] })
    await crashed(w)
    assert.equal(w.installed('vsasap'), 'broken')
    const ran: OwnCommand[] = []
    w.commands = (command, folder) => {
      ran.push(command)
      return failsFor('broken')(command, folder)
    }
    const { outcome } = await end(w)
    assert.deepEqual(ran, [COMMAND])
    assert.equal(w.installed('vsasap'), 'old')
    assert.equal(outcome, how === 'a rollback' ? 'rolled-back' : 'held-back')
    assert.equal(w.installation.state().refused['check-failed'], 1)
    assert.match(w.installation.state().heldBack?.reason ?? '', /it does not load/)
    assert.equal(w.installation.isInterrupted(), false)
  })

test('an interrupted update whose check command succeeds is installed, with what it cost', async (t) => {
  const w = world(t)
  await releases(w, 'old')
  const { packages } = w.publish({ vsasap: ['2', 'new'] })
  await crashed(w)
  assert.equal(outcomeOf(await w.update({}, 'check')), 'up-to-date')
  assert.equal(w.installed('vsasap'), 'new')
  const last = readHistory(w.installation.history).at(-1)
  assert.ok(last?.kind === 'installed')
  assert.equal(last.received['internet'], packages[0]?.size)
})

test('the journal, which holds the commands, is for its owner alone', async (t) => {
  const w = world(t)
  await releases(w, 'old')
  w.publish({ vsasap: ['2', 'new'] })
  await crashed(w)
  assert.equal(statSync(join(w.into, JOURNAL)).mode & 0o777, 0o600)
})

test('a journal that was written before it held commands is ended by those that are configured', async (t) => {
  const w = world(t)
  await releases(w, 'old')
  w.publish({ vsasap: ['2', 'broken'] })
  await crashed(w)
  const { commands: _, ...journal } = JSON.parse(readFileSync(join(w.into, JOURNAL), 'utf8'))
  writeFileSync(join(w.into, JOURNAL), JSON.stringify(journal))
  w.commands = failsFor('broken')
  assert.equal(outcomeOf(await w.update({ checkCommand: COMMAND })), 'held-back')
  assert.equal(w.installed('vsasap'), 'old')
})

test('a rollback to a set whose check fails is refused, and what was installed is back', async (t) => {
  const w = world(t)
  await releases(w, 'old', 'new')
  const current = w.installation.currentId()
  w.commands = failsFor('old')
  const result = await w.rollback(undefined, { checkCommand: COMMAND })
  assert.equal(outcomeOf(result), 'check-failed')
  assert.equal(result.detail, `it does not load; ${current} is installed again`)
  assert.equal(w.installed('vsasap'), 'new')
  // Nothing was held back: the next release, and this one, are installed as before.
  assert.equal(w.installation.state().heldBack, undefined)
  assert.deepEqual(w.events.at(-1), { event: 'done', ...result })
})

test('a rollback that was interrupted, and is asked for again, goes back once', async (t) => {
  const w = world(t)
  await releases(w, 'oldest', 'old', 'new')
  w.commands = () => {
    throw new Error('power cut')
  }
  await assert.rejects(w.rollback(undefined, { checkCommand: COMMAND }), /power cut/)
  w.commands = () => ({ kind: 'done' })
  const result = await w.rollback()
  assert.equal(outcomeOf(result), 'rolled-back')
  assert.match(result.detail, /back from .*-3 to .*-2, which an interrupted rollback had begun/)
  assert.equal(w.installed('vsasap'), 'old')
})

test('one that was interrupted, and fails when it is asked for again, is refused', async (t) => {
  const w = world(t)
  await releases(w, 'old', 'new')
  w.commands = () => {
    throw new Error('power cut')
  }
  await assert.rejects(w.rollback(undefined, { checkCommand: COMMAND }), /power cut/)
  w.commands = failsFor('old')
  const result = await w.rollback()
  assert.equal(outcomeOf(result), 'check-failed')
  assert.equal(w.installed('vsasap'), 'new')
  // Once, and not as a check.
  assert.equal(w.installation.state().refused['check-failed'], 1)
  assert.equal(w.installation.state().lastCheck?.outcome, 'updated')
  assert.deepEqual(w.events.slice(-2), [
    { event: 'refused', reason: 'check-failed', detail: result.detail },
    { event: 'done', ...result },
  ])
})

test('an interrupted rollback is ended, and then another set is gone to, where that is named', async (t) => {
  const w = world(t)
  await releases(w, 'oldest', 'old', 'new')
  const [oldest] = w.installation.sets()
  w.commands = () => {
    throw new Error('power cut')
  }
  await assert.rejects(w.rollback(undefined, { checkCommand: COMMAND }), /power cut/)
  w.commands = () => ({ kind: 'done' })
  assert.equal(outcomeOf(await w.rollback(oldest)), 'rolled-back')
  assert.equal(w.installed('vsasap'), 'oldest')
})

test('a rollback that comes to nothing says why in its last event, is counted, and is no check', async (t) => {
  const w = world(t)
  await releases(w, 'only')
  const { lastCheck } = w.installation.state()
  w.now += 60_000
  for (const to of [undefined, '200101131511-9']) {
    const result = await w.rollback(to)
    assert.equal(result.reason, 'no-such-set')
    assert.equal(w.installed('vsasap'), 'only')
    assert.deepEqual(w.events.at(-1), { event: 'done', ...result })
  }
  assert.equal(w.installation.state().refused['no-such-set'], 2)
  assert.equal(readHistory(w.installation.history).at(-1)?.kind, 'refused')
  assert.deepEqual(w.installation.state().lastCheck, lastCheck)
})

test('a rollback that was interrupted is ended by the next run, as a rollback', async (t) => {
  const w = world(t)
  await releases(w, 'old', 'new')
  w.commands = () => {
    throw new Error('power cut')
  }
  await assert.rejects(w.rollback(undefined, { checkCommand: COMMAND }), /power cut/)
  w.commands = () => ({ kind: 'done' })
  assert.equal(outcomeOf(await w.update()), 'held-back')
  assert.equal(w.installed('vsasap'), 'old')
  assert.equal(readHistory(w.installation.history).at(-1)?.kind, 'rolled-back')
})

/** The current set loses a byte while the new one is checked. */
function damaging(w: World, ...versions: readonly string[]) {
  return (_: OwnCommand, folder: string): CommandResult => {
    if (content(folder) !== 'broken') return { kind: 'done' }
    for (const each of readdirSync(w.installation.versions))
      if (versions.includes(content(join(w.installation.versions, each))))
        writeFileSync(join(w.installation.versions, each, 'vsasap/vsasap.dat'), 'damaged')
    return { kind: 'failed', detail: 'it does not load' }
  }
}

test('a failed update does not go back to a damaged set, but to the latest that is whole, and says so', async (t) => {
  const w = world(t)
  await releases(w, 'older', 'old')
  const [older, old] = w.installation.sets()
  w.publish({ vsasap: ['3', 'broken'] })
  w.commands = damaging(w, 'old')
  const { reason, detail, installed } = await w.update({ checkCommand: COMMAND })
  assert.equal(reason, 'check-failed')
  assert.equal(detail, `it does not load; ${old} is damaged (vsasap), ${older} is installed again`)
  assert.equal(w.installed('vsasap'), 'older')
  assert.equal(installed, older)
})

test('where no former set is whole, a failed update stays installed, and says so', async (t) => {
  const w = world(t)
  await releases(w, 'older', 'old')
  const [, old] = w.installation.sets()
  w.publish({ vsasap: ['3', 'broken'] })
  w.commands = damaging(w, 'old', 'older')
  const { reason, detail, installed } = await w.update({ checkCommand: COMMAND })
  assert.equal(reason, 'check-failed')
  assert.match(
    detail,
    new RegExp(`${old} is damaged \\(vsasap\\), and no other set is whole: ${installed} stays`),
  )
  assert.equal(w.installed('vsasap'), 'broken')
  assert.ok(!w.events.some(({ event }) => event === 'rolled-back'))
})

test('a release that was rolled back is taken again from the set that is still here, and is not held back any more', async (t) => {
  const w = world(t)
  await releases(w, 'old', 'new')
  const left = w.installation.currentId()
  await w.rollback()
  w.asked.length = 0
  const result = await w.update({ isAgain: true })
  assert.equal(outcomeOf(result), 'updated')
  assert.deepEqual(w.asked, ['myupdate.cab fresh'])
  assert.equal(result.received.internet, 0)
  assert.equal(w.installation.currentId(), left)
  assert.equal(w.installed('vsasap'), 'new')
  assert.equal(w.installation.state().heldBack, undefined)
  // And back once more.
  assert.equal(outcomeOf(await w.rollback()), 'rolled-back')
  assert.equal(w.installed('vsasap'), 'old')
})

test('a set that is still here but damaged is fetched again', async (t) => {
  const w = world(t)
  await releases(w, 'old', 'new')
  const left = w.installation.currentId() ?? ''
  await w.rollback()
  writeFileSync(join(w.installation.set(left), 'vsasap/vsasap.dat'), 'nEw')
  w.asked.length = 0
  assert.equal(outcomeOf(await w.update({ isAgain: true })), 'updated')
  assert.equal(w.asked.length, 2)
  assert.equal(w.installed('vsasap'), 'new')
})

test('a check says of a release that was rolled back that it is held back', async (t) => {
  const w = world(t)
  await releases(w, 'old', 'new')
  await w.rollback()
  assert.equal(outcomeOf(await w.update({}, 'check')), 'held-back')
})

test('a refusal reports the bytes that have come', async (t) => {
  const w = world(t)
  const { packages } = w.publish({ vsasap: ['1', 'old'] })
  const catalogue = w.file('myupdate.cab').length
  w.tamper = (name) => (name.startsWith('vsasap') ? Buffer.alloc(packages[0]?.size ?? 0) : undefined)
  const { outcome, received } = await w.update()
  assert.equal(outcome, 'refused')
  assert.deepEqual(received, { catalogue, internet: packages[0]?.size, peer: 0, cache: 0, kept: 0 })
  w.tamper = () => Buffer.from('no catalogue')
  assert.equal((await w.update()).received.catalogue, 'no catalogue'.length)
})

test('that something came past the proxy is an event, and in the report', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  w.proxyFailed = 'it died'
  const result = await w.update()
  assert.equal(result.proxyFailed, 'it died')
  assert.deepEqual(w.events[0], { event: 'proxy-failed', detail: 'it died' })
  w.proxyFailed = undefined
  assert.ok(!('proxyFailed' in (await w.update())))
})

test('a bad copy from a peer counts as what it cost, beside the good one', async (t) => {
  const w = world(t)
  const { packages } = w.publish({ vsasap: ['1', 'old'] })
  const size = packages[0]?.size ?? 0
  w.source = 'peer'
  w.tamper = (name, isFresh) => (name.startsWith('vsasap') && !isFresh ? Buffer.alloc(size) : undefined)
  const { received } = await w.update()
  assert.deepEqual([received.peer, received.internet], [size, size])
})
