/**
 * Pieces of a body from one node of the LAN, by range, and the digests that it says they have (docs/protocol.md, "Several
 * sources"). What is no exact answer to the question is no answer.
 */
import { createHash } from 'node:crypto'
import { Fault } from '../../core/fault.ts'
import {
  fieldValue,
  hasField,
  SELECTING_A_PART,
  withField,
  withoutFields,
  type FieldLine,
  type Fields,
} from '../../core/fields.ts'
import { digestOfPiece, PIECE_BYTES, pieceSpan } from '../../core/pieces.ts'
import { contentRange, parseContentRange, type ByteSpan } from '../../core/ranges.ts'
import type { Upstream, UpstreamResponse } from '../../core/upstream.ts'
import type { NodeId } from '../../peering/packets.ts'
import { PEER_FIELD, RESOURCE_FIELD } from '../../peering/peer-answer.ts'
import {
  digestsBytes,
  nameOfPieces,
  piecesLocation,
  PIECES_FIELD,
  SPARE_FIELD,
} from '../../peering/piece-digests.ts'
import { pathOf } from '../../peering/relay-fields.ts'
import { contentLength } from '../peer-source.ts'

/** What is the same in every question for one body. */
export interface Body {
  readonly size: number
  /** The digests of its pieces that the asker goes by. */
  readonly digests: Uint8Array
}

export interface Asker {
  readonly upstream: Upstream
  readonly node: NodeId
  /** What tells others what is asked for, and where it is passed on. */
  readonly fields: Fields
  readonly signal: AbortSignal
}

export interface BlockQuestion {
  readonly location: string
  readonly span: ByteSpan
  /** Whether the asker is being served elsewhere as well. */
  readonly isSpare: boolean
}

export type BlockReply =
  | {
      readonly kind: 'opened'
      readonly body: AsyncIterable<Uint8Array>
      /** It has said itself that the pieces have these digests, and that they are of what was asked for. */
      readonly isStated: boolean
    }
  | { readonly kind: 'busy' }

/** The digests that the node at `location` knows; `undefined` when it tells none that a body of this size could have. */
export async function fetchDigests(
  { upstream, node, fields, signal }: Asker,
  location: string,
  size: number,
): Promise<Uint8Array | undefined> {
  const uri = piecesLocation(location)
  const response = await upstream.request({
    method: 'GET',
    uri,
    fields: [[PEER_FIELD, node], ...fields],
    signal,
  })
  const bytes = digestsBytes(size)
  if (response.status !== 200 || contentLength(response.fields) !== bytes) return undefined
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body) chunks.push(chunk)
  const digests = Buffer.concat(chunks)
  return digests.length === bytes ? digests : undefined
}

/** @throws Fault PEER_FAILED for anything else, PEER_LOST when the node has other bytes than those that are wanted. */
export async function askForBlock(
  { upstream, node, fields, signal }: Asker,
  { size, digests }: Body,
  { location, span, isSpare }: BlockQuestion,
): Promise<BlockReply> {
  const name = nameOfPieces(digests)
  const asked: FieldLine[] = [
    [PEER_FIELD, node],
    ...fields,
    ['Range', `bytes=${span.start}-${span.end - 1}`],
    [PIECES_FIELD, name],
    ...(isSpare ? ([[SPARE_FIELD, 'yes']] as const) : []),
  ]
  const response = await upstream.request({ method: 'GET', uri: location, fields: asked, signal })
  if (response.status === 503) return { kind: 'busy' }
  if ([404, 412, 421].includes(response.status))
    throw new Fault('PEER_LOST', `expected pieces of the same bytes, got status ${response.status}`)
  mustBe(response, span, size)
  const path = pathOf(response.fields)
  if (path?.includes(node) === true) throw new Fault('PEER_LOST', 'it reads from this node')
  const isStated = fieldValue(response.fields, PIECES_FIELD) === name && isConfirmed(response, fields)
  if (!isStated && path === undefined) throw new Fault('PEER_LOST', 'it does not say which pieces it has')
  return { kind: 'opened', body: response.body, isStated }
}

/**
 * Exactly these bytes of the origin server; they are checked like those of a peer.
 * @param fields what the application's request has for it.
 */
export async function askOriginForBlock(
  upstream: Upstream,
  uri: string,
  fields: Fields,
  span: ByteSpan,
  size: number,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const whole = withoutFields(fields, SELECTING_A_PART)
  const asked = withField(whole, 'Range', `bytes=${span.start}-${span.end - 1}`)
  const response = await upstream.request({ method: 'GET', uri, fields: asked, signal })
  mustBe(response, span, size)
  return response.body
}

/** The whole pieces of `span`, each as the chunks that it came in. @throws Fault VERIFICATION_FAILED at a wrong one. */
export async function* checkedPieces(
  chunks: AsyncIterable<Uint8Array>,
  { start, end }: ByteSpan,
  { size, digests }: Body,
): AsyncGenerator<Piece> {
  let piece = newPiece(start, size)
  for await (const chunk of chunks) {
    for (let rest = chunk; rest.length > 0;) {
      if (piece.span.start >= end) throw new Fault('PEER_FAILED', `expected bytes up to ${end}, more came`)
      const part = rest.subarray(0, piece.missing)
      piece.take(part)
      rest = rest.subarray(part.length)
      if (piece.missing > 0) continue
      yield piece.checked(digests)
      piece = newPiece(piece.span.end, size)
    }
  }
  if (piece.span.start < end)
    throw new Fault(
      'PEER_FAILED',
      `expected bytes up to ${end}, they ended in the piece from ${piece.span.start} on`,
    )
}

/** A piece that is right. */
export interface Piece {
  readonly span: ByteSpan
  readonly chunks: readonly Uint8Array[]
}

function newPiece(start: number, size: number) {
  const index = start / PIECE_BYTES
  const span = pieceSpan(index, size)
  const chunks: Uint8Array[] = []
  const digest = createHash('sha256')
  let missing = span.end - span.start
  return {
    span,
    get missing() {
      return missing
    },
    take(part: Uint8Array): void {
      missing -= part.length
      chunks.push(part)
      digest.update(part)
    },
    checked(digests: Uint8Array): Piece {
      if (!digest.digest().equals(digestOfPiece(digests, index)))
        throw new Fault('VERIFICATION_FAILED', `the piece from ${start} on is not what its digest says`)
      return { span, chunks }
    },
  }
}

function isConfirmed({ fields }: UpstreamResponse, asked: Fields): boolean {
  return fieldValue(fields, RESOURCE_FIELD) === fieldValue(asked, RESOURCE_FIELD)
}

function mustBe({ status, fields }: UpstreamResponse, span: ByteSpan, size: number): void {
  const range = parseContentRange(fieldValue(fields, 'content-range') ?? '')
  const isIt = range?.start === span.start && range.end === span.end && range.size === size
  if (status !== 206 || !isIt || hasField(fields, 'content-encoding'))
    throw new Fault('PEER_FAILED', `expected ${contentRange(span, size)}, got status ${status}`)
}
