import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transfersStatus } from '../../service/peering-status.ts'
import { Flow } from '../retrieval/upstreams.ts'
import { digestOf, download, world } from '../retrieval/world.ts'

test('a retrieval that rests because nobody waits for it is no transfer until somebody comes back', async () => {
  const body = Buffer.alloc(3_000_000, 'A')
  const node = world({
    expectation: digestOf(body),
    downloads: [download(body.length)],
    peers: () => ({
      status: 200,
      fields: [
        ['Content-Length', String(body.length)],
        ['ETag', '"a"'],
      ],
      body: new Flow().push(body.subarray(0, 1_000_000)),
    }),
    origin: () => assert.fail(),
  })
  const shown = () => transfersStatus(node.retrievals).map(({ uri, source }) => [uri, source])
  const running = [['http://updates.test/a', 'in-progress']]
  const reading = node.ask()
  await node.within(reading.resource)
  assert.deepEqual(shown(), running)
  reading.leave()
  await node.settle()
  assert.equal(node.retrievals.all().length, 1)
  assert.deepEqual(shown(), [])
  const again = node.ask()
  await node.settle()
  assert.deepEqual(shown(), running)
  again.leave()
})
