import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TargetUri } from '../../core/target-uri.ts'
import { aptLists, type AptListsEvent } from '../../verify/apt-lists.ts'
import { fakeApt, stanza, type FakeApt } from './fake-apt.ts'
import { manualClock } from '../manual-clock.ts'

const A = 'aa'.repeat(32)
const B = 'bb'.repeat(32)
const MAX_WAIT_MS = 3_000
const POOL = 'http://deb.example/debian/pool/'

test('the first request waits for the lists that are being read', async () => {
  const { fake, index, clock } = setUp()
  fake.set('/l/main', stanza('pool/a.deb', A))
  const held = fake.hold()
  await index.start()
  const found = index.find(uri('a.deb'))
  await settle()
  held.release()
  assert.deepEqual(await found, { hex: A, size: 7 })
  await index.stop()
  assert.equal(clock.pending(), 0)
})

test('a request waits at most 3 s, and then there is no proof yet', async () => {
  const { fake, index, clock } = setUp()
  fake.set('/l/main', stanza('pool/a.deb', A))
  const held = fake.hold()
  await index.start()
  let answer: unknown = 'waiting'
  const found = index.find(uri('a.deb')).then((each) => (answer = each))
  await settle()
  clock.advance(MAX_WAIT_MS - 1)
  await settle()
  assert.equal(answer, 'waiting')
  clock.advance(1)
  await found
  assert.equal(answer, undefined)
  held.release()
  await settle()
  assert.deepEqual(await index.find(uri('a.deb')), { hex: A, size: 7 })
  await index.stop()
})

test('what is not named like a package never waits', async () => {
  const { fake, index } = setUp()
  fake.hold()
  await index.start()
  assert.equal(await index.find('http://deb.example/debian/dists/sid/InRelease' as TargetUri), undefined)
  await index.stop()
})

test('an unknown package of unchanged lists is answered without asking apt again', async () => {
  const { fake, index } = await started({ '/l/main': stanza('pool/a.deb', A) })
  assert.equal(await index.find(uri('b.deb')), undefined)
  assert.equal(fake.askings, 1)
  await index.stop()
})

test('an unknown package makes changed lists be read, but only the changed ones', async () => {
  const { fake, index } = await started({
    '/l/main': stanza('pool/a.deb', A),
    '/l/security': stanza('pool/s.deb', A),
  })
  fake.set('/l/main', stanza('pool/b.deb', B))
  assert.deepEqual(await index.find(uri('b.deb')), { hex: B, size: 7 })
  assert.equal(await index.find(uri('a.deb')), undefined, 'no longer listed')
  assert.deepEqual(await index.find(uri('s.deb')), { hex: A, size: 7 })
  assert.deepEqual(fake.reads, ['/l/main', '/l/security', '/l/main'])
  await index.stop()
})

test('a known digest is answered at once while lists are read again', async () => {
  const { fake, index } = await started({ '/l/main': stanza('pool/a.deb', A) })
  fake.set('/l/main', stanza('pool/b.deb', B))
  const held = fake.hold()
  const unknown = index.find(uri('b.deb'))
  await settle()
  assert.deepEqual(await index.find(uri('a.deb')), { hex: A, size: 7 })
  held.release()
  assert.deepEqual(await unknown, { hex: B, size: 7 })
  await index.stop()
})

test('a list that changes behind a reading under way is read once more for the request', async () => {
  const { fake, index } = setUp()
  fake.set('/l/main', stanza('pool/a.deb', A))
  const held = fake.hold()
  await index.start()
  await settle()
  fake.set('/l/new', stanza('pool/n.deb', B))
  const found = index.find(uri('n.deb'))
  await settle()
  held.release()
  assert.deepEqual(await found, { hex: B, size: 7 })
  await index.stop()
})

test('many requests at once make one reading', async () => {
  const { fake, index } = await started({})
  fake.set('/l/main', stanza('pool/a.deb', A))
  const found = await Promise.all(Array.from({ length: 50 }, () => index.find(uri('a.deb'))))
  assert.ok(found.every((each) => each?.hex === A))
  assert.equal(fake.askings, 2)
  await index.stop()
})

test('a watched change is read when the directory has been quiet for a second', async () => {
  const { fake, index, clock } = await started({})
  fake.set('/l/main', stanza('pool/a.deb', A))
  for (let change = 0; change < 5; change++) {
    fake.notify()
    clock.advance(900)
    await settle()
  }
  assert.equal(fake.askings, 1)
  clock.advance(100)
  await settle()
  assert.equal(fake.askings, 2)
  assert.deepEqual(fake.reads, ['/l/main'])
  await index.stop()
})

test('a watched change during a reading is read after it', async () => {
  const { fake, index, clock } = await started({})
  const held = fake.hold()
  fake.notify()
  clock.advance(1_000)
  await settle()
  fake.notify()
  clock.advance(1_000)
  await settle()
  assert.equal(fake.askings, 2, 'the second waits for the first')
  held.release()
  await settle()
  clock.advance(1_000)
  await settle()
  assert.equal(fake.askings, 3)
  await index.stop()
})

