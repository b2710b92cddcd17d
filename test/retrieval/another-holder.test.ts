/** Where two have it, one that sends nothing is left for the other sooner (V§4 "slow peers"). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fieldValue } from '../../core/fields.ts'
import type { Address } from '../../core/transport.ts'
import { NEXT_STALL_MS, SPARE_STALL_MS, STALL_MS } from '../../retrieval/patience.ts'
import { distinctBytes } from './ranged-origin.ts'
import { Flow, type Reply } from './upstreams.ts'
import { digestOf, LOCATION, offer, PEER, shunned, world } from './world.ts'

const BODY = distinctBytes(200_000)
const OTHER = '127.0.0.7' as Address
const THIRD = '127.0.0.8' as Address
const never = () => new Promise<Reply>(() => {})

/** `how`: what `PEER` and `THIRD` answer; the other one has it all. */
function twoHave(how: () => Reply | Promise<Reply>, peers: readonly Address[] = [PEER, OTHER]) {
  const asked: [peer: string, from: string][] = []
  const node = world({
    expectation: digestOf(BODY, BODY.length),
    offers: peers.map((peer) => ({ ...offer(BODY.length, peer), location: LOCATION.replace(PEER, peer) })),
    peers: ({ uri, fields }) => {
      const range = fieldValue(fields, 'range')
      const from = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0)
      asked.push([new URL(uri).hostname, range ?? 'all'])
      if (!uri.startsWith(`http://${OTHER}`)) return how()
      const rest = BODY.subarray(from)
      const part = ['Content-Range', `bytes ${from}-${BODY.length - 1}/${BODY.length}`] as const
      const fields206 = [['Content-Length', `${rest.length}`], ...(from > 0 ? [part] : [])] as const
      return { status: from > 0 ? 206 : 200, fields: fields206, body: rest }
    },
    origin: () => assert.fail('the LAN has it'),
  })
  return { node, asked, application: node.ask() }
}

describe('of two that have it', () => {
  test('one that does not answer is left for the other sooner than one alone, and blamed as for any silence', async () => {
    const { node, asked, application } = twoHave(never)
    await node.pass(SPARE_STALL_MS - 1)
    assert.deepEqual(asked, [[PEER, 'all']])
    await node.pass(1)
    assert.deepEqual((await node.read(application)).text.length, BODY.length)
    assert.deepEqual(asked, [
      [PEER, 'all'],
      [OTHER, 'all'],
    ])
    assert.deepEqual(shunned(node), [[PEER, 'stalled']])
  })

  test('one that stops in the middle, too; the other goes on at that byte', async () => {
    const stopping = () => ({
      status: 200,
      fields: [['Content-Length', `${BODY.length}`]] as const,
      body: new Flow().push(BODY.subarray(0, 70_000)),
    })
    const { node, asked, application } = twoHave(stopping)
    await node.pass(SPARE_STALL_MS + 1)
    assert.equal((await node.read(application)).text.length, BODY.length)
    assert.deepEqual(asked, [
      [PEER, 'all'],
      [OTHER, 'bytes=70000-'],
    ])
  })

  test('the second silent one has a moment, and nobody blames it who gave it so little', async () => {
    const { node, asked, application } = twoHave(never, [PEER, THIRD, OTHER])
    await node.pass(SPARE_STALL_MS + NEXT_STALL_MS)
    assert.ok(SPARE_STALL_MS + NEXT_STALL_MS < STALL_MS)
    assert.equal((await node.read(application)).text.length, BODY.length)
    assert.deepEqual(
      asked.map(([peer]) => peer),
      [PEER, THIRD, OTHER],
    )
    assert.deepEqual(shunned(node), [[PEER, 'stalled']])
  })
})
