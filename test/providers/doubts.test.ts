import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { DOUBTED_MS, Doubts, ONCE_DOUBTED_MS, type Doubted } from '../../providers/doubts.ts'
import { manualClock } from '../manual-clock.ts'

const PLACE = 'http://10.0.0.5:8080/'

/** An offer of this node, and what became of it. */
class Offer implements Doubted {
  ownLocation: string | undefined = PLACE
  isSilent = false
  readonly doubtedMs: number[] = []

  doubt(ms: number): void {
    this.doubtedMs.push(ms)
  }

  silence(isSilent: boolean): void {
    this.isSilent = isSilent
  }
}

function scene(answers = true) {
  const clock = manualClock()
  const state = { answers, contacted: [] as string[], silent: 0 }
  const doubts = new Doubts<Offer>({
    clock,
    async contact(location) {
      state.contacted.push(location)
      return state.answers
    },
    silent: () => void (state.silent += 1),
  })
  return { clock, doubts, state, offer: new Offer() }
}

test('who answers at its place is doubted for long, and for 20 s only where the reporter may be wrong', async () => {
  const { clock, doubts, offer, state } = scene()
  doubts.report(offer)
  await setImmediate()
  assert.deepEqual(offer.doubtedMs, [DOUBTED_MS, ONCE_DOUBTED_MS])
  clock.advance(DOUBTED_MS - 1)
  doubts.report(offer)
  await setImmediate()
  assert.deepEqual(offer.doubtedMs.slice(2), [DOUBTED_MS], 'reported again within five minutes')
  clock.advance(DOUBTED_MS)
  doubts.report(offer)
  await setImmediate()
  assert.deepEqual(offer.doubtedMs.slice(3), [DOUBTED_MS, ONCE_DOUBTED_MS], 'long forgotten')
  assert.deepEqual([offer.isSilent, state.silent, state.contacted.length], [false, 0, 3])
})

test('whose place is silent does not stand at all, is told of once, and is looked at again every five minutes', async () => {
  const { clock, doubts, offer, state } = scene(false)
  doubts.report(offer)
  await setImmediate()
  assert.deepEqual([offer.isSilent, state.silent, offer.doubtedMs], [true, 1, [DOUBTED_MS]])
  clock.advance(DOUBTED_MS)
  await setImmediate()
  assert.deepEqual([offer.isSilent, state.silent, state.contacted.length], [true, 1, 2])
  state.answers = true
  clock.advance(DOUBTED_MS)
  await setImmediate()
  assert.deepEqual([offer.isSilent, state.contacted.length], [false, 3])
  clock.advance(10 * DOUBTED_MS)
  await setImmediate()
  assert.equal(state.contacted.length, 3, 'whoever answers is left alone')
})

test('many reports at once are one look', async () => {
  const { doubts, offer, state } = scene()
  for (let times = 0; times < 10; times++) doubts.report(offer)
  await setImmediate()
  assert.equal(state.contacted.length, 1)
})

test('a place that was offered meanwhile is not judged by the one before, and one that is none is not looked at', async () => {
  const { doubts, offer, state } = scene(false)
  doubts.report(offer)
  offer.ownLocation = 'http://10.0.0.5:9090/'
  await setImmediate()
  assert.deepEqual([offer.isSilent, state.silent], [false, 0])
  offer.ownLocation = undefined
  doubts.report(offer)
  await setImmediate()
  assert.deepEqual([offer.isSilent, state.contacted], [false, [PLACE]])
})

test('after the end nothing is looked at any more', async () => {
  const { clock, doubts, offer, state } = scene(false)
  doubts.report(offer)
  doubts.stop()
  await setImmediate()
  assert.deepEqual([offer.isSilent, state.silent], [false, 0])
  clock.advance(DOUBTED_MS)
  assert.equal(state.contacted.length, 1)
})
