/**
 * What the peering server answers to one HTTP request (R1.3): GET, HEAD and Range of local aliases, and health. Nothing
 * else exists here: it never fetches for anyone, and what it serves is looked up by an unguessable name, never by a path.
 */
import { hash } from 'node:crypto'
import { bodyOf, type Answer } from '../core/answer.ts'
import { Fault } from '../core/fault.ts'
import { fieldValue, fieldValues, hasField, type Fields } from '../core/fields.ts'
import { piecesIn } from '../core/pieces.ts'
import { contentRange, parseRange, type ByteSpan } from '../core/ranges.ts'
import type { Address } from '../core/transport.ts'
import type { LocalAlias, NodeId } from './packets.ts'
import { EDITION } from './attributes.ts'
import { aliasOfPieces, MAX_PIECES, nameOfPieces, PIECES_FIELD, SPARE_FIELD } from './piece-digests.ts'
import type { Edition } from './own-summary.ts'
import { pathField, relayOfRequest, relaysField, type Relay } from './relay-fields.ts'
import type { Reader, Slot } from './upload-slots.ts'

/** A copy that a peer may read, complete or still growing. */
export interface SharedFile {
  /** Bytes in all; `undefined` while a running download does not know. */
  readonly size: number | undefined
  /** The stored response's fields, with its age now; only those that describe the representation are sent. */
  readonly fields: Fields
  /** Of a growing copy: the nodes over which its bytes come, this one first. */
  readonly path?: readonly NodeId[]
  /** A place for one who wants the bytes from `from` on; absent: for everybody. */
  readonly admit?: (reader: Reader, from: number) => Slot
  /** `span.end` may be `Infinity` while the size is not known. */
  read(span: ByteSpan, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** The digests of its pieces, 32 bytes each, where all are known (peering/piece-digests.ts). */
  readonly pieces?: () => Uint8Array
  /** Whether it is what the LAN knows by a name with this digest (`RESOURCE_FIELD`). */
  isFor?(resource: string): boolean
  /** The reader is done. Called once. */
  close(): void
}

/** What the peering server asks of its node. */
export interface SharedFiles {
  open(alias: LocalAlias): SharedFile | undefined
  /** What is held here, in a few bytes, and where that stands; absent: nothing is told. */
  summary?(): { readonly standing: Edition; readonly bytes: Uint8Array } | undefined
  /** A small text: of the site's, below `/site/`, or `/functions`; what it says is signed. */
  document?(path: string): string | undefined
  /** Performs a function of the site's, below `/functions/`, for whoever may have it; never fails. */
  perform?(request: FileRequest, authority: string): Promise<Answer> | undefined
}

export interface FileRequest {
  /** Where it comes from. */
  readonly peer: Address
  readonly method: string
  /** The request target, as sent. */
  readonly target: string
  readonly fields: Fields
  /** Aborts when the connection is of no use any more, at the latest when the answer is over: the file is closed. */
  readonly signal: AbortSignal
}

/** The two paths that are no aliases. */
export const HEALTH = '/health'
export const SUMMARY_PATH = '/summary'

/** What a site's members tell each other. */
export const SITE_PATHS = '/site/'

/** Who performs which function (providers/document.ts). */
export const FUNCTIONS_PATH = '/functions'

/** Texts that are served beside files. */
export function isDocument(target: string): boolean {
  return target.startsWith(SITE_PATHS) || target === FUNCTIONS_PATH
}
/** What nodes do for each other, as far as they do it; whoever does judges who asks. */
export const FUNCTION_PATHS = '/functions/'

/** Tells a peering server that a node asks: no page in a browser can send it without being refused (V§4). */
export const PEER_FIELD = 'Ihave-Node'

/**
 * What an asker believes the alias to be, as the digest of its name, and in the answer that it is that. Stops whoever sends "I
 * have" in another machine's name, with an alias of that machine for another file: that machine would look like a liar.
 */
export const RESOURCE_FIELD = 'Ihave-Resource'

/** SHA-256 of a name as the LAN is told it, hexadecimal. */
export function resourceDigest(name: string): string {
  return hash('sha256', name)
}

/** Where the summary stands that comes with it. */
export const SUMMARY_FIELD = 'Ihave-Summary'

/** What no node asks of another one: each is refused before anything is looked up. Append-only. */
export type PeerRefusal =
  /** A proxy's form of request: in 2012 the ancestor's port got such URLs for anybody. */
  | 'other-url'
  /** Browsers mark what a page causes. */
  | 'page'
  /** By another name: a page that has rebound one, or somebody who takes this for another server. */
  | 'other-host'
  | 'method'
  | 'content'
  /** Neither an alias nor one of the few other paths. */
  | 'path'

/** Why a request is refused, whatever is held here; `undefined`: it is not. @param authorities as of `answerPeer`. */
export function peerRefusal(
  { method, target, fields }: Pick<FileRequest, 'method' | 'target' | 'fields'>,
  authorities: readonly string[],
): PeerRefusal | undefined {
  if (/^[a-z][a-z\d+.-]*:/i.test(target)) return 'other-url'
  if (isFromPage(fields)) return 'page'
  if (!isForUs(fields, authorities)) return 'other-host'
  if (method !== 'GET' && method !== 'HEAD') return 'method'
  if (hasContent(fields)) return 'content'
  return isPath(target) ? undefined : 'path'
}

function isPath(target: string): boolean {
  const isOther = target === HEALTH || target === SUMMARY_PATH || target.startsWith(FUNCTION_PATHS)
  return isOther || isDocument(target) || aliasOfPieces(target) !== undefined || aliasOf(target) !== undefined
}

function aliasOf(target: string): LocalAlias | undefined {
  return /^\/([0-9a-f]{64})$/.exec(target)?.[1] as LocalAlias | undefined
}

/**
 * The answer to one request; pure but for reading the file.
 * @param authorities what `Host` may say: this server's own addresses, so that no page reaches it by rebinding a name.
 */
export function answerPeer(files: SharedFiles, request: FileRequest, authorities: readonly string[]): Answer {
  const { method, target, fields } = request
  const refusal = peerRefusal(request, authorities)
  if (refusal !== undefined) return refused(refusal, method)
  if (target === HEALTH) return plain(200, 'ok', [], method)
  if (target === SUMMARY_PATH && hasField(fields, PEER_FIELD)) return summaryAnswer(files, method)
  if (isDocument(target) && hasField(fields, PEER_FIELD)) return documentAnswer(files, target, method)
  const ofPieces = aliasOfPieces(target)
  const alias = ofPieces ?? aliasOf(target)
  const file = alias === undefined ? undefined : files.open(alias)
  if (file === undefined) return plain(404, 'no such alias', [], method)
  const wanted = fieldValue(fields, RESOURCE_FIELD)
  if (wanted !== undefined && file.isFor?.(wanted) === false)
    return closing(file, plain(421, 'this is another file', [], method))
  const answer =
    ofPieces === undefined
      ? fileAnswer(closedOnce(file, request.signal), request)
      : closing(file, piecesAnswer(file, method))
  return wanted === undefined || file.isFor === undefined
    ? answer
    : { ...answer, fields: [...answer.fields, [RESOURCE_FIELD, wanted]] }
}

function refused(refusal: PeerRefusal, method: string): Answer {
  switch (refusal) {
    case 'other-url':
      return plain(403, 'this is no proxy: nothing is fetched for anybody', LAST, method)
    case 'page':
    case 'other-host':
      return plain(403, 'not for browsers', LAST, method)
    case 'method':
      return plain(405, 'only GET and HEAD', [['Allow', 'GET, HEAD'], ...LAST])
    case 'content':
      return plain(400, 'no content is expected', LAST, method)
    case 'path':
      return plain(404, 'no such alias', [], method)
  }
}

/** The digests of a copy's pieces: a few bytes, for which nobody needs a place. */
function piecesAnswer(file: SharedFile, method: string): Answer {
  const digests = toldPieces(file)
  return digests === undefined ? plain(404, 'no digests of pieces', [], method) : octets(digests, [], method)
}

function toldPieces({ pieces, size }: SharedFile): Uint8Array | undefined {
  const digests = size !== undefined && piecesIn(size) <= MAX_PIECES ? pieces?.() : undefined
  return digests === undefined || digests.length === 0 ? undefined : digests
}

/** What no peer sends ends the connection: nothing behind it is read, whatever it says of its own length. */
const LAST: Fields = [['Connection', 'close']]

function hasContent(fields: Fields): boolean {
  return hasField(fields, 'transfer-encoding') || (fieldValue(fields, 'content-length') ?? '0') !== '0'
}

/** The answer of a function, where the request is for one; what comes from a page, or by another name, is for `answerPeer`. */
export function answerFunction(
  files: SharedFiles,
  request: FileRequest,
  authorities: readonly string[],
): Promise<Answer> | undefined {
  const { target, fields } = request
  if (!target.startsWith(FUNCTION_PATHS) || isFromPage(fields) || !isForUs(fields, authorities))
    return undefined
  return files.perform?.(request, fieldValue(fields, 'host') ?? '')
}

function documentAnswer(files: SharedFiles, path: string, method: string): Answer {
  const text = files.document?.(path)
  if (text === undefined) return plain(404, 'no such document', [], method)
  return plain(200, text, [], method)
}

function summaryAnswer(files: SharedFiles, method: string): Answer {
  const summary = files.summary?.()
  if (summary === undefined) return plain(404, 'nothing is told', [], method)
  // It may change while it is sent.
  return octets(summary.bytes.slice(), [[SUMMARY_FIELD, EDITION.print(summary.standing)]], method)
}

function octets(bytes: Uint8Array, more: Fields, method: string): Answer {
  const fields: Fields = [
    ['Content-Type', 'application/octet-stream'],
    ['Content-Length', String(bytes.length)],
    ...more,
    ['Cross-Origin-Resource-Policy', 'same-origin'],
  ]
  return method === 'HEAD' ? { status: 200, fields } : { status: 200, fields, body: bodyOf(bytes) }
}

const PAGE_FIELDS = ['origin', 'referer', 'cookie']

/** Browsers mark what a page causes; peers never send these (V§4). */
function isFromPage(fields: Fields): boolean {
  return fields.some(([name]) => {
    const lower = name.toLowerCase()
    return PAGE_FIELDS.includes(lower) || lower.startsWith('sec-fetch-')
  })
}

function isForUs(fields: Fields, authorities: readonly string[]): boolean {
  const hosts = fieldValues(fields, 'host')
  return hosts.length === 1 && authorities.includes(hosts[0] ?? '')
}

/** Closes when the request is over, even if nobody ever began to read the body. */
function closedOnce(file: SharedFile, signal: AbortSignal): SharedFile {
  let isClosed = false
  const close = () => {
    if (!isClosed) file.close()
    isClosed = true
  }
  if (signal.aborted) close()
  else signal.addEventListener('abort', close, { once: true })
  return { ...file, close }
}

function fileAnswer(file: SharedFile, request: FileRequest): Answer {
  const asked = askedSpan(request, file.size)
  switch (asked.kind) {
    case 'whole':
      return admitted(file, request, undefined, (wasServed) => wholeAnswer(file, request, wasServed))
    case 'span':
      return knowsOtherPieces(file, request)
        ? closing(file, plain(412, 'other pieces are known here'))
        : admitted(file, request, asked.span, (wasServed) => spanAnswer(file, request, asked, wasServed))
    case 'unsatisfiable':
      return closing(file, plain(416, 'no such bytes', [['Content-Range', `bytes */${asked.size}`]]))
    case 'unknown-end': // RFC 9110 14.4 has no form for "from here to an end that is not known yet"
      return closing(file, plain(503, 'the size is not known yet', [['Retry-After', '1']]))
  }
}

/** Of a copy that is not whole yet no pieces are known: who reads it checks them as they come. */
function knowsOtherPieces(file: SharedFile, { fields }: FileRequest): boolean {
  const wanted = fieldValue(fields, PIECES_FIELD)
  if (wanted === undefined || file.path !== undefined) return false
  const digests = toldPieces(file)
  return digests === undefined || nameOfPieces(digests) !== wanted
}

/** Whoever finds no place is told who else may have one. HEAD needs none. */
function admitted(
  file: SharedFile,
  request: FileRequest,
  span: ByteSpan | undefined,
  answer: (wasServed: () => void) => Answer,
): Answer {
  if (request.method === 'HEAD' || file.admit === undefined) return answer(() => {})
  const { peer, fields, signal } = request
  const share = span === undefined || file.size === undefined ? 1 : (span.end - span.start) / file.size
  const reader = { peer, relay: relayOfRequest(fields, peer), isSpare: hasField(fields, SPARE_FIELD), share }
  const slot = file.admit(reader, span?.start ?? 0)
  if (slot.kind === 'full') return closing(file, busy(slot.relays))
  if (signal.aborted) slot.leave()
  else signal.addEventListener('abort', slot.leave, { once: true })
  return answer(slot.wasServed)
}

function busy(relays: readonly Relay[]): Answer {
  return plain(503, 'no place is free', [['Retry-After', '1'], ...relaysField(relays)])
}

type Asked =
  | { readonly kind: 'whole' }
  | { readonly kind: 'span'; readonly span: ByteSpan; readonly size: number }
  | { readonly kind: 'unsatisfiable'; readonly size: number }
  | { readonly kind: 'unknown-end' }

/**
 * Range is defined for GET only (RFC 9110 14.2); several ranges at once and `If-Range` are answered with the whole, as a
 * server may.
 */
function askedSpan({ method, fields }: FileRequest, size: number | undefined): Asked {
  const range = fieldValue(fields, 'range')
  if (method !== 'GET' || range === undefined || hasField(fields, 'if-range')) return WHOLE
  if (size === undefined) return /^bytes=0*[1-9]\d{0,14}-$/.test(range) ? { kind: 'unknown-end' } : WHOLE
  const spans = parseRange(range, size)
  if (spans?.length === 0) return { kind: 'unsatisfiable', size }
  const [span] = spans ?? []
  return span && spans?.length === 1 ? { kind: 'span', span, size } : WHOLE
}

const WHOLE: Asked = { kind: 'whole' }

function wholeAnswer(file: SharedFile, { method, signal }: FileRequest, wasServed: () => void): Answer {
  const { size } = file
  const length: Fields = size === undefined ? [] : [['Content-Length', String(size)]]
  const fields: Fields = [...describing(file), ...length, ['Accept-Ranges', 'bytes']]
  if (method === 'HEAD') return closing(file, { status: 200, fields })
  return { status: 200, fields, body: reading(file, { start: 0, end: size ?? Infinity }, signal, wasServed) }
}

function spanAnswer(
  file: SharedFile,
  { signal, fields: asked }: FileRequest,
  { span, size }: Extract<Asked, { readonly kind: 'span' }>,
  wasServed: () => void,
): Answer {
  const pieces = file.path === undefined ? fieldValue(asked, PIECES_FIELD) : undefined
  const fields: Fields = [
    ...describing(file),
    ...(pieces === undefined ? [] : ([[PIECES_FIELD, pieces]] as const)),
    ['Content-Range', contentRange(span, size)],
    ['Content-Length', String(span.end - span.start)],
  ]
  return { status: 206, fields, body: reading(file, span, signal, wasServed) }
}

/** @throws Fault STORE_FAILED where the file ends early: the connection is cut, so that nobody takes it for the whole. */
async function* reading(
  file: SharedFile,
  span: ByteSpan,
  signal: AbortSignal,
  wasServed: () => void,
): AsyncIterable<Uint8Array> {
  let missing = span.end - span.start
  try {
    for await (const chunk of file.read(span, signal)) {
      missing -= chunk.length
      yield chunk
    }
    if (missing !== 0 && missing !== Infinity)
      throw new Fault('STORE_FAILED', `expected bytes ${span.start} to ${span.end}, ${missing} are missing`)
    wasServed()
  } finally {
    file.close()
  }
}

function closing(file: SharedFile, answer: Answer): Answer {
  file.close()
  return answer
}

const DESCRIBING = ['content-type', 'etag', 'last-modified', 'date', 'age', 'cache-control', 'expires']

/** Nothing private leaves (R1.3): only fields that describe the representation. */
function describing({ fields, path = [] }: SharedFile): Fields {
  const kept = fields.filter(([name]) => DESCRIBING.includes(name.toLowerCase()))
  return [...kept, ...pathField(path), ['Cross-Origin-Resource-Policy', 'same-origin']]
}

function plain(status: number, text: string, more: Fields = [], method = 'GET'): Answer {
  const bytes = Buffer.from(`${text}\n`)
  const fields: Fields = [
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Content-Length', String(bytes.length)],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
    ...more,
  ]
  return method === 'HEAD' ? { status, fields } : { status, fields, body: bodyOf(bytes) }
}
