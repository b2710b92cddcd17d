import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { Fault } from '../../core/fault.ts'
import { EXCUSED_MS, growingPace, keepingPace, wholePace, within, type Pace } from '../../retrieval/pace.ts'
import { NEXT_STALL_MS, STALL_MS } from '../../retrieval/patience.ts'
import { manualClock } from '../manual-clock.ts'

const pace = { periodMs: 600, leastBytes: 10, code: 'PEER_STALLED' } as const
const isStall = (error: unknown) => error instanceof Fault && error.code === 'PEER_STALLED'
const settled = () => new Promise((resolve) => setImmediate(resolve))

/** A body that gives a chunk of the next size whenever it is told to. */
function steered() {
  let next = deferred<number>()
  let isClosed = false
  const body = (async function* () {
    try {
      for (;;) {
        const bytes = await next.promise
        next = deferred()
        if (bytes === 0) return
        yield new Uint8Array(bytes)
      }
    } finally {
      isClosed = true
    }
  })()
  return { body, give: (bytes: number) => next.resolve(bytes), isClosed: () => isClosed }
}

async function following(body: AsyncIterable<Uint8Array>, kept: Pace = pace) {
  const clock = manualClock()
  const outcome = { bytes: 0, end: 'running' as unknown }
  void (async () => {
    for await (const chunk of keepingPace(body, kept, clock)) outcome.bytes += chunk.length
    outcome.end = 'done'
  })().catch((error: unknown) => (outcome.end = error))
  await settled()
  return { outcome, clock }
}

test('a body that keeps the pace is handed on to its end', async () => {
  const source = steered()
  const { outcome, clock } = await following(source.body)
  for (const bytes of [10, 10, 10, 0]) {
    clock.advance(599)
    source.give(bytes)
    await settled()
  }
  assert.deepEqual(outcome, { bytes: 30, end: 'done' })
})

test('a silent body is given up when the period is over, not before', async () => {
  const { outcome, clock } = await following(steered().body)
  clock.advance(599)
  await settled()
  assert.equal(outcome.end, 'running')
  clock.advance(1)
  await settled()
  assert.ok(isStall(outcome.end))
})

test('a body that drips is given up, though something always comes', async () => {
  const source = steered()
  const { outcome, clock } = await following(source.body)
  for (let at = 0; at < 6; at++) {
    source.give(1)
    await settled()
    clock.advance(100)
    await settled()
  }
  assert.ok(isStall(outcome.end))
  assert.equal(outcome.bytes, 6)
})

test('a growing copy of a node that was not heard to ask for the file must bring 40 kB/s', () => {
  const never = () => false
  const rate = ({ leastBytes, periodMs }: Pace) => leastBytes / (periodMs / 1000)
  assert.ok(rate(growingPace(STALL_MS, never, true)) > 39_000)
  assert.ok(rate(growingPace(STALL_MS, never)) < 3000)
})

test('within: a promise that settles in time keeps its value, and its timer is taken back', async () => {
  const clock = manualClock()
  assert.equal(await within(Promise.resolve(7), 100, clock, pace), 7)
  await settled()
  assert.equal(clock.pending(), 0)
})

test('who has a reason is waited for as long as it has, and no longer', async () => {
  const source = steered()
  const clock = manualClock()
  let hasReason = true
  const outcome = { bytes: 0, end: 'running' as unknown }
  const excused = { ...pace, excuse: () => hasReason }
  void (async () => {
    for await (const chunk of keepingPace(source.body, excused, clock)) outcome.bytes += chunk.length
  })().catch((error: unknown) => (outcome.end = error))
  for (let ms = 0; ms < 3000; ms += EXCUSED_MS) {
    for (let turn = 0; turn < 5; turn++) await settled()
    clock.advance(EXCUSED_MS)
  }
  source.give(10)
  for (let turn = 0; turn < 5; turn++) await settled()
  assert.deepEqual(outcome, { bytes: 10, end: 'running' })
  hasReason = false
  clock.advance(600)
  for (let turn = 0; turn < 5; turn++) await settled()
  assert.ok(isStall(outcome.end))
})

test('a reason is none for a body that breaks off', async () => {
  const broken = new Fault('RESPONSE_INCOMPLETE', 'the connection was reset')
  const body = { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(broken) }) }
  const excused = { ...pace, excuse: () => true }
  await assert.rejects(async () => {
    for await (const chunk of keepingPace(body, excused, manualClock())) void chunk
  }, broken)
})

describe('where somebody else has it, too', () => {
  const LOOK_MS = 50
  let hasAnother = false
  const replaced: Pace = { ...pace, sooner: { ms: 200, isPossible: () => hasAnother } }

  test('a silent body is left sooner, from when the other is known', async () => {
    hasAnother = false
    const { outcome, clock } = await following(steered().body, replaced)
    clock.advance(200)
    await settled()
    hasAnother = true
    clock.advance(LOOK_MS)
    await settled()
    assert.match(String(outcome.end), /within 250 ms, got 0 B/)
  })

  test('a body that keeps the pace until then goes on, and has its whole period', async () => {
    hasAnother = true
    const source = steered()
    const { outcome, clock } = await following(source.body, replaced)
    source.give(9)
    await settled()
    for (let ms = 0; ms < 500; ms += LOOK_MS) {
      clock.advance(LOOK_MS)
      await settled()
    }
    assert.equal(outcome.end, 'running')
    clock.advance(100)
    await settled()
    assert.ok(isStall(outcome.end))
  })

  test('an answer that does not come is not waited for', async () => {
    const clock = manualClock()
    const answer = within(new Promise(() => {}), 600, clock, replaced)
    const refused = assert.rejects(answer, /within 200 ms, none came/)
    hasAnother = true
    clock.advance(200)
    await refused
    assert.equal(clock.pending(), 0)
  })

  test('alone it has its whole period', async () => {
    hasAnother = false
    const { outcome, clock } = await following(steered().body, replaced)
    for (let ms = 0; ms < 599; ms++) clock.advance(1)
    await settled()
    assert.equal(outcome.end, 'running')
    clock.advance(1)
    await settled()
    assert.ok(isStall(outcome.end))
  })

  test('a reason for the silence counts all the same', async () => {
    hasAnother = true
    const { outcome, clock } = await following(steered().body, { ...replaced, excuse: () => true })
    for (let ms = 0; ms < 3000; ms += EXCUSED_MS) clock.advance(EXCUSED_MS)
    await settled()
    assert.equal(outcome.end, 'running')
  })
})

test('a whole copy must keep the same rate in a shorter time', () => {
  const rate = ({ leastBytes, periodMs }: Pace) => Math.round(leastBytes / periodMs)
  assert.equal(rate(wholePace(NEXT_STALL_MS)), rate(wholePace(STALL_MS)))
})
