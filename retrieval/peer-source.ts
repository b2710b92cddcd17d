/**
 * Bytes from a peer's port for files: an "I have" that is complete, or the growing copy of a running download.
 *
 * A peer is a stranger: its status, length and framing are checked here, its redirects are not followed, and of its
 * fields only those that describe the representation are kept. Whether the bytes are right is verified elsewhere.
 */
import { Fault } from '../core/fault.ts'
import { fieldValue, hasContentCoding, type Fields, type FieldLine } from '../core/fields.ts'
import { parseContentRange } from '../core/ranges.ts'
import type { Upstream, UpstreamResponse } from '../core/upstream.ts'
import type { NodeId } from '../peering/packets.ts'
import { PEER_FIELD, RESOURCE_FIELD } from '../peering/peer-answer.ts'
import { pathOf, relaysOf, type Relay } from '../peering/relay-fields.ts'
import { describing } from './peer-fields.ts'

/** A body that begins at the byte that was asked for. */
export interface OpenedSource {
  readonly status: number
  readonly fields: Fields
  /** Bytes of the whole representation; `undefined` when the sender does not know. */
  readonly size: number | undefined
  /** Where `body` begins in the representation. */
  readonly from: number
  readonly body: AsyncIterable<Uint8Array>
  /** The peer has not confirmed that this is what was asked for: "I have" may have been said in its name. */
  readonly isUnconfirmed?: boolean
  /** Of a peer's growing copy: the nodes over which it comes, the peer first. */
  readonly path?: readonly NodeId[]
}

/** What a peer is asked. */
export interface PeerQuestion {
  readonly location: string
  /** The first byte that is wanted. */
  readonly from: number
  /** Who asks. */
  readonly node: string
  readonly more: Fields
  readonly signal: AbortSignal
}

export type PeerReply =
  | { readonly kind: 'opened'; readonly source: OpenedSource }
  /** It serves others; these may have a place. */
  | { readonly kind: 'busy'; readonly relays: readonly Relay[] }

/**
 * Asks a peer for the bytes from `from` on.
 * @throws Fault PEER_FAILED, with what the peer answered instead.
 */
export async function askPeer(upstream: Upstream, question: PeerQuestion): Promise<PeerReply> {
  const { location, from, node, more, signal } = question
  const fields: FieldLine[] = [[PEER_FIELD, node], ...more]
  if (from > 0) fields.push(['Range', `bytes=${from}-`])
  const response = await upstream.request({ method: 'GET', uri: location, fields, signal })
  if (response.status === 503) return { kind: 'busy', relays: relaysOf(response.fields) }
  // "I have" may have been said in its name by somebody else: to say so is no fault of the peer.
  if (response.status === 421 || response.status === 404)
    throw new Fault('PEER_LOST', 'the alias is for no file there, or for another: a forged "I have"')
  const asked = fieldValue(more, RESOURCE_FIELD)
  const isUnconfirmed = asked !== undefined && fieldValue(response.fields, RESOURCE_FIELD) !== asked
  const source = openedFrom(response, from)
  return { kind: 'opened', source: isUnconfirmed ? { ...source, isUnconfirmed } : source }
}

function openedFrom(response: UpstreamResponse, from: number): OpenedSource {
  if (response.status === 200) return opened(response, from, contentLength(response.fields))
  if (response.status === 206 && from > 0) return openedPart(response, from)
  throw new Fault('PEER_FAILED', `expected the copy from byte ${from} on, got status ${response.status}`)
}

/**
 * Two versions of a file are never joined (RFC 9110 15.3.7.3). What one of them does not say tells nothing, and where entity tags are the
 * same dates may differ: servers behind one name have their own.
 * @throws Fault PEER_LOST where the peer has another version than began the copy, and is not to blame for that.
 */
export function checkVersion({ fields }: Pick<OpenedSource, 'fields'>, before: Fields): void {
  for (const name of ['etag', 'last-modified']) {
    const had = fieldValue(before, name)
    const has = fieldValue(fields, name)
    if (had === undefined || has === undefined) continue
    if (had === has) return
    throw new Fault('PEER_LOST', `it has another version of the file: ${name} was ${had}, is ${has}`)
  }
}

/** The `Content-Length`; `undefined` when there is none or it is not a number. */
export function contentLength(fields: Fields): number | undefined {
  const value = fieldValue(fields, 'content-length')
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}

function openedPart(response: UpstreamResponse, from: number): OpenedSource {
  const range = parseContentRange(fieldValue(response.fields, 'content-range') ?? '')
  if (range?.start !== from)
    throw new Fault('PEER_FAILED', `expected the bytes from ${from} on, got another range`)
  return opened(response, from, range.size)
}

function opened(response: UpstreamResponse, from: number, size: number | undefined): OpenedSource {
  if (hasContentCoding(response.fields))
    throw new Fault('PEER_FAILED', 'expected the representation itself, got a content coding')
  const body = response.status === 200 && from > 0 ? skipping(response.body, from) : response.body
  const path = pathOf(response.fields)
  const described = { status: 200, fields: describing(response.fields), size, from, body }
  return path === undefined ? described : { ...described, path }
}

/** `body` without its first bytes: a server may answer a range request with the whole (RFC 9110 14.2). */
export async function* skipping(body: AsyncIterable<Uint8Array>, bytes: number): AsyncIterable<Uint8Array> {
  let left = bytes
  for await (const chunk of body) {
    if (left < chunk.length) yield chunk.subarray(left)
    left = Math.max(0, left - chunk.length)
  }
}