test('lists that disagree about a file prove nothing about it', async () => {
  const { index } = await started({
    '/l/one': stanza('pool/a.deb', A) + stanza('pool/same.deb', A),
    '/l/other': stanza('pool/a.deb', B) + stanza('pool/same.deb', A),
  })
  assert.equal(await index.find(uri('a.deb')), undefined)
  assert.deepEqual(await index.find(uri('same.deb')), { hex: A, size: 7 })
  await index.stop()
})

test('a list that breaks off is not half believed, and the others count', async () => {
  const { fake, index, events } = setUp()
  fake.set('/l/broken', stanza('pool/a.deb', A))
  fake.set('/l/good', stanza('pool/g.deb', A))
  fake.breaks('/l/broken')
  await index.start()
  assert.equal(await index.find(uri('a.deb')), undefined)
  assert.deepEqual(await index.find(uri('g.deb')), { hex: A, size: 7 })
  assert.deepEqual(events[0], { kind: 'apt-list-failed', file: '/l/broken', reason: 'cat-file: broken' })
  await index.stop()
})

test('a list that apt no longer names proves nothing any more', async () => {
  const { fake, index } = await started({ '/l/main': stanza('pool/a.deb', A) })
  fake.remove('/l/main')
  assert.equal(await index.find(uri('unknown.deb')), undefined)
  assert.equal(await index.find(uri('a.deb')), undefined)
  await index.stop()
})

test('digests beyond the bound are left out, over all lists, and said so', async () => {
  const { fake, index, events } = setUp({ maxDigests: 2 })
  fake.set('/l/one', stanza('pool/a.deb', A) + stanza('pool/b.deb', A))
  fake.set('/l/other', stanza('pool/c.deb', A))
  await index.start()
  assert.deepEqual(await index.find(uri('b.deb')), { hex: A, size: 7 })
  assert.equal(await index.find(uri('c.deb')), undefined)
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['apt-list-failed', 'apt-lists-read'],
  )
  await index.stop()
})

test('a machine without apt knows nothing, waits for nothing and says it once', async () => {
  const { fake, index, events } = setUp()
  fake.isMissing = true
  await index.start()
  assert.equal(await index.find(uri('a.deb')), undefined)
  assert.equal(await index.find(uri('b.deb')), undefined)
  assert.deepEqual(events, [{ kind: 'apt-absent', reason: 'not installed' }])
  await index.stop()
})

test('a reading that hangs is ended after a minute, and what was known stays known', async () => {
  const { fake, index, clock, events } = await started({ '/l/main': stanza('pool/a.deb', A) })
  fake.hold()
  fake.notify()
  clock.advance(1_000)
  await settle()
  clock.advance(60_000)
  await settle()
  assert.equal(events.at(-1)?.kind, 'apt-lists-failed')
  assert.deepEqual(await index.find(uri('a.deb')), { hex: A, size: 7 })
  await index.stop()
})

test('stopping ends the reading, who waits for it, the watching and every timer', async () => {
  const { fake, index, clock, events } = setUp()
  fake.hold()
  await index.start()
  const found = index.find(uri('a.deb'))
  await settle()
  assert.equal(fake.isWatched, true)
  await index.stop()
  assert.equal(await found, undefined)
  assert.equal(fake.isWatched, false)
  assert.equal(clock.pending(), 0)
  assert.deepEqual(events, [])
  assert.equal(await index.find(uri('a.deb')), undefined)
})

test('a big list is read in slices that let the event loop turn', async () => {
  const { fake, index } = setUp()
  const bytes = 40 * 65_536
  fake.set('/l/main', stanza('pool/a.deb', A).padEnd(bytes, '#'))
  await index.start()
  const progress = { turns: 0, isRead: false }
  const found = index.find(uri('a.deb')).finally(() => (progress.isRead = true))
  for (; !progress.isRead; progress.turns++) await nextTurn()
  assert.deepEqual(await found, { hex: A, size: 7 })
  assert.ok(progress.turns >= 40, `${progress.turns} turns for 40 slices`)
  await index.stop()
})

function setUp({ maxDigests = 1_000 } = {}) {
  const fake = fakeApt()
  const clock = manualClock()
  const events: AptListsEvent[] = []
  const { apt, files } = fake
  const log = (event: AptListsEvent) => void events.push(event)
  const index = aptLists({ maxWaitMs: MAX_WAIT_MS, maxDigests }, { clock, apt, files, log })
  return { fake, clock, events, index }
}

/** An index that has read these lists. */
async function started(lists: Readonly<Record<string, string>>) {
  const parts = setUp()
  for (const [file, text] of Object.entries(lists)) parts.fake.set(file, text)
  await parts.index.start()
  await untilRead(parts.fake, parts.events)
  return parts
}

async function untilRead(fake: FakeApt, events: readonly AptListsEvent[]): Promise<void> {
  await settle()
  assert.equal(fake.askings, 1)
  assert.equal(events.at(-1)?.kind, 'apt-lists-read')
}

/** Lets everything happen that waits for nothing. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn()
}

function uri(name: string): TargetUri {
  return (POOL + name) as TargetUri
}
