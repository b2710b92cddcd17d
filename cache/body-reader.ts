/**
 * Reads bodies from their files and hands over no byte that was not checked (R7.3), in memory that does not grow
 * with the body (R7.4).
 */
import { type FileHandle, open } from 'node:fs/promises'
import { LRUCache } from 'lru-cache'
import type { Sha256 } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import { areComplete, type BodyDigests, isPiece, PIECE_BYTES, pieceSpan } from './piece-digests.ts'
import type { Place, StoredBody } from './place.ts'
import { storeFault } from './store-fault.ts'

/** Bytes of small bodies kept in memory, checked. */
const HOT_BYTES = 64 * 1024 * 1024
/** Bodies above one piece of which is remembered which pieces were checked. */
const REMEMBERED_BODIES = 4096

/** Which pieces of this very file were found right since the process began. */
interface CheckedPieces {
  /** Changes whenever the file is written to or replaced; what was checked before then counts no more. */
  readonly identity: string
  readonly pieces: Set<number>
}

/** Where bodies are. */
export interface ReadFiles {
  readonly pathOf: (digest: Sha256) => string
  /** The segment there is open while `work` goes on (cache/segment-files.ts). */
  readonly useSegment: <Result>(place: Place, work: (file: FileHandle) => Promise<Result>) => Promise<Result>
}

export class BodyReader {
  readonly #files: ReadFiles
  readonly #hot = new LRUCache<Sha256, Uint8Array>({
    maxSize: HOT_BYTES,
    sizeCalculation: (bytes) => Math.max(1, bytes.length),
  })
  readonly #checked = new LRUCache<Sha256, CheckedPieces>({ max: REMEMBERED_BODIES })

  constructor(files: ReadFiles) {
    this.#files = files
  }

  /** See `Bodies.read`. */
  async *read(body: StoredBody, span: ByteSpan): AsyncGenerator<Uint8Array> {
    if (!areComplete(body.pieces, body.size)) throw corrupt(body, 'its digests are incomplete')
    if (body.size > PIECE_BYTES) yield* this.#readPieces(body, span)
    else yield (await this.#whole(body)).subarray(span.start, span.end)
  }

  /** These are the bytes of a small body, in an array of their own: it will be asked for soon. */
  remember(digest: Sha256, bytes: Uint8Array): void {
    this.#hot.set(digest, bytes)
  }

  /** The body has gone. */
  forget(digest: Sha256): void {
    this.#hot.delete(digest)
    this.#checked.delete(digest)
  }

  async #whole(body: StoredBody): Promise<Uint8Array> {
    const hot = this.#hot.get(body.sha256)
    if (hot !== undefined) return hot
    const bytes = await this.#readWhole(body)
    if (!isPiece(body, 0, bytes)) throw corrupt(body, 'its bytes do not match its digest')
    this.#hot.set(body.sha256, bytes)
    return bytes
  }

  async #readWhole(body: StoredBody): Promise<Uint8Array> {
    const start = body.place?.start ?? 0
    const read = (file: FileHandle) => readExactly(file, { start, end: start + body.size }, body)
    if (body.place !== undefined) return this.#files.useSegment(body.place, read)
    const file = await this.#open(body)
    return read(file).finally(() => file.close())
  }

  async *#readPieces(body: BodyDigests, span: ByteSpan): AsyncGenerator<Uint8Array> {
    const file = await this.#open(body)
    try {
      const checked = await this.#checkedPieces(body, file)
      const last = Math.ceil(span.end / PIECE_BYTES)
      for (let index = Math.floor(span.start / PIECE_BYTES); index < last; index += 1) {
        yield await readPiece(file, body, index, span, checked)
      }
    } finally {
      await file.close()
    }
  }

  async #checkedPieces(body: BodyDigests, file: FileHandle): Promise<Set<number>> {
    const { dev, ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true })
    const identity = [dev, ino, size, mtimeNs, ctimeNs].join(':')
    const known = this.#checked.get(body.sha256)
    if (known?.identity === identity) return known.pieces
    const pieces = new Set<number>()
    this.#checked.set(body.sha256, { identity, pieces })
    return pieces
  }

  async #open(body: BodyDigests): Promise<FileHandle> {
    const path = this.#files.pathOf(body.sha256)
    try {
      return await open(path, 'r')
    } catch (error) {
      throw storeFault(`cannot open ${path}`, error)
    }
  }
}

/** The part of piece `index` that lies in `span`; the whole piece is read and checked unless it has been. */
async function readPiece(
  file: FileHandle,
  body: BodyDigests,
  index: number,
  span: ByteSpan,
  checked: Set<number>,
): Promise<Uint8Array> {
  const piece = pieceSpan(index, body.size)
  const wanted = { start: Math.max(piece.start, span.start), end: Math.min(piece.end, span.end) }
  if (checked.has(index)) return readExactly(file, wanted, body)
  const bytes = await readExactly(file, piece, body)
  if (!isPiece(body, index, bytes)) throw corrupt(body, `piece ${index} does not match its digest`)
  checked.add(index)
  return bytes.subarray(wanted.start - piece.start, wanted.end - piece.start)
}

async function readExactly(file: FileHandle, span: ByteSpan, body: BodyDigests): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(span.end - span.start)
  for (let done = 0; done < buffer.length;) {
    const { bytesRead } = await file
      .read(buffer, done, buffer.length - done, span.start + done)
      .catch(unreadable)
    if (bytesRead === 0)
      throw corrupt(body, `its file ends at byte ${span.start + done}, before the ${span.end} that it needs`)
    done += bytesRead
  }
  return buffer

  function unreadable(error: unknown): never {
    throw new Fault('STORE_CORRUPT', `body ${body.sha256} cannot be read`, { cause: error })
  }
}

function corrupt(body: BodyDigests, reason: string): Fault {
  return new Fault('STORE_CORRUPT', `body ${body.sha256}: ${reason}`)
}
