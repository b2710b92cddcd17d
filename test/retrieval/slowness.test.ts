import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fieldValue } from '../../core/fields.ts'
import type { Address } from '../../core/transport.ts'
import {
  isDoubtful,
  isJudgedTooLate,
  isTooSlow,
  LATER_MS,
  lineSpeed,
  originSpeed,
  TIMES,
  type CopyKind,
} from '../../retrieval/slowness.ts'
import { Flow, type Answering, type Reply } from './upstreams.ts'
import { digestOf, download, ended, offer, PEER, shunned, world, type Scene, type World } from './world.ts'

const KB = 1000
const OTHER = '127.0.0.7' as Address

const standing = (
  copy: CopyKind,
  peerBytesPerSecond: number,
  missingBytes = 1000 * KB,
  leftMs = LATER_MS,
) => ({
  copy,
  peerBytesPerSecond,
  lineBytesPerSecond: peerBytesPerSecond,
  missingBytes,
  fromOriginBytes: missingBytes,
  usedMs: 1000,
  isUnseen: true,
  hasSent: true,
  isFirst: false,
  leftMs,
})

describe('a peer is too slow', () => {
  for (const [what, copy, peer, missing, origin, is] of [
    ['where the Internet brings it in a tenth of the time', 'whole', 300 * KB, 1000 * KB, 8000 * KB, true],
    ['and not for a file that is here in a moment', 'whole', 300 * KB, 150 * KB, 8000 * KB, false],
    ['and not where the Internet is as slow', 'whole', 300 * KB, 1000 * KB, 500 * KB, false],
    ['and not where that is silent', 'whole', 300 * KB, 1000 * KB, 0, false],
    ['and not where the line is hardly better', 'whole', 5000 * KB, 60_000 * KB, 9000 * KB, false],
    ['where it drips', 'growing', 0, 1000 * KB, 2000 * KB, true],
    ['and not where it grows as the line that all share', 'growing', 100 * KB, 1000 * KB, 250 * KB, false],
    ['and not where others may help it out', 'large', 3000 * KB, 60_000 * KB, 11_000 * KB, false],
  ] as const)
    test(what, () => assert.equal(isTooSlow(standing(copy, peer, missing), origin), is))

  test('sooner when other peers have cost time already, and never for less than can be measured', () => {
    const slow = (leftMs: number, missing: number) =>
      isTooSlow(standing('whole', 1000 * KB, missing, leftMs), 10_000 * KB)
    assert.deepEqual([slow(LATER_MS, 300 * KB), slow(100, 300 * KB)], [false, true])
    assert.deepEqual([slow(0, 100 * KB), slow(-500, 100 * KB)], [false, false])
  })

  test('only where the origin server is so many times as fast', () => {
    for (const copy of ['whole', 'large', 'growing'] as const) {
      const at = (times: number) => isTooSlow(standing(copy, 100 * KB), times * 100 * KB)
      assert.deepEqual([at(TIMES[copy] - 0.01), at(TIMES[copy] + 0.01)], [false, true])
    }
  })
})

describe('a whole copy that no application has seen is judged too late', () => {
  const early = (copy: CopyKind, peer: number, missing: number, origin: number, more = {}) =>
    isJudgedTooLate({ ...standing(copy, peer * KB, missing * KB), usedMs: 200, ...more }, origin * KB)

  test('where it would be here only after 0.9 s, about as quickly as over the line', () => {
    assert.deepEqual([early('whole', 1000, 800, 1000), early('whole', 1000, 600, 1000)], [true, false])
    assert.deepEqual([early('whole', 1500, 4000, 1000), early('whole', 1700, 4000, 1000)], [true, false])
  })

  test('and not where the LAN is quicker than the line, nor where nothing is known of it', () => {
    assert.deepEqual([early('whole', 2000, 4000, 1000), early('whole', 500, 4000, 0)], [false, false])
  })

  test('and not where the line would take so long that little is to be lost', () => {
    assert.deepEqual([early('whole', 1000, 4400, 1000), early('whole', 1000, 4600, 1000)], [true, false])
  })

  test('and not where applications have the beginning, or others may judge it in pieces, or fetch it over the same line', () => {
    assert.equal(early('whole', 1000, 4000, 1000, { isUnseen: false }), false)
    assert.deepEqual([early('large', 1000, 9000, 1000), early('growing', 1000, 4000, 1000)], [false, false])
  })
})

describe('the origin server is tried', () => {
  test('where nothing is known of the line, but for a large copy that comes well, and a growing one that comes at all', () => {
    const is = (copy: CopyKind, kilobytes: number) =>
      isDoubtful(standing(copy, kilobytes * KB, 9000 * KB), undefined)
    assert.deepEqual([is('whole', 1900), is('whole', 2100)], [true, true])
    assert.deepEqual([is('large', 490), is('large', 510)], [true, false])
    assert.deepEqual([is('growing', 90), is('growing', 110)], [true, false])
  })

  test('by the first of those that read a growing copy, where it comes somewhat faster than that', () => {
    const is = (kilobytes: number) =>
      isDoubtful({ ...standing('growing', kilobytes * KB, 9000 * KB), isFirst: true }, undefined)
    assert.deepEqual([is(390), is(410)], [true, false])
  })

  test('so briefly that it says for certain only whether the line is free', () => {
    const is = (copy: CopyKind, tried: number) => originSpeed(standing(copy, 100 * KB), tried * KB, 8000 * KB)
    assert.deepEqual([is('growing', 140), is('growing', 160)], [140 * KB, 8000 * KB])
    assert.deepEqual([is('whole', 140), is('whole', 160)], [140 * KB, 8000 * KB])
    assert.equal(originSpeed(standing('growing', 100 * KB), 500 * KB), 500 * KB)
  })

  test('by several at once, of whom each sees a part of the line; what is much slower than that is the server', () => {
    assert.equal(lineSpeed(250 * KB, 1000 * KB), 1000 * KB)
    assert.equal(lineSpeed(100 * KB, 1000 * KB), 100 * KB)
    assert.equal(lineSpeed(1500 * KB, 1000 * KB), 1500 * KB)
    assert.deepEqual([lineSpeed(0, 1000 * KB), lineSpeed(300 * KB)], [0, 300 * KB])
  })

  test('and not where the line was never better', () => {
    assert.equal(isDoubtful(standing('growing', 100 * KB), 250 * KB), false)
    assert.equal(isDoubtful(standing('growing', 100 * KB), 350 * KB), true)
  })
})

