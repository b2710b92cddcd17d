import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UploadRate } from '../../peering/upload-rate.ts'
import { manualClock } from '../manual-clock.ts'

async function* chunks(count: number, bytes: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < count; at++) yield new Uint8Array(bytes)
}

/** Reads them all, and says how much had come at each of these times, in ms. */
async function arrivals(
  bodies: readonly AsyncIterable<Uint8Array>[],
  clock: ReturnType<typeof manualClock>,
  times: readonly number[],
) {
  let received = 0
  const reading = bodies.map(async (body) => {
    for await (const chunk of body) received += chunk.length
  })
  const settle = async () => {
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  const seen: number[] = []
  for (const time of times) {
    while (clock.monotonic() < time) {
      await settle()
      clock.advance(10)
    }
    await settle()
    seen.push(received)
  }
  return { seen, over: Promise.all(reading) }
}

test('all transfers together keep to the rate, but for a short burst', async () => {
  const clock = manualClock()
  clock.advance(1000)
  const start = clock.monotonic()
  const rate = new UploadRate(clock, 100_000)
  const { signal } = new AbortController()
  const bodies = [1, 2].map(() => rate.paced(chunks(50, 2000), signal))
  const { seen, over } = await arrivals(
    bodies,
    clock,
    [0, 500, 1000, 2500].map((ms) => start + ms),
  )
  for (const [at, expected] of [25_000, 75_000, 125_000, 200_000].entries())
    assert.ok(Math.abs((seen[at] ?? 0) - expected) <= 6000, `${seen[at]}, expected about ${expected}`)
  await over
})

test('without a limit nothing waits, and the body is the very same', () => {
  const body = chunks(1, 1)
  assert.equal(new UploadRate(manualClock(), Infinity).paced(body, new AbortController().signal), body)
})

test('whoever goes away while its bytes wait is not kept', async () => {
  const clock = manualClock()
  const rate = new UploadRate(clock, 1)
  const gone = new AbortController()
  const { over } = await arrivals([rate.paced(chunks(3, 1000), gone.signal)], clock, [0])
  gone.abort()
  await over
})

test('a large chunk goes out in parts, so that no reader takes its wait for a stall', async () => {
  const clock = manualClock()
  clock.advance(1000)
  const start = clock.monotonic()
  const rate = new UploadRate(clock, 1_000_000)
  const { signal } = new AbortController()
  const { seen, over } = await arrivals([rate.paced(chunks(1, 1_000_000), signal)], clock, [
    ...[0, 100, 200, 300, 400].map((ms) => start + ms),
    start + 2000,
  ])
  const gained = seen.slice(1, 5).map((bytes, at) => bytes - (seen[at] ?? 0))
  for (const bytes of gained) assert.ok(bytes >= 50_000 && bytes <= 150_000, `${bytes} in 100 ms`)
  assert.equal(seen.at(-1), 1_000_000)
  await over
})
