import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../../cache/memory-store.ts'
import { Fault } from '../../core/fault.ts'
import { CopyUse, MAX_RESUMPTIONS, PROGRESS_BYTES, type Fillable } from '../../retrieval/copy-use.ts'
import { Flight } from '../../retrieval/flight.ts'
import { alone } from '../../retrieval/request.ts'
import { newReport } from '../../retrieval/source.ts'
import { manualClock } from '../manual-clock.ts'
import { requestFor } from './request-for.ts'
import { URL_A } from './world.ts'

/** A copy whose every request brings what `bring` says, and ends well unless `fault` says how it breaks off. */
async function scene(bring: (count: number) => Uint8Array, size = 100, fault?: Fault) {
  const copy = await memoryStore({ maxBytes: 10_000_000, clock: manualClock() }).create()
  copy.setSize(size)
  let count = 0
  const nothing = () => {}
  const of: Fillable = {
    copy,
    flights: [],
    isContinuable: true,
    mustGoOn: nothing,
    spread: nothing,
    reconsider: nothing,
    left: nothing,
    fetch(span) {
      const flight = new Flight(span, (offset) => copy.heldUntil(offset), new AbortController())
      flight.accepted.resolve()
      const end = () => (fault === undefined ? flight.conclude() : (flight.fail(fault), flight.conclude()))
      void copy.write(span.start, bring((count += 1))).then(end)
      return flight
    },
  }
  const use = new CopyUse(of, alone(requestFor(URL_A)), newReport())
  use.want([{ start: 0, end: size }])
  return { use, count: () => count }
}

test('a request that ends well and brings nothing is not made for ever', async () => {
  const { use, count } = await scene(() => new Uint8Array())
  await assert.rejects(
    use.filled.promise,
    (error) => error instanceof Fault && error.code === 'RESPONSE_INCOMPLETE',
  )
  assert.equal(count(), 1 + MAX_RESUMPTIONS)
})

test('requests that bring a little each are made as often as it takes', async () => {
  const { use, count } = await scene(() => new Uint8Array(10))
  await use.filled.promise
  assert.equal(count(), 10)
})

test('requests that break off are made as often as it takes, as long as they bring something', async () => {
  const broken = new Fault('RESPONSE_INCOMPLETE', 'it broke off')
  const times = 10 * MAX_RESUMPTIONS
  const { use, count } = await scene(() => new Uint8Array(PROGRESS_BYTES), times * PROGRESS_BYTES, broken)
  await use.filled.promise
  assert.equal(count(), times)
  const little = await scene(() => new Uint8Array(PROGRESS_BYTES - 1), times * PROGRESS_BYTES, broken)
  await assert.rejects(little.use.filled.promise, broken)
  assert.equal(little.count(), 1 + MAX_RESUMPTIONS)
})
