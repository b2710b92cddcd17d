import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Fields } from '../../core/fields.ts'
import { SOON_WHOLE_MS } from '../../retrieval/announcement.ts'
import { Flow } from './upstreams.ts'
import { A, digestOf, sha256, storingAfter, URL_A, world, type Scene, type World } from './world.ts'

/** The origin server has begun a response without a length. */
async function begun(fields: Fields = [], scene: Partial<Scene> = {}) {
  const body = new Flow().push('begun, ')
  const node = world({
    expectation: digestOf(Buffer.from('begun, done')),
    waitMs: 0,
    origin: () => ({ status: 200, fields: [['Cache-Control', 'max-age=60'], ...fields], body }),
    ...scene,
  })
  const application = node.ask()
  await node.within(application.resource)
  await node.settle()
  return { node, body, application }
}

/** The rest of the response comes, and its application has it all. */
async function finish({ node, body, application }: Awaited<ReturnType<typeof begun>>): Promise<void> {
  body.push('done').end()
  assert.equal((await node.read(application)).text, 'begun, done')
}

const OTHER = { algorithm: 'sha-256', hex: sha256('other') } as const

/** Of what was said to the LAN: how the download went. */
function saidBy(node: World): readonly string[] {
  return node.told.map(({ kind }) => kind).filter((kind) => /announced|readable|completed|failed/.test(kind))
}

describe('a download without a length', () => {
  test('is promised until it is whole, and then it is offered', async () => {
    const download = await begun()
    const { node } = download
    await node.pass(SOON_WHOLE_MS - 1)
    const promised = node.lan.locate(URL_A)
    assert.equal(promised.kind, 'downloading')
    assert.equal(promised.kind === 'downloading' && promised.offer.alias, undefined)
    assert.deepEqual(saidBy(node), ['announced'])
    await finish(download)
    await node.settle()
    assert.deepEqual(saidBy(node), ['announced', 'readable', 'completed'])
    assert.equal(node.lan.locate(URL_A).kind, 'complete')
    await node.pass(SOON_WHOLE_MS)
    assert.deepEqual(saidBy(node), ['announced', 'readable', 'completed'])
  })

  test('that takes longer is waited for by nobody, and its own application has it all the same', async () => {
    const download = await begun()
    const { node } = download
    await node.pass(SOON_WHOLE_MS)
    assert.deepEqual(saidBy(node), ['announced', 'failed'])
    assert.deepEqual(node.lan.locate(URL_A), { kind: 'absent' })
    await finish(download)
    await node.settle()
    assert.deepEqual(saidBy(node), ['announced', 'failed'])
    assert.equal(node.lan.locate(URL_A).kind, 'complete')
  })

  test('that breaks off is promised no longer, however often it is begun', async () => {
    const { node, body, application } = await begun()
    body.breakOff()
    assert.ok((await node.read(application)).error)
    await node.pass(SOON_WHOLE_MS)
    const said = saidBy(node)
    assert.deepEqual(
      said,
      said.map((_, at) => (at % 2 === 0 ? 'announced' : 'failed')),
    )
    assert.equal(said.at(-1), 'failed')
  })

  test('that is whole in time is not said to have failed while it is being stored', async () => {
    const download = await begun()
    const { node } = download
    const written = Promise.withResolvers<void>()
    storingAfter(node, written.promise)
    await node.pass(SOON_WHOLE_MS - 50)
    await finish(download)
    await node.pass(100)
    assert.deepEqual(saidBy(node), ['announced'])
    written.resolve()
    await node.settle()
    assert.deepEqual(saidBy(node), ['announced', 'readable', 'completed'])
    assert.equal(node.lan.locate(URL_A).kind, 'complete')
  })

  test('that is outdated meanwhile is promised no longer', async () => {
    const download = await begun()
    const { node } = download
    node.retrievals.outdate(A)
    assert.deepEqual(saidBy(node), ['announced', 'failed'])
    assert.deepEqual(node.lan.locate(URL_A), { kind: 'absent' })
    await finish(download)
    await node.settle()
    assert.deepEqual(saidBy(node), ['announced', 'failed'])
  })

  test('that is not kept in the end is not said to be complete', async () => {
    const download = await begun([], { known: new Map([[A, OTHER]]) })
    const { node } = download
    await finish(download)
    await node.settle()
    assert.deepEqual(saidBy(node), ['announced', 'failed'])
    assert.deepEqual(node.lan.locate(URL_A), { kind: 'absent' })
  })

  for (const [what, fields] of [
    ['a content coding', [['Content-Encoding', 'gzip']]],
    [
      'a content coding, and a length',
      [
        ['Content-Encoding', 'gzip'],
        ['Content-Length', '11'],
      ],
    ],
    ['nothing for others', [['Cache-Control', 'private']]],
  ] as const)
    test(`with ${what} is promised to nobody`, async () => {
      const { node, application } = await begun(fields)
      assert.deepEqual(saidBy(node), ['announced', 'failed'])
      assert.deepEqual(node.lan.locate(URL_A), { kind: 'absent' })
      application.leave()
    })
})