const SIZE = 2500 * KB
const BODY = Buffer.alloc(SIZE, 'the right bytes. ')
const head = (body: NonNullable<Reply['body']>): Reply => ({
  status: 200,
  fields: [['Content-Length', `${SIZE}`]],
  body,
})

/** Sends `bytesPerSecond` until the end, or for `ms`. */
async function slowly(made: World, flow: Flow, bytesPerSecond: number, ms = 60_000): Promise<void> {
  for (let at = 0, now = 0; at < SIZE && now < ms; now += 50) {
    flow.push(BODY.subarray(at, (at += bytesPerSecond / 20)))
    await made.pass(50)
  }
  flow.end()
}

const origin: Answering = ({ fields }) => {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(fieldValue(fields, 'range') ?? '') ?? []
  if (from === undefined || to === undefined) return head(BODY)
  return { status: 206, fields: [], body: BODY.subarray(Number(from), Number(to) + 1) }
}

function scene(more: Partial<Scene> = {}) {
  const flow = new Flow()
  const made = world({
    origin,
    peers: (request) => head(request.uri.includes(PEER) ? flow : BODY),
    offers: [offer(SIZE)],
    expectation: digestOf(BODY, SIZE),
    rule: { immutable: true },
    ...more,
  })
  return { made, flow }
}

describe('a copy that comes slowly', () => {
  for (const [who, more] of [
    ['a holder', {}],
    ['one that fetches it', { offers: [], downloads: [download(SIZE)], originBytesPerSecond: 8000 * KB }],
  ] as const)
    test(`from ${who} is left for the Internet, which is much quicker, within a second`, async () => {
      const { made, flow } = scene(more)
      const application = made.ask()
      void slowly(made, flow, 300 * KB, 1000)
      await made.pass(1000)
      const given = await made.within(application.resource, 0)
      assert.equal(given.answer.status, 200)
      assert.ok((await made.read(application)).text === BODY.toString('latin1'))
      assert.deepEqual(shunned(made), [[PEER, 'stalled']])
    })

  test('is left for another peer that has it, before the Internet', async () => {
    const { made, flow } = scene({ offers: [offer(SIZE), offer(SIZE, OTHER)].map(placed) })
    const application = made.ask()
    void slowly(made, flow, 300 * KB, 1000)
    await made.pass(1000)
    assert.ok((await made.read(application)).text === BODY.toString('latin1'))
    const { bytes } = ended(made)[0] ?? assert.fail()
    assert.equal(bytes.internet, 0)
  })

  for (const [why, answering] of [
    ['does not answer', () => new Promise<Reply>(() => {})],
    ['is as slow', () => ({ status: 206, fields: [], body: new Flow().push(BODY.subarray(0, 10 * KB)) })],
    ['answers with an error', () => ({ status: 503, fields: [], body: '' })],
  ] as const)
    test(`is read to its end where the origin server ${why}`, async () => {
      const { made, flow } = scene({ origin: answering })
      const application = made.ask()
      await slowly(made, flow, 300 * KB)
      assert.ok((await made.read(application)).text === BODY.toString('latin1'))
      assert.deepEqual(shunned(made), [])
      const { bytes } = ended(made)[0] ?? assert.fail()
      assert.deepEqual([bytes.peer, bytes.internet], [SIZE, 0])
      assert.ok(made.origin.requests.length <= 4, `${made.origin.requests.length} trials`)
    })

  test('costs the Internet nothing where the line is known to be slow', async () => {
    const { made, flow } = scene({ originBytesPerSecond: 500 * KB })
    const application = made.ask()
    await slowly(made, flow, 300 * KB)
    assert.ok((await made.read(application)).text === BODY.toString('latin1'))
    assert.equal(made.origin.requests.length, 0)
  })
})

function placed(each: ReturnType<typeof offer>) {
  return { ...each, location: each.location.replace(PEER, each.peer) }
}

describe('a peer whose file is there', () => {
  const file = Buffer.alloc(10 * KB, 'x')
  for (const [copy, sources] of [
    ['whole', { offers: [offer(file.length)] }],
    ['growing', { downloads: [download(file.length)] }],
  ] as [CopyKind, Partial<Scene>][])
    test(`is not looked at any longer (a ${copy} copy)`, async () => {
      const node = world({
        expectation: digestOf(file, file.length),
        peers: () => ({ status: 200, fields: [['Content-Length', `${file.length}`]], body: file }),
        origin: () => assert.fail('the peer has it'),
        ...sources,
      })
      const { text } = await node.read(node.ask())
      await node.pass(60_000)
      assert.equal(text.length, file.length)
      assert.equal(node.clock.pending(), 0)
    })
})
