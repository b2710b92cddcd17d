/** Whoever has heard from a peer that what the origin server answers is for each who asks goes there, and nobody waits for it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PeerDownload } from '../../peering/inquiry.ts'
import type { Answering, Reply } from './upstreams.ts'
import { BY_UPDATER, download, PEER, world, type World } from './world.ts'

const PROMISE: PeerDownload = { ...download(3), location: undefined, readable: false, silenceMs: 300 }
const MOVED: Reply = { status: 302, fields: [['Location', '/elsewhere']], body: 'moved' }
const FILE: Reply = { status: 200, fields: [['Content-Length', '3']], body: 'abc' }

/** A peer had promised it, and says that. */
async function told(origin: Answering): Promise<{ node: World; application: ReturnType<World['ask']> }> {
  const node = world({ expectation: BY_UPDATER, downloads: [PROMISE], origin })
  const application = node.ask()
  await node.pass(5)
  node.inquiries[0]?.heardFailed(PEER, true)
  return { node, application }
}

const announcements = (node: World) =>
  node.told.map(({ kind }) => kind).filter((kind) => /announced|readable|completed|failed/.test(kind))

describe('what is for each who asks', () => {
  test('is asked of the origin server at once, and promised to nobody', async () => {
    const { node, application } = await told(() => MOVED)
    await node.settle()
    assert.deepEqual([node.origin.requests.length, node.origin.requests[0]?.method], [1, 'GET'])
    assert.equal((await node.read(application)).text, 'moved')
    assert.deepEqual(announcements(node), [])
  })

  test('is waited for at the origin server, whoever comes first in rank and asks there as well', async () => {
    const answer = Promise.withResolvers<Reply>()
    const { node, application } = await told(() => answer.promise)
    await node.settle()
    node.inquiries[0]?.heardDownloading({ ...PROMISE, isAhead: true })
    await node.settle()
    assert.deepEqual([node.retrievals.all()[0]?.isFetcher, node.origin.openBodies], [true, 0])
    answer.resolve(MOVED)
    assert.equal((await node.read(application)).text, 'moved')
    assert.equal(node.origin.requests.length, 1)
  })

  test('and is a file after all is announced once it can be read: the others, who fetch it as well, find out', async () => {
    const { node, application } = await told(() => FILE)
    assert.equal((await node.read(application)).text, 'abc')
    await node.settle()
    assert.deepEqual(announcements(node), ['announced', 'readable', 'completed'])
  })
})
