import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import type { Fields } from '../../core/fields.ts'
import type { Expectation } from '../../core/verifier.ts'
import type { LocalAlias } from '../../peering/packets.ts'
import { RETRY_WINDOW_MS } from '../../verify/retry-watch.ts'
import { Flow, type Reply } from './upstreams.ts'
import {
  A,
  BY_UPDATER,
  digestOf,
  download,
  offer,
  sha256,
  textOf,
  URL_A,
  world,
  type Application,
  type Scene,
  type World,
} from './world.ts'

const SIZE = 8_000_000
const BEGUN = 100_000
const RIGHT = Buffer.alloc(SIZE, 'o')
const EVIL = Buffer.alloc(SIZE, 'E')

function whole(body: Uint8Array | string | Flow, size: number, fields: Fields = []): Reply {
  return {
    status: 200,
    fields: [['Content-Length', String(size)], ['Cache-Control', 'max-age=60'], ...fields],
    body,
  }
}

const file = (fields: Fields = []): Reply => whole('bytes', 5, [['ETag', '"v1"'], ...fields])

/** What a peer reads of a file from `from` on, until it ends or breaks off. */
interface Reading {
  text: string
  error?: unknown
  readonly over: Promise<void>
}

function readAsPeer(node: World, alias: LocalAlias, from = 0): Reading {
  const opened = node.lan.open(alias)
  assert.ok(opened?.size, 'there is nothing to read')
  const chunks = opened.read({ start: from, end: opened.size }, new AbortController().signal)
  const reading: Reading = { text: '', over: follow(chunks, (chunk) => (reading.text += chunk)) }
  void reading.over.catch((error: unknown) => (reading.error = error)).finally(() => opened.close())
  return reading
}

async function follow(chunks: AsyncIterable<Uint8Array>, take: (text: string) => void): Promise<void> {
  for await (const chunk of chunks) take(Buffer.from(chunk).toString('latin1'))
}

/** The origin server has begun to send it, and the node says so to the LAN. */
async function fetching(scene: Partial<Scene> = {}): Promise<[World, Flow, Application]> {
  const body = new Flow().push(RIGHT.subarray(0, BEGUN))
  const node = world({
    expectation: digestOf(RIGHT),
    waitMs: 0,
    origin: () => whole(body, SIZE),
    peers: () => ({
      status: 206,
      fields: [['Content-Range', `bytes ${BEGUN}-${SIZE - 1}/${SIZE}`]],
      body: EVIL.subarray(BEGUN),
    }),
    ...scene,
  })
  const application = node.ask()
  await node.within(application.resource)
  await node.settle()
  return [node, body, application]
}

