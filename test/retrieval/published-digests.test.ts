import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Expectation, OriginQuestion } from '../../core/verifier.ts'
import { A, ended, offer, PEER, sha256, shunned, URL_A, world, type Scene } from './world.ts'

const BODY = 'x'.repeat(2000)
const ASKABLE = { kind: 'askable', rung: 'V3' } as const

const PUBLISHED: Expectation = {
  kind: 'digest',
  rung: 'V3',
  digest: { algorithm: 'sha-256', hex: sha256(BODY) },
}

/** A peer has the file, and the origin server is asked for a digest. */
function scene(more: Partial<Scene> = {}) {
  const asked: OriginQuestion[] = []
  const node = world({
    origin: () => ({ status: 200, fields: [['Content-Length', String(BODY.length)]], body: BODY }),
    peers: () => ({ status: 200, fields: [['Content-Length', String(BODY.length)]], body: BODY }),
    offers: [offer(BODY.length)],
    expectation: ASKABLE,
    ...more,
    published: async (question) => {
      asked.push(question)
      return more.published?.(question) ?? PUBLISHED
    },
  })
  return { node, asked }
}

test('when a peer has it, the origin server is asked for a digest, and the file comes from the peer', async () => {
  const { node, asked } = scene()
  const given = await node.get([['User-Agent', 'updater']])
  assert.deepEqual([given.text, given.how], [BODY, 'peer'])
  assert.equal(node.origin.requests.length, 0)
  const [question] = asked
  assert.deepEqual(
    [question?.uri, question?.target, question?.fields],
    [A, URL_A, [['User-Agent', 'updater']]],
  )
})

test('when nobody has it, the origin server is asked for the file, not for its digest', async () => {
  const { node, asked } = scene({ offers: [] })
  assert.equal((await node.get()).how, 'internet')
  assert.deepEqual([asked.length, node.origin.requests.length], [0, 1])
})

test('when the origin server publishes no digest, the file comes from there', async () => {
  const { node } = scene({ published: async () => ({ kind: 'none', rung: 'V6' }) })
  const given = await node.get()
  assert.deepEqual([given.text, given.how], [BODY, 'internet'])
  assert.equal(node.peers.requests.length, 0)
})

test('it is asked once, however many peers have it', async () => {
  const { node, asked } = scene({
    offers: [offer(BODY.length), offer(BODY.length, '127.0.0.7' as typeof PEER)],
    peers: ({ uri }) => ({
      status: uri.includes(PEER) ? 404 : 200,
      fields: [['Content-Length', String(BODY.length)]],
      body: BODY,
    }),
  })
  await node.get()
  assert.equal(asked.length, 1)
})

test('a verifier that fails proves nothing', async () => {
  const { node } = scene({ published: () => Promise.reject(new Error('broken')) })
  assert.equal((await node.get()).how, 'internet')
})

for (const [immutable, reason] of [
  [true, 'bad-bytes'],
  [false, 'broke-off'],
] as const)
  test(`wrong bytes under a name that ${immutable ? 'cannot' : 'can'} change: the peer ${immutable ? 'lied' : 'may be honest'}`, async () => {
    const { node } = scene({
      rule: { immutable },
      peers: () => ({
        status: 200,
        fields: [['Content-Length', String(BODY.length)]],
        body: 'y'.repeat(BODY.length),
      }),
    })
    const given = await node.get()
    assert.deepEqual([given.text, given.how], [BODY, 'internet'])
    assert.deepEqual(shunned(node), [[PEER, reason]])
    assert.equal(ended(node)[0]?.failures.length, 1)
  })
