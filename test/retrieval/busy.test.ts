/** A node that had to wait for its turn at the processor does not judge others' silence. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BY_UPDATER, download, offer, PEER, shunned, world } from './world.ts'

const BODY = Buffer.alloc(1000, 'x')

/** A downloader that does not answer the first time, and then has it whole. */
function silentAtFirst(isBusy: boolean) {
  let asked = 0
  return world({
    expectation: BY_UPDATER,
    downloads: [download(BODY.length)],
    isBusy,
    peers: () => {
      asked += 1
      if (asked === 1) return new Promise(() => {})
      return { status: 200, fields: [['Content-Length', `${BODY.length}`]], body: BODY }
    },
    origin: () => ({ status: 200, fields: [['Content-Length', `${BODY.length}`]], body: BODY }),
  })
}

describe('a peer that sends nothing for too long', () => {
  test('is left for good by a node that could listen all the time', async () => {
    const node = silentAtFirst(false)
    const application = node.ask()
    await node.pass(440)
    node.inquiries[0]?.heardResponse(offer(BODY.length))
    const given = await node.read(application)
    assert.deepEqual([given.text.length, given.error], [BODY.length, undefined])
    assert.deepEqual(shunned(node), [[PEER, 'stalled']])
    assert.equal(node.origin.requests.length, 1)
  })

  test('may be used again by a node that was busy itself', async () => {
    const node = silentAtFirst(true)
    const application = node.ask()
    await node.pass(440)
    node.inquiries[0]?.heardResponse(offer(BODY.length))
    const given = await node.read(application)
    assert.deepEqual([given.text.length, given.error], [BODY.length, undefined])
    assert.deepEqual(shunned(node), [])
    assert.equal(node.origin.requests.length, 0)
  })

  test('is waited for four times at most, however busy the node is', async () => {
    let asked = 0
    const node = world({
      expectation: BY_UPDATER,
      downloads: [download(BODY.length)],
      isBusy: true,
      peers: () => {
        asked += 1
        return new Promise(() => {})
      },
      origin: () => ({ status: 200, fields: [['Content-Length', `${BODY.length}`]], body: BODY }),
    })
    const application = node.ask()
    // Each time that the LAN is asked again, it says again that it is downloading.
    await node.pass(10)
    for (let time = 0; time < 10; time += 1) {
      await node.pass(430)
      node.inquiries[0]?.heardDownloading(download(BODY.length))
    }
    const given = await node.read(application)
    assert.deepEqual([given.text.length, given.error], [BODY.length, undefined])
    assert.equal(asked, 4)
  })
})
