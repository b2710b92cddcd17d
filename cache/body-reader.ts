/**
 * Reads bodies from their files and hands over no byte that was not checked (R7.3), in memory that does not grow
 * with the body (R7.4). What is asked for again stays in memory, as far as there is room.
 */
import { read } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { LRUCache } from 'lru-cache'
import type { Sha256 } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { Allocate } from '../core/store.ts'
import { areComplete, type BodyDigests, isPiece, PIECE_BYTES, pieceSpan } from './piece-digests.ts'
import { storeFault } from './store-fault.ts'

/** Bodies above one piece of which is remembered which pieces were checked. */
const REMEMBERED_BODIES = 4096

/** Which pieces of this very file were found right since the process began. */
interface CheckedPieces {
  /** Changes whenever the file is written to or replaced; what was checked before then counts no more. */
  readonly identity: string
  readonly pieces: Set<number>
}

/** A body's file, as far as it was needed. */
interface OpenFile {
  readonly file: FileHandle
  readonly checked: Set<number>
}

export class BodyReader {
  readonly #pathOf: (digest: Sha256) => string
  readonly #memoryBytes: number
  /** Checked pieces by the body's digest and their number. */
  readonly #memory: LRUCache<string, Uint8Array>
  readonly #checked = new LRUCache<Sha256, CheckedPieces>({ max: REMEMBERED_BODIES })

  /** @param memoryBytes bytes of bodies that stay in memory. */
  constructor(pathOf: (digest: Sha256) => string, memoryBytes: number) {
    this.#pathOf = pathOf
    this.#memoryBytes = memoryBytes
    this.#memory = new LRUCache({
      maxSize: Math.max(1, memoryBytes),
      sizeCalculation: (bytes) => Math.max(1, bytes.length),
    })
  }

  /** See `Bodies.read`. */
  async *read(body: BodyDigests, span: ByteSpan, allocate: Allocate): AsyncGenerator<Uint8Array> {
    if (!areComplete(body.pieces, body.size)) throw corrupt(body, 'its digests are incomplete')
    let opened: OpenFile | undefined
    try {
      const last = Math.ceil(span.end / PIECE_BYTES)
      for (let index = Math.floor(span.start / PIECE_BYTES); index < last; index += 1) {
        const piece = pieceSpan(index, body.size)
        const wanted = { start: Math.max(piece.start, span.start), end: Math.min(piece.end, span.end) }
        const held = this.#memory.get(keyOf(body.sha256, index))
        if (held === undefined) opened ??= await this.#open(body)
        const bytes =
          held?.subarray(wanted.start - piece.start, wanted.end - piece.start) ??
          (opened && (await this.#readPiece(opened, body, index, wanted, allocate)))
        if (bytes !== undefined) yield bytes
      }
    } finally {
      await opened?.file.close()
    }
  }

  /** See `Bodies.readAnew`. */
  async *readAnew(body: BodyDigests): AsyncGenerator<Uint8Array> {
    if (!areComplete(body.pieces, body.size)) throw corrupt(body, 'its digests are incomplete')
    const { file } = await this.#open(body)
    try {
      for (let index = 0; index * PIECE_BYTES < body.size; index += 1) {
        const bytes = await readExactly(file, pieceSpan(index, body.size), body, ofItsOwn)
        if (!isPiece(body.pieces, index, bytes))
          throw corrupt(body, `piece ${index} does not match its digest`)
        yield bytes
      }
    } finally {
      await file.close()
    }
  }

  /** See `Bodies.held`. */
  held(digest: Sha256, size: number): Uint8Array | undefined {
    return size > PIECE_BYTES ? undefined : this.#memory.get(keyOf(digest, 0))
  }

  /** The body has gone. Its further pieces give way by themselves: bytes that a digest names are never wrong. */
  forget(digest: Sha256): void {
    this.#memory.delete(keyOf(digest, 0))
    this.#checked.delete(digest)
  }

  /** The part of piece `index` that is wanted; the whole piece is read and checked unless it has been. */
  async #readPiece(
    { file, checked }: OpenFile,
    body: BodyDigests,
    index: number,
    wanted: ByteSpan,
    allocate: Allocate,
  ): Promise<Uint8Array> {
    const piece = pieceSpan(index, body.size)
    const isKnown = checked.has(index)
    const isWhole = wanted.start === piece.start && wanted.end === piece.end
    const stays = this.#mayStay(body, isKnown && isWhole)
    if (isKnown && !stays) return readExactly(file, wanted, body, allocate)
    const bytes = await readExactly(file, piece, body, stays ? ofItsOwn : allocate)
    if (!isPiece(body.pieces, index, bytes)) throw corrupt(body, `piece ${index} does not match its digest`)
    checked.add(index)
    if (stays) this.#memory.set(keyOf(body.sha256, index), bytes)
    return bytes.subarray(wanted.start - piece.start, wanted.end - piece.start)
  }

  /** A small body stays from the first time; a larger one when it is read again, so that one download moves nothing out. */
  #mayStay({ size }: BodyDigests, isReadAgain: boolean): boolean {
    if (size <= PIECE_BYTES) return size <= this.#memoryBytes
    return isReadAgain && size <= this.#memoryBytes / 2
  }

  async #open(body: BodyDigests): Promise<OpenFile> {
    const path = this.#pathOf(body.sha256)
    const file = await open(path, 'r').catch((error: unknown) => {
      throw storeFault(`cannot open ${path}`, error)
    })
    try {
      return { file, checked: await this.#checkedPieces(body, file) }
    } catch (error) {
      await file.close()
      throw error
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
}

function keyOf(digest: Sha256, index: number): string {
  return index === 0 ? digest : `${digest}:${index}`
}

/** Memory that whoever gets it may keep. */
export const ofItsOwn: Allocate = (bytes) => Buffer.allocUnsafeSlow(bytes)

/** Without the promises of a file handle, which cost a tenth of the reading. */
const readInto = promisify(read)

async function readExactly(
  file: FileHandle,
  span: ByteSpan,
  body: BodyDigests,
  allocate: Allocate,
): Promise<Uint8Array> {
  const bytes = allocate(span.end - span.start)
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await readInto(file.fd, bytes, done, bytes.length - done, span.start + done).catch(
      unreadable,
    )
    if (bytesRead === 0) throw corrupt(body, `its file ends at ${span.start + done} of ${body.size} bytes`)
    done += bytesRead
  }
  return bytes

  function unreadable(error: unknown): never {
    throw new Fault('STORE_CORRUPT', `body ${body.sha256} cannot be read`, { cause: error })
  }
}

function corrupt(body: BodyDigests, reason: string): Fault {
  return new Fault('STORE_CORRUPT', `body ${body.sha256}: ${reason}`)
}
