/** The Internet of a simulation: one origin server with files that behave as told, and a count of what left it. */
import { bodyOf, type Answer } from '../core/answer.ts'
import type { Sha256 } from '../core/digest.ts'
import { fieldValue, type Fields } from '../core/fields.ts'
import { contentRange, parseRange, type ByteSpan } from '../core/ranges.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import type { FileRequest } from '../peering/file-server.ts'
import type { KnownBytes } from './known-bytes.ts'
import type { VirtualClock } from './virtual-clock.ts'
import { subnetOf, type VirtualHost } from './virtual-host.ts'
import type { Listening, VirtualHttp } from './virtual-http.ts'

export interface OriginFile {
  readonly bytes: Uint8Array
  /** 200 unless given; any other comes with a short body of its own. */
  readonly status?: number
  /** `etag` unless given. */
  readonly validator?: 'etag' | 'date' | 'none'
  /** `chunked`: the length is not said. */
  readonly framing?: 'length' | 'chunked'
  /** Whether `Range` is honoured: yes, unless given. */
  readonly ranges?: boolean
  /** After how many bytes of body the next responses break off, one after the other. */
  readonly diesAfter?: readonly number[]
  /** After how many bytes of body the next responses fall silent for good, one after the other. */
  readonly stallsAfter?: readonly number[]
  /** For each response; as fast as the connection carries it unless given. */
  readonly bytesPerSecond?: number
  /** How long the server thinks before it answers, in ms; not at all unless given. */
  readonly thinksMs?: number
  readonly fields?: Fields
}

interface Published extends OriginFile {
  readonly sha256: Sha256
  readonly deaths: number[]
  readonly stalls: number[]
}

/** An answer without its body, and the bytes of the file that the body is. */
interface Described {
  readonly answer: Answer
  readonly span: ByteSpan
}

/** Pieces in which a body is written, in bytes: a moment of the line, which in truth carries packets of 1.5 kB. */
const PIECE_BYTES = 32 * 1024
const PIECE_MS = 5
const LEAST_PIECE_BYTES = 2 * 1024

const AUTHORITY = 'origin.example'

export class VirtualOrigin {
  readonly host: VirtualHost
  /** Requests for bodies as they came, with their `Range`. */
  readonly requests: { readonly uri: TargetUri; readonly range: string | undefined }[] = []
  /** Requests for heads alone. */
  heads = 0
  readonly #clock: VirtualClock
  readonly #known: KnownBytes
  readonly #files = new Map<string, Published>()
  readonly #sentTo = new Map<string, number>()
  readonly #listening: Listening
  readonly #pieceBytes: number

  /** @param bytesPerSecond what its connection carries. */
  constructor(
    clock: VirtualClock,
    http: VirtualHttp,
    host: VirtualHost,
    known: KnownBytes,
    bytesPerSecond: number,
  ) {
    const bytes = Math.ceil((bytesPerSecond * PIECE_MS) / 1000)
    this.#pieceBytes = Math.min(PIECE_BYTES, Math.max(LEAST_PIECE_BYTES, bytes))
    this.host = host
    this.#known = known
    this.#clock = clock
    this.#listening = http.listen(host, AUTHORITY, (request) => this.#answer(request))
  }

  /** Bytes of bodies that left it: what the WAN carried. */
  get sentBytes(): number {
    return this.#listening.sentBytes
  }

  /** Bytes of this file that left it for machines of this subnet. */
  sentTo(subnet: string, uri: TargetUri): number {
    return this.#sentTo.get(`${subnet} ${uri}`) ?? 0
  }

