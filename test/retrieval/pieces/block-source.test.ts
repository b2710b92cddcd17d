import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { Fault, type FaultCode } from '../../../core/fault.ts'
import { fieldValue, type Fields } from '../../../core/fields.ts'
import { PIECE_BYTES } from '../../../core/pieces.ts'
import type { NodeId } from '../../../peering/packets.ts'
import { nameOfPieces, PIECES_FIELD, SPARE_FIELD } from '../../../peering/piece-digests.ts'
import { askForBlock, checkedPieces, fetchDigests } from '../../../retrieval/pieces/block-source.ts'
import { FakeUpstream, type Reply } from '../upstreams.ts'

const NODE = 'b'.repeat(32) as NodeId
const LOCATION = `http://127.0.0.6:6515/${'a'.repeat(64)}`
const RESOURCE: Fields = [['Ihave-Resource', 'c'.repeat(64)]]
const BYTES = Buffer.alloc(2.5 * PIECE_BYTES, 'some bytes ')
const SIZE = BYTES.length
const DIGESTS = Buffer.concat(
  [0, 1, 2].map((at) =>
    createHash('sha256')
      .update(BYTES.subarray(at * PIECE_BYTES, (at + 1) * PIECE_BYTES))
      .digest(),
  ),
)
const NAME = nameOfPieces(DIGESTS)
const SPAN = { start: PIECE_BYTES, end: 2 * PIECE_BYTES }

const isCode = (code: FaultCode) => (error: unknown) => error instanceof Fault && error.code === code

function asking(reply: Reply, isSpare = false) {
  const upstream = new FakeUpstream(() => reply)
  const { signal } = new AbortController()
  const asker = { upstream, node: NODE, fields: RESOURCE, signal }
  return {
    upstream,
    block: () =>
      askForBlock(asker, { size: SIZE, digests: DIGESTS }, { location: LOCATION, span: SPAN, isSpare }),
    digests: () => fetchDigests(asker, LOCATION, SIZE),
  }
}

const RIGHT: Fields = [
  ['Content-Range', `bytes ${SPAN.start}-${SPAN.end - 1}/${SIZE}`],
  [PIECES_FIELD, NAME],
  ...RESOURCE,
]

describe('a block from a node', () => {
  test('is asked for by its range and by the digests that are gone by', async () => {
    const { upstream, block } = asking({ status: 206, fields: RIGHT }, true)
    const reply = await block()
    assert.deepEqual([reply.kind, reply.kind === 'opened' && reply.isStated], ['opened', true])
    const fields = upstream.requests[0]?.fields ?? []
    assert.deepEqual(
      ['range', PIECES_FIELD, SPARE_FIELD, 'ihave-node'].map((name) => fieldValue(fields, name)),
      [`bytes=${SPAN.start}-${SPAN.end - 1}`, NAME, 'yes', NODE],
    )
  })

  test('comes from a growing copy too, which states nothing', async () => {
    const path: Fields = [['Ihave-Path', '1'.repeat(32)]]
    const reply = await asking({ status: 206, fields: [...RIGHT.slice(0, 1), ...path] }).block()
    assert.equal(reply.kind === 'opened' && reply.isStated, false)
  })

  test('has to wait where no place is free', async () => {
    assert.equal((await asking({ status: 503, fields: [] }).block()).kind, 'busy')
  })

  const wrong: readonly (readonly [name: string, reply: Reply, code: FaultCode])[] = [
    ['other pieces', { status: 412, fields: [] }, 'PEER_LOST'],
    ['another file', { status: 421, fields: [] }, 'PEER_LOST'],
    ['nothing under that alias', { status: 404, fields: [] }, 'PEER_LOST'],
    ['the whole', { status: 200, fields: RIGHT }, 'PEER_FAILED'],
    [
      'another range',
      { status: 206, fields: [['Content-Range', `bytes 0-9/${SIZE}`], ...RIGHT.slice(1)] },
      'PEER_FAILED',
    ],
    ['a content coding', { status: 206, fields: [...RIGHT, ['Content-Encoding', 'gzip']] }, 'PEER_FAILED'],
    ['a range, and no word of its pieces', { status: 206, fields: RIGHT.slice(0, 1) }, 'PEER_LOST'],
    ['a range, and does not say of which file', { status: 206, fields: RIGHT.slice(0, 2) }, 'PEER_LOST'],
    [
      'a copy that comes over the asker itself',
      { status: 206, fields: [...RIGHT.slice(0, 1), ['Ihave-Path', `${'1'.repeat(32)}, ${NODE}`]] },
      'PEER_LOST',
    ],
  ]
  for (const [name, reply, code] of wrong)
    test(`is refused from one that has ${name}`, async () => {
      await assert.rejects(asking(reply).block(), isCode(code))
    })
})

describe('the digests of pieces', () => {
  const length: Fields = [['Content-Length', String(DIGESTS.length)]]

  test('are read where there are as many as the body has pieces', async () => {
    assert.deepEqual(await asking({ status: 200, fields: length, body: DIGESTS }).digests(), DIGESTS)
  })

  for (const [name, reply] of [
    [
      'another number of them',
      { status: 200, fields: [['Content-Length', '32']], body: DIGESTS.subarray(32) },
    ],
    ['fewer than announced', { status: 200, fields: length, body: DIGESTS.subarray(32) }],
    ['none', { status: 404, fields: [] }],
  ] as const)
    test(`are not believed where there are ${name}`, async () => {
      assert.equal(await asking(reply).digests(), undefined)
    })
})

describe('pieces as they come', () => {
  const body = { size: SIZE, digests: DIGESTS }

  async function* cut(bytes: Uint8Array, each: number): AsyncIterable<Uint8Array> {
    for (let at = 0; at < bytes.length; at += each) yield bytes.subarray(at, at + each)
  }

  async function read(chunks: AsyncIterable<Uint8Array>, span: { start: number; end: number }) {
    const spans: string[] = []
    for await (const piece of checkedPieces(chunks, span, body)) {
      spans.push(`${piece.span.start}-${piece.span.end}`)
      assert.deepEqual(Buffer.concat(piece.chunks), BYTES.subarray(piece.span.start, piece.span.end))
    }
    return spans
  }

  test('are handed on whole, whatever the chunks; the last one is shorter', async () => {
    for (const each of [300_000, PIECE_BYTES, SIZE])
      assert.deepEqual(
        await read(cut(BYTES.subarray(PIECE_BYTES), each), { start: PIECE_BYTES, end: SIZE }),
        [`${PIECE_BYTES}-${2 * PIECE_BYTES}`, `${2 * PIECE_BYTES}-${SIZE}`],
      )
  })

  test('are refused where one is wrong, short, or followed by more', async () => {
    const flipped = Buffer.from(BYTES)
    flipped[PIECE_BYTES + 1] = 0
    const whole = { start: 0, end: SIZE }
    await assert.rejects(read(cut(flipped, 70_000), whole), isCode('VERIFICATION_FAILED'))
    await assert.rejects(read(cut(BYTES.subarray(0, -1), 70_000), whole), isCode('PEER_FAILED'))
    await assert.rejects(read(cut(BYTES, 70_000), { start: 0, end: PIECE_BYTES }), isCode('PEER_FAILED'))
  })
})
