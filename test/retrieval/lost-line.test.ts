/** A machine that loses its line while its application is being given a file (R4.4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { MOST_WAITS } from '../../retrieval/lost-line.ts'
import { distinctBytes, RangedOrigin } from './ranged-origin.ts'
import { Flow } from './upstreams.ts'
import { digestOf, download, world } from './world.ts'

const BYTES = distinctBytes(4_000_000)
const HELD = 2_000_000

/** What an application gets whose peer breaks off, and whose machine reaches nobody `times` times after it. */
async function given(times: number) {
  const origin = new RangedOrigin({ body: BYTES, fields: [['ETag', '"1"']] })
  const body = new Flow().push(BYTES.subarray(0, HELD))
  const node = world({
    expectation: digestOf(BYTES),
    downloads: [download(BYTES.length)],
    peers: (_request, n) => {
      if (n > 1) throw new Fault('UNREACHABLE', 'no route')
      return { status: 200, fields: [['Content-Length', `${BYTES.length}`]], body }
    },
    origin: (request, n) => {
      if (n <= times) throw new Fault('UNREACHABLE', 'no route')
      return origin.answer(request, n)
    },
  })
  const application = node.ask()
  await node.within(application.resource)
  const reading = node.read(application)
  await node.settle()
  body.breakOff()
  const got = await node.within(reading, 30_000)
  return { got, isWhole: got.text === BYTES.toString('latin1'), origin, node }
}

for (const times of [1, MOST_WAITS])
  test(`its application is given the rest when it is back (${times} in vain)`, async () => {
    const { got, isWhole, origin, node } = await given(times)
    assert.deepEqual([got.status, got.error, isWhole], [200, undefined, true])
    assert.equal(origin.sent, BYTES.length - HELD, 'more than the rest was fetched')
    assert.deepEqual(node.retrievals.all(), [])
  })

test('its application is told in the end when it does not come back', async () => {
  const { got, isWhole, node } = await given(Infinity)
  assert.ok(got.error !== undefined && !isWhole)
  assert.equal(node.origin.requests.length, 1 + MOST_WAITS)
  await node.settle()
  assert.deepEqual(node.retrievals.all(), [])
})
