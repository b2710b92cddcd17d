/**
 * Reads the responses of one connection from its bytes (RFC 9112), one for each request that went out. It is strict, and
 * bounded: what is not exactly a response is a flaw, which ends the connection. Bytes that no request asked for end it too.
 */
import { readFieldLine } from '../field-line.ts'
import { MAX_HEADER_BYTES } from '../server-options.ts'
import { readHead, type Flaw, type ReadLine, type ResponseHead } from './response-head.ts'

/** Told of a response, in order, from within `push` and `close`. */
export interface ResponseSink {
  /** Also of interim responses (1xx), which have no content and are followed by another head. */
  readonly onHead: (head: ResponseHead) => void
  /** Content without its coding. The array is the connection's: it counts during the call only. */
  readonly onData: (bytes: Buffer) => void
  /** @param mayReuse whether the connection may serve another request. */
  readonly onEnd: (mayReuse: boolean) => void
  /** Nothing more can be made of the connection. */
  readonly onFlaw: (flaw: Flaw) => void
}

/** Bytes of a head, at most: as many as of a request's (server-options.ts). */
export const MAX_HEAD_BYTES = MAX_HEADER_BYTES
/** Of a line of a trailer section, or a chunk's first, at most. */
export const MAX_LINE_BYTES = 16_384
/** Lines of heads that are compared with the next one: a server must not make that costly. */
const MOST_LIKELY_LINES = 64
/** What no response may have more of before its end: chunk extensions of all chunks together, say. */
const MAX_EXTENSION_BYTES = 16_384

type State =
  | 'idle'
  | 'head'
  | 'length'
  | 'chunk'
  | 'chunk-data'
  | 'chunk-end'
  | 'trailers'
  | 'until-close'
  /** Nothing that comes counts any more. */
  | 'over'

export class ResponseReader {
  readonly #sink: ResponseSink
  #state: State = 'idle'
  #method = 'GET'
  /** What has come of a line, or of a head, as Latin-1. */
  #text = ''
  /** The last head's lines. */
  #likely: readonly ReadLine[] = []
  /** Bytes of the content, or of the chunk, that are still to come. */
  #left = 0
  #keepsAlive = false
  #extensionBytes = 0

  constructor(sink: ResponseSink) {
    this.#sink = sink
  }

  /** Whether no response is waited for. */
  get isIdle(): boolean {
    return this.#state === 'idle'
  }

  /** Bytes of the body that are still to come; 0 where that is not known. */
  get leftBytes(): number {
    return this.#state === 'length' ? this.#left : 0
  }