  /** Publishes a file, or changes it. @returns its URI. */
  put(path: string, file: OriginFile): TargetUri {
    const uri = parseTargetUri(`http://${AUTHORITY}${path}`)
    if (uri === undefined) throw new Error(`not a path: ${path}`)
    this.#files.set(uri, {
      ...file,
      sha256: this.#known.add(file.bytes),
      deaths: [...(file.diesAfter ?? [])],
      stalls: [...(file.stallsAfter ?? [])],
    })
    return uri
  }

  /** What an index that the machines trust would say of the file (V2). */
  digestOf(uri: TargetUri): { readonly sha256: Sha256; readonly size: number } | undefined {
    const file = this.#files.get(uri)
    return file && { sha256: file.sha256, size: file.bytes.length }
  }

  bytesOf(uri: TargetUri): Uint8Array | undefined {
    return this.#files.get(uri)?.bytes
  }

  async #answer(request: FileRequest): Promise<Answer> {
    const uri = `http://${AUTHORITY}${request.target}` as TargetUri
    const range = fieldValue(request.fields, 'range')
    if (request.method === 'GET') this.requests.push({ uri, range })
    else this.heads += 1
    const file = this.#files.get(uri)
    if (file?.thinksMs !== undefined) await this.#clock.sleep(file.thinksMs)
    if (request.signal.aborted) return NOBODY_READS
    if (file === undefined) return message(404)
    if (file.status !== undefined && file.status !== 200) return message(file.status)
    const spans =
      range === undefined || !isRangeWanted(file, request) ? undefined : parseRange(range, file.bytes.length)
    if (spans?.length === 0) return message(416)
    const [span] = spans?.length === 1 ? spans : []
    const { answer, span: sent } = span ? this.#part(file, span) : this.#whole(file)
    if (request.method === 'HEAD') return answer
    return { ...answer, body: this.#body(file, sent, `${subnetOf(request.peer)} ${uri}`) }
  }

  #whole(file: Published): Described {
    const { length } = file.bytes
    const sized: Fields = file.framing === 'chunked' ? [] : [['Content-Length', String(length)]]
    const fields = [...describing(file), ...sized]
    return { answer: { status: 200, fields }, span: { start: 0, end: length } }
  }

  #part(file: Published, span: ByteSpan): Described {
    const fields: Fields = [
      ...describing(file),
      ['Content-Range', contentRange(span, file.bytes.length)],
      ['Content-Length', String(span.end - span.start)],
    ]
    return { answer: { status: 206, fields }, span }
  }

  async *#body(file: Published, span: ByteSpan, account: string): AsyncIterable<Uint8Array> {
    const diesAt = span.start + (file.deaths.shift() ?? Infinity)
    const stallsAt = span.start + (file.stalls.shift() ?? Infinity)
    for (let at = span.start; at < span.end; at += this.#pieceBytes) {
      if (at >= diesAt) throw new Error('the origin server dies')
      if (at >= stallsAt) await new Promise(() => {})
      const end = Math.min(at + this.#pieceBytes, span.end, diesAt)
      if (file.bytesPerSecond !== undefined)
        await this.#clock.sleep(((end - at) / file.bytesPerSecond) * 1000)
      this.#sentTo.set(account, (this.#sentTo.get(account) ?? 0) + end - at)
      yield file.bytes.subarray(at, end)
    }
    if (diesAt < span.end) throw new Error('the origin server dies')
  }
}

function isRangeWanted(file: Published, { fields }: FileRequest): boolean {
  const condition = fieldValue(fields, 'if-range')
  const { etag, date } = validatorsOf(file)
  return file.ranges !== false && (condition === undefined || condition === etag || condition === date)
}

function describing(file: Published): Fields {
  const { etag, date } = validatorsOf(file)
  return [
    ['Content-Type', 'application/octet-stream'],
    ...(file.ranges === false ? [] : [['Accept-Ranges', 'bytes'] as const]),
    ...(etag === undefined ? [] : [['ETag', etag] as const]),
    ...(date === undefined ? [] : [['Last-Modified', date] as const]),
    ...(file.fields ?? []),
  ]
}

function validatorsOf({ sha256, validator = 'etag' }: Published) {
  return {
    etag: validator === 'etag' ? `"${sha256.slice(0, 16)}"` : undefined,
    date: validator === 'date' ? 'Mon, 01 Dec 2025 00:00:00 GMT' : undefined,
  }
}

const NOBODY_READS: Answer = { status: 503, fields: [] }

function message(status: number): Answer {
  const body = Buffer.from(`status ${status}\n`)
  return { status, fields: [['Content-Length', String(body.length)]], body: bodyOf(body) }
}