describe('a stored response', () => {
  test('is offered while it is fresh, under a name that leads to its bytes', async () => {
    const node = world({ origin: () => file() })
    await node.get()
    await node.settle()
    const located = node.lan.locate(URL_A)
    assert.equal(located.kind, 'complete')
    if (located.kind !== 'complete') return
    const { alias, ...described } = located.offer
    assert.deepEqual(described, {
      size: 5,
      digest: { algorithm: 'sha-256', hex: sha256('bytes') },
      sentCopies: 0,
      etag: '"v1"',
      lastModified: undefined,
      ageSeconds: 0,
    })
    assert.ok(alias)
    const reading = readAsPeer(node, alias)
    await node.within(reading.over)
    assert.equal(reading.text, 'bytes')
    node.clock.advance(60_000)
    assert.deepEqual([node.lan.locate(URL_A).kind, node.lan.open(alias)], ['absent', undefined])
  })

  test('tells how old it is', async () => {
    const node = world({ origin: () => file([['Age', '10']]) })
    await node.get()
    await node.pass(5000)
    const located = node.lan.locate(URL_A)
    assert.equal(located.kind === 'complete' && located.offer.ageSeconds, 15)
  })

  const kept: [string, Partial<Scene>][] = [
    ['its rule does not share', { rule: { share: false } }],
    ['it is private', { origin: () => file([['Cache-Control', 'private']]) }],
    ['it sets a cookie', { origin: () => file([['Set-Cookie', 'a=b']]) }],
    ['it varies', { origin: () => file([['Vary', 'Cookie']]) }],
    ['it is an error', { origin: () => ({ ...file(), status: 404 }) }],
    ['it is compressed for one application', { origin: () => file([['Content-Encoding', 'gzip']]) }],
  ]
  for (const [why, scene] of kept)
    test(`stays here when ${why}`, async () => {
      const node = world({ origin: () => file(), ...scene })
      await node.get()
      await node.settle()
      assert.deepEqual(node.lan.locate(URL_A), { kind: 'absent' })
      assert.equal(node.lan.open(node.aliases.aliasOf(A)), undefined)
    })

  test('that came unverified from a peer waits until no application can complain any more', async () => {
    const node = world({
      rule: { verify: 'updater', immutable: true },
      expectation: BY_UPDATER,
      offers: [offer(5)],
      peers: () => file(),
      origin: () => file(),
    })
    assert.equal((await node.get()).how, 'peer')
    await node.settle()
    assert.equal(node.lan.locate(URL_A).kind, 'absent')
    assert.equal(node.lan.open(node.aliases.aliasOf(A)), undefined)
    node.clock.advance(RETRY_WINDOW_MS)
    assert.equal(node.lan.locate(URL_A).kind, 'complete')
  })

  test('that came verified from a peer is offered at once', async () => {
    const node = world({
      rule: { immutable: true },
      expectation: digestOf('bytes'),
      offers: [offer(5)],
      peers: () => file(),
      origin: () => file(),
    })
    assert.equal((await node.get()).how, 'peer')
    await node.settle()
    assert.equal(node.lan.locate(URL_A).kind, 'complete')
  })

  test('is not found by what is no URI, or by a name that was never given', () => {
    const node = world({ origin: () => file() })
    assert.equal(node.lan.locate('not a uri').kind, 'absent')
    assert.equal(node.lan.locate('ftp://updates.test/a').kind, 'absent')
    assert.equal(node.lan.open('f'.repeat(64) as LocalAlias), undefined)
  })
})

describe('a running download', () => {
  test('is promised while the origin server has not answered, and read as it grows afterwards', async () => {
    const answered = Promise.withResolvers<Reply>()
    const node = world({ expectation: digestOf(RIGHT), waitMs: 0, origin: () => answered.promise })
    const application = node.ask()
    await node.settle()
    const promised = node.lan.locate(URL_A)
    assert.equal(promised.kind === 'downloading' && promised.offer.alias, undefined)
    assert.equal(promised.kind, 'downloading')
    const body = new Flow().push(RIGHT.subarray(0, BEGUN))
    answered.resolve(whole(body, SIZE))
    await node.within(application.resource)
    const located = node.lan.locate(URL_A)
    assert.ok(located.kind === 'downloading' && located.offer.alias !== undefined)
    assert.equal(located.offer.size, SIZE)
    const reading = readAsPeer(node, located.offer.alias, 50_000)
    await node.settle()
    assert.equal(reading.text.length, BEGUN - 50_000)
    body.push(RIGHT.subarray(BEGUN)).end()
    await node.within(reading.over)
    assert.equal(reading.text, RIGHT.subarray(50_000).toString('latin1'))
    assert.equal((await node.read(application)).text.length, SIZE)
  })

  test('goes on for a peer that reads it when its own application has gone', async () => {
    const [node, body, application] = await fetching()
    const reading = readAsPeer(node, node.aliases.aliasOf(A))
    application.leave()
    await node.settle()
    body.push(RIGHT.subarray(BEGUN)).end()
    await node.within(reading.over)
    assert.equal(reading.text.length, SIZE)
  })

  test('that nobody here wants any more is not offered', async () => {
    const [node, , application] = await fetching()
    application.leave()
    await node.settle()
    assert.deepEqual(node.lan.locate(URL_A), { kind: 'absent' })
  })

  test('without a length, or with a coding, or of one application alone is not read', async () => {
    for (const fields of [
      [['Cache-Control', 'max-age=60']],
      [
        ['Content-Length', String(SIZE)],
        ['Content-Encoding', 'gzip'],
      ],
      [
        ['Content-Length', String(SIZE)],
        ['Cache-Control', 'private'],
      ],
    ] as Fields[]) {
      const [node, , application] = await fetching({
        origin: () => ({ status: 200, fields, body: new Flow().push(RIGHT.subarray(0, BEGUN)) }),
      })
      assert.equal(node.lan.open(node.aliases.aliasOf(A)), undefined, JSON.stringify(fields))
      application.leave()
    }
  })

  test('that a peer feeds is offered to nobody, and passed on to those who are sent here, with the way it comes', async () => {
    for (const expectation of [digestOf(RIGHT), BY_UPDATER]) {
      const node = world({
        rule: { verify: 'updater' },
        expectation,
        downloads: [download(SIZE)],
        peers: () => whole(new Flow().push(EVIL.subarray(0, BEGUN)), SIZE),
        origin: () => whole(RIGHT, SIZE),
      })
      const application = node.ask()
      await node.within(application.resource)
      assert.deepEqual(node.lan.locate(URL_A), { kind: 'absent' })
      const opened = node.lan.open(node.aliases.aliasOf(A))
      assert.equal(opened?.path?.length, 1)
      opened?.close()
      application.leave()
    }
  })
})