  /** A request has gone out. */
  expect(method: string): void {
    this.#method = method
    this.#state = 'head'
    this.#text = ''
    this.#extensionBytes = 0
  }

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      switch (this.#state) {
        case 'idle':
          return void this.#refuse('bytes that nobody asked for')
        case 'over':
          return
        case 'head':
          at = this.#readHead(bytes, at)
          break
        case 'length':
        case 'chunk-data':
          at = this.#readContent(bytes, at)
          break
        case 'until-close':
          this.#sink.onData(at === 0 ? bytes : bytes.subarray(at))
          return
        case 'chunk':
        case 'chunk-end':
        case 'trailers':
          at = this.#readLine(bytes, at)
          break
      }
      if (at < 0) return
    }
  }

  /** The server has closed its side: the end of a response that has no other. */
  close(): void {
    const isWhole = this.#state === 'until-close'
    this.stop()
    if (isWhole) this.#sink.onEnd(false)
  }

  /** The connection is given up. */
  stop(): void {
    this.#state = 'over'
  }

  /** @returns where it ends; -1 when the rest of `bytes` is read, too. */
  #readHead(bytes: Buffer, at: number): number {
    const before = this.#text.length
    const end = before === 0 ? bytes.indexOf(EMPTY_LINE, at, 'latin1') : -1
    if (end >= 0) return this.#onHead(bytes.toString('latin1', at, end + 2), end + 4, bytes.length)
    this.#text += bytes.toString('latin1', at, Math.min(bytes.length, at + MAX_HEAD_BYTES))
    const beyond = this.#text.indexOf(EMPTY_LINE, Math.max(0, before - 3))
    if (beyond >= 0) {
      const text = this.#text.slice(0, beyond + 2)
      return this.#onHead(text, at + beyond + 4 - before, bytes.length)
    }
    // Where all lines end so, no other end may come.
    if (hasBareLineFeed(this.#text, before)) return this.#refuse('a bare line feed')
    if (this.#text.length >= MAX_HEAD_BYTES) return this.#refuse('a head without an end')
    return couldBegin(this.#text) ? -1 : this.#refuse('no HTTP response')
  }

  #onHead(text: string, at: number, length: number): number {
    if (text.length > MAX_HEAD_BYTES) return this.#refuse('too large a head')
    const head = readHead(text, this.#method, this.#likely)
    if ('flaw' in head) return this.#refuse(hasBareLineFeed(text, 0) ? 'a bare line feed' : head.flaw)
    this.#likely = head.lines.length <= MOST_LIKELY_LINES ? head.lines : []
    this.#text = ''
    if (head.status === 101) return this.#refuse('a change of protocol that nobody asked for')
    if (head.status < 200) {
      this.#sink.onHead(head)
      return this.#state === 'head' ? at : -1
    }
    this.#begin(head)
    this.#sink.onHead(head)
    if (this.#hasEnded()) return this.#end(length - at)
    return at
  }

  #begin({ framing, keepsAlive }: ResponseHead): void {
    this.#keepsAlive = keepsAlive
    this.#left = framing.kind === 'length' ? framing.bytes : 0
    this.#state = STATES[framing.kind]
  }

  /** Whether there is nothing more to come, right behind the head. */
  #hasEnded(): boolean {
    return this.#state === 'length' && this.#left === 0
  }

  #readContent(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left)
    this.#left -= end - at
    const isLast = this.#left === 0
    const isWhole = isLast && this.#state === 'length'
    this.#sink.onData(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
    if (isWhole) return this.#end(bytes.length - end)
    if (isLast && this.#state === 'chunk-data') this.#state = 'chunk-end'
    return end
  }

  /** A line of the chunked coding (RFC 9112 7.1). */
  #readLine(bytes: Buffer, at: number): number {
    const found = bytes.indexOf('\n', at, 'latin1')
    const end = found < 0 ? bytes.length : found + 1
    this.#text += bytes.toString('latin1', at, Math.min(end, at + MAX_LINE_BYTES))
    if (this.#text.length >= MAX_LINE_BYTES) return this.#refuse('too long a line')
    if (found < 0) return -1
    const line = this.#text
    if (!line.endsWith('\r\n')) return this.#refuse('a bare line feed')
    this.#text = ''
    return this.#onLine(line.slice(0, -2), end, bytes.length)
  }

  #onLine(line: string, at: number, length: number): number {
    switch (this.#state) {
      case 'chunk':
        return this.#onChunk(line, at)
      case 'chunk-end':
        this.#state = 'chunk'
        return line === '' ? at : this.#refuse('more than a chunk')
      case 'trailers':
        return line === '' ? this.#end(length - at) : this.#onTrailer(line, at)
      case 'idle':
      case 'head':
      case 'length':
      case 'chunk-data':
      case 'until-close':
      case 'over':
        return at
    }
  }

  #onChunk(line: string, at: number): number {
    const [, size, extension = ''] = CHUNK_LINE.exec(line) ?? []
    this.#extensionBytes += extension.length
    if (size === undefined || this.#extensionBytes > MAX_EXTENSION_BYTES)
      return this.#refuse('a malformed chunk')
    this.#left = Number.parseInt(size, 16)
    this.#state = this.#left === 0 ? 'trailers' : 'chunk-data'
    return at
  }

  /** Nobody here has a use for them, but they end where they end. */
  #onTrailer(line: string, at: number): number {
    this.#extensionBytes += line.length
    if (readFieldLine(line) === undefined || this.#extensionBytes > MAX_EXTENSION_BYTES)
      return this.#refuse('a malformed trailer section')
    return at
  }

  /** @param surplus bytes that came behind the end: the next response would not be the one to the next request. */
  #end(surplus: number): -1 {
    this.#state = 'idle'
    this.#sink.onEnd(this.#keepsAlive && surplus === 0)
    return -1
  }

  #refuse(flaw: string): -1 {
    this.#state = 'over'
    this.#sink.onFlaw({ flaw })
    return -1
  }
}

const STATES = {
  none: 'length',
  length: 'length',
  chunked: 'chunk',
  'until-close': 'until-close',
} as const satisfies Record<ResponseHead['framing']['kind'], State>

const EMPTY_LINE = '\r\n\r\n'
/** A size that numbers can hold, and extensions (RFC 9112 7.1.1) with quoted strings at most. */
const CHUNK_LINE =
  /^([\dA-Fa-f]{1,13})((?:;[!#$%&'*+.^_`|~\w-]+(?:=(?:[!#$%&'*+.^_`|~\w-]+|"[\t !#-[\]-~\x80-\xff]*"))?)*)$/

/** What has not all come yet may be a response's beginning. */
function couldBegin(text: string): boolean {
  return text.length < VERSION.length ? VERSION.startsWith(text) : text.startsWith(VERSION)
}

const VERSION = 'HTTP/1.'

function hasBareLineFeed(text: string, from: number): boolean {
  for (let at = text.indexOf('\n', from); at >= 0; at = text.indexOf('\n', at + 1))
    if (text[at - 1] !== '\r') return true
  return false
}
