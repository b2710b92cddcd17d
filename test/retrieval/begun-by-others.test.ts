/** A growing copy behind what others had begun, who failed, and no application has seen (V§2). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fieldValue } from '../../core/fields.ts'
import type { Address } from '../../core/transport.ts'
import { VERIFY_FIRST_MS } from '../../retrieval/release.ts'
import { distinctBytes } from './ranged-origin.ts'
import { Flow } from './upstreams.ts'
import { digestOf, download, LOCATION, offer, PEER, shunned, world, type World } from './world.ts'

const FETCHER = '127.0.0.7' as Address
const RIGHT = distinctBytes(2_000_000)
const HELD = 400_000
const WRONG = Buffer.from(RIGHT)
WRONG[1000] = (WRONG[1000] ?? 0) ^ 1

/** `PEER` says that it has it, and breaks off after the beginning; then `FETCHER` has fetched `fetchedBytes` of the right file so far. */
async function seenBehind(begun: Uint8Array, fetchedBytes: number) {
  const asked: string[] = []
  const node = world({
    expectation: digestOf(RIGHT, RIGHT.length),
    offers: [offer(RIGHT.length)],
    peers: ({ uri, fields }) => {
      const whole = { status: 200, fields: [['Content-Length', `${RIGHT.length}`]] as const }
      if (!uri.startsWith(`http://${FETCHER}`))
        return { ...whole, body: new Flow().push(begun.subarray(0, HELD)).breakOff() }
      asked.push(fieldValue(fields, 'range') ?? 'all')
      return { ...whole, body: new Flow().push(RIGHT.subarray(0, fetchedBytes)) }
    },
    origin: () => new Promise(() => {}),
  })
  const read = reading(node)
  await node.pass(10)
  const location = LOCATION.replace(PEER, FETCHER)
  const fetching = { ...download(RIGHT.length, FETCHER), location, receivedBytes: fetchedBytes }
  node.inquiries[0]?.heardDownloading(fetching)
  await node.pass(100)
  return { bytes: read(), asked, node }
}

/** An application reads. @returns how many bytes it has so far. */
function reading(node: World): () => number {
  let bytes = 0
  const read = async () => {
    const { answer } = await node.ask().resource
    for await (const chunk of answer.body ?? []) bytes += chunk.length
  }
  void read()
  return () => bytes
}

describe('a growing copy behind what a peer had begun that failed', () => {
  test('is streamed at once, where it has the same bytes', async () => {
    const { bytes, asked } = await seenBehind(RIGHT, 600_000)
    assert.deepEqual([bytes, asked], [600_000, ['all']])
  })

  test('is read alone, where it has others: not a wrong byte goes out', async () => {
    const { bytes, asked, node } = await seenBehind(WRONG, 600_000)
    assert.deepEqual([bytes, asked], [600_000, ['all', 'all']])
    assert.deepEqual(new Set(shunned(node).map(([peer]) => peer)), new Set([PEER]))
  })

  test('is read from its start, where it has less: that comes sooner', async () => {
    const { bytes, asked, node } = await seenBehind(WRONG, 100_000)
    assert.deepEqual([bytes, asked], [100_000, ['all']])
    assert.deepEqual(
      node.told.filter(({ kind }) => kind === 'stored'),
      [],
    )
  })
})

test('what takes long to come is streamed when it does, also where just then nothing comes', async () => {
  const flow = new Flow()
  const node = world({
    expectation: digestOf(RIGHT, RIGHT.length),
    offers: [offer(RIGHT.length)],
    peers: () => ({ status: 200, fields: [['Content-Length', `${RIGHT.length}`]], body: flow }),
    origin: () => new Promise(() => {}),
  })
  const read = reading(node)
  let sent = 0
  while (sent < 1_700_000) {
    flow.push(RIGHT.subarray(sent, (sent += 100_000)))
    await node.pass((VERIFY_FIRST_MS - 200) / 17)
  }
  assert.equal(read(), 0)
  await node.pass(300)
  assert.equal(read(), sent)
})