describe('a download that changes over from the Internet to a peer', () => {
  const expectations: [string, Expectation][] = [
    ['a digest is known', digestOf(RIGHT)],
    ['only the application can tell', BY_UPDATER],
  ]
  for (const [name, expectation] of expectations) {
    test(`ends its readers of the LAN before they are given a byte of that peer: ${name}`, async () => {
      const [node, , application] = await fetching({ rule: { verify: 'updater' }, expectation })
      const alias = node.aliases.aliasOf(A)
      const reading = readAsPeer(node, alias)
      await node.settle()
      assert.equal(reading.text.length, BEGUN)
      const own = node.read(application)
      node.inquiries[0]?.heardResponse(offer(SIZE))
      await node.within(Promise.allSettled([reading.over]))
      assert.equal(node.peers.requests.length, 1, 'it has not changed over')
      assert.ok(reading.error, 'the peer takes this for the end')
      assert.equal(reading.text.indexOf('E'), -1, 'a peer was given what another peer said')
      await own
    })

    test(`is offered to nobody any more, and cut off from those who opened it before: ${name}`, async () => {
      const evil = new Flow().push(EVIL.subarray(BEGUN, 2 * BEGUN))
      const range: Fields = [['Content-Range', `bytes ${BEGUN}-${SIZE - 1}/${SIZE}`]]
      const [node, , application] = await fetching({
        rule: { verify: 'updater' },
        expectation,
        peers: () => ({ status: 206, fields: range, body: evil }),
      })
      const opened = node.lan.open(node.aliases.aliasOf(A))
      node.inquiries[0]?.heardResponse(offer(SIZE))
      await node.settle()
      assert.deepEqual(node.lan.locate(URL_A), { kind: 'absent' })
      // They hear first that the download has ended, then they are cut off.
      node.clock.advance(5)
      await node.settle()
      assert.equal(node.peers.requests.length, 1, 'it has not changed over')
      // Who opened it before and reads only now is given nothing either.
      const signal = new AbortController().signal
      await assert.rejects(node.within(textOf(opened?.read({ start: 0, end: SIZE }, signal))), Fault)
      opened?.close()
      application.leave()
    })
  }

  test('tells the LAN that its download has ended', async () => {
    const [node] = await fetching()
    node.inquiries[0]?.heardResponse(offer(SIZE))
    await node.settle()
    const said = node.told.map(({ kind }) => kind)
    assert.deepEqual(
      said.filter((kind) => kind === 'announced' || kind === 'readable' || kind === 'failed').slice(0, 3),
      ['announced', 'readable', 'failed'],
    )
  })
})
