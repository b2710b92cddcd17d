/**
 * Bodies that nobody has to keep: a path such as `/whole/1024/name` says how long its body is, and its bytes follow from
 * the path. Two paths never have the same body, so no cache gains by storing equal bodies once.
 */
import { createHash } from 'node:crypto'
import { bytesOf } from '../../test/cache/store-fixtures.ts'

/**
 * `whole`: a response that can be stored. `broken`: the connection breaks off after half of the body. `absent`: 404.
 * `digest`: what is sent is not stored; the response is the SHA-256 of the request's content.
 */
export type ContentKind = 'whole' | 'broken' | 'absent' | 'digest'

export interface Content {
  readonly kind: ContentKind
  readonly bytes: number
}

const BLOCK = bytesOf(1024 * 1024, 3)
/** The bytes at the start that belong to the path alone. */
const OWN_BYTES = 32

export function contentPath(kind: ContentKind, bytes: number, name: string): string {
  return `/${kind}/${bytes}/${name}`
}

/** @returns what a path stands for; absent where it is none of `contentPath`. */
export function contentOf(path: string): Content | undefined {
  const [, kind, bytes] = /^\/(whole|broken|absent|digest)\/(\d+)\//.exec(path) ?? []
  return kind === undefined ? undefined : { kind: kind as ContentKind, bytes: Number(bytes) }
}

/** The bytes from `start` to before `end` of a path's body, in chunks of at most `chunkBytes`. */
export function* contentChunks(
  path: string,
  start: number,
  end: number,
  chunkBytes: number,
): Generator<Buffer> {
  const own = createHash('sha256').update(path).digest()
  for (let at = start; at < end;) {
    const inBlock = at % BLOCK.length
    const most = Math.min(end - at, BLOCK.length - inBlock, chunkBytes)
    const chunk = BLOCK.subarray(inBlock, inBlock + most)
    yield at < OWN_BYTES ? withOwn(chunk, own, at) : chunk
    at += most
  }
}

/** The SHA-256 in hexadecimal of those bytes. */
export function contentDigest(path: string, start: number, end: number): string {
  const digest = createHash('sha256')
  for (const chunk of contentChunks(path, start, end, BLOCK.length)) digest.update(chunk)
  return digest.digest('hex')
}

function withOwn(chunk: Buffer, own: Buffer, at: number): Buffer {
  const copy = Buffer.from(chunk)
  own.copy(copy, 0, at, OWN_BYTES)
  return copy
}
