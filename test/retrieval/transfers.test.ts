import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Fields } from '../../core/fields.ts'
import { transfers } from '../../retrieval/transfers.ts'
import { Flow } from './upstreams.ts'
import { digestOf, download, PEER, world, type World } from './world.ts'

const MB = 1_000_000
const FIRST = Buffer.alloc(MB, 'A')

/** Whose uri is the only one, and without the speed. */
function shown({ retrievals }: World): readonly unknown[] {
  return transfers(retrievals).map(({ source, peer, receivedBytes, totalBytes }) => [
    source,
    peer,
    receivedBytes,
    totalBytes,
  ])
}

/** A node that is alone, whose origin server has sent the head and the first MB. */
async function begun(context: { status: number; fields: Fields; asked?: Fields }) {
  const flow = new Flow().push(FIRST)
  const reply = { status: context.status, fields: context.fields, body: flow }
  const node = world({ isAlone: true, rule: { share: false }, origin: () => reply })
  const given = node.get(context.asked)
  await node.settle()
  return { node, flow, given }
}

describe('what is on its way to applications', () => {
  test('is a retrieval, with the machine that sends it', async () => {
    const body = Buffer.alloc(3 * MB, 'A')
    const fields: Fields = [
      ['Content-Length', String(body.length)],
      ['ETag', '"a"'],
    ]
    const node = world({
      expectation: digestOf(body),
      downloads: [download(body.length)],
      peers: () => ({ status: 200, fields, body: new Flow().push(FIRST) }),
      origin: () => assert.fail(),
    })
    const application = node.ask()
    await node.within(application.resource)
    assert.deepEqual(shown(node), [['in-progress', PEER, MB, 3 * MB]])
    application.leave()
  })

  test('is an application’s part of a file, as far as it has asked for it', async () => {
    const { node, flow, given } = await begun({
      status: 206,
      asked: [['Range', 'bytes=1000000-2999999']],
      fields: [
        ['Content-Length', String(2 * MB)],
        ['Content-Range', 'bytes 1000000-2999999/9000000'],
        ['ETag', '"a"'],
        ['Cache-Control', 'max-age=60'],
      ],
    })
    assert.deepEqual(shown(node), [['internet', undefined, MB, 2 * MB]])
    flow.push(FIRST).end()
    assert.equal((await given).text.length, 2 * MB)
    assert.deepEqual(shown(node), [])
  })

  for (const [name, asked, status, more] of [
    ['the whole', [], 200, []],
    ['a part', [['Range', 'bytes=0-1999999']], 206, [['Content-Range', 'bytes 0-1999999/9000000']]],
  ] as const)
    test(`is a response that is not kept: ${name}`, async () => {
      const { node, flow, given } = await begun({
        status,
        asked,
        fields: [['Content-Length', String(2 * MB)], ['Cache-Control', 'no-store'], ...more],
      })
      assert.deepEqual(shown(node), [['internet', undefined, MB, 2 * MB]])
      await node.pass(1000)
      assert.ok((transfers(node.retrievals)[0]?.bytesPerSecond ?? 0) > 0)
      flow.push(FIRST).end()
      assert.equal((await given).text.length, 2 * MB)
      assert.deepEqual(shown(node), [])
    })
})
