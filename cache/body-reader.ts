/**
 * Reads bodies from their files and hands over no byte that was not checked (R7.3), in memory that does not grow
 * with the body (R7.4). What is asked for again stays in memory, as far as there is room.
 */
import { read, readSync } from 'node:fs'
import { promisify } from '../core/node-util.ts'
import { LRUCache } from 'lru-cache'
import type { Sha256 } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { Allocate } from '../core/store.ts'
import type { OpenFile, OpenFiles } from './open-files.ts'
import { PIECE_BYTES, pieceSpan } from '../core/pieces.ts'
import { areComplete, type BodyDigests, isPiece } from './piece-digests.ts'
import type { Place, StoredBody } from './place.ts'

/** Bodies of which is remembered which pieces were checked. */
const REMEMBERED_BODIES = 16_384

/** So many bytes that were read before, and lie in the system's memory probably, are read without leaving the turn. */
const READ_AT_ONCE = 256 * 1024

/** Which pieces of a body were found right since the process began. */
interface CheckedPieces {
  /** Changes whenever the file is written to or replaced; what was checked before then counts no more. */
  readonly identity: string
  /** Where in the file the body begins. */
  readonly start: number
  readonly pieces: Set<number>
}

/** A body's file, as far as it was needed. */
interface OpenBody {
  readonly body: StoredBody
  readonly file: OpenFile
  readonly checked: CheckedPieces
}

export class BodyReader {
  readonly #files: OpenFiles
  readonly #pathOf: (digest: Sha256, place: Place | undefined) => string
  readonly #memoryBytes: number
  /** Checked pieces by the body's digest and their number. */
  readonly #memory: LRUCache<string, Uint8Array>
  /** A limit by size takes memory as it is needed; one by number takes all of it at once. */
  readonly #checked = new LRUCache<Sha256, CheckedPieces>({
    maxSize: REMEMBERED_BODIES,
    sizeCalculation: () => 1,
  })

  /** @param memoryBytes bytes of bodies that stay in memory. */
  constructor(
    files: OpenFiles,
    pathOf: (digest: Sha256, place: Place | undefined) => string,
    memoryBytes: number,
  ) {
    this.#files = files
    this.#pathOf = pathOf
    this.#memoryBytes = memoryBytes
    this.#memory = new LRUCache({
      maxSize: Math.max(1, memoryBytes),
      sizeCalculation: (bytes) => Math.max(1, bytes.length),
    })
  }

  /** See `Bodies.read`. */
  async *read(body: StoredBody, span: ByteSpan, allocate: Allocate): AsyncGenerator<Uint8Array> {
    if (!areComplete(body.pieces, body.size)) throw corrupt(body, 'its digests are incomplete')
    let opened: OpenBody | undefined
    try {
      const last = Math.ceil(span.end / PIECE_BYTES)
      for (let index = Math.floor(span.start / PIECE_BYTES); index < last; index += 1) {
        const piece = pieceSpan(index, body.size)
        const wanted = { start: Math.max(piece.start, span.start), end: Math.min(piece.end, span.end) }
        const held = this.#memory.get(keyOf(body.sha256, index))
        if (held === undefined) opened ??= this.#openBody(body, await this.#hold(body))
        const bytes =
          held?.subarray(wanted.start - piece.start, wanted.end - piece.start) ??
          (opened && (await this.#readPiece(opened, index, wanted, allocate)))
        if (bytes !== undefined) yield bytes
      }
    } finally {
      opened?.file.letGo()
    }
  }

  /** See `Bodies.readAnew`. */
  async *readAnew(body: StoredBody): AsyncGenerator<Uint8Array> {
    if (!areComplete(body.pieces, body.size)) throw corrupt(body, 'its digests are incomplete')
    const file = await this.#hold(body)
    try {
      for (let index = 0; index * PIECE_BYTES < body.size; index += 1) {
        const bytes = await readExactly(file, pieceSpan(index, body.size), body, ofItsOwn)
        if (!isPiece(body, index, bytes)) throw corrupt(body, `piece ${index} does not match its digest`)
        yield bytes
      }
    } finally {
      file.letGo()
    }
  }

  /** See `Bodies.held`. */
  held(digest: Sha256, size: number): Uint8Array | undefined {
    return size > PIECE_BYTES ? undefined : this.#memory.get(keyOf(digest, 0))
  }

  /** These are the bytes of a small body, right and in an array of their own: they will be asked for soon. */
  remember(digest: Sha256, bytes: Uint8Array): void {
    if (bytes.length <= this.#memoryBytes) this.#memory.set(keyOf(digest, 0), bytes)
  }

  /** The body has gone. Its further pieces give way by themselves: bytes that a digest names are never wrong. */
  forget(digest: Sha256): void {
    this.#memory.delete(keyOf(digest, 0))
    this.#checked.delete(digest)
  }

  /** The part of piece `index` that is wanted; the whole piece is read and checked unless it has been. */
  async #readPiece(
    opened: OpenBody,
    index: number,
    wanted: ByteSpan,
    allocate: Allocate,
  ): Promise<Uint8Array> {
    const { body, file, checked } = opened
    const piece = pieceSpan(index, body.size)
    const isKnown = checked.pieces.has(index)
    const isWhole = wanted.start === piece.start && wanted.end === piece.end
    const stays = this.#mayStay(body, isKnown && isWhole)
    if (isKnown && !stays) return readAgain(file, wanted, body, allocate)
    const bytes = await readExactly(file, piece, body, stays ? ofItsOwn : allocate)
    if (!isPiece(body, index, bytes)) throw corrupt(body, `piece ${index} does not match its digest`)
    checked.pieces.add(index)
    // What stays is not read again soon: it is checked again then, and need not be remembered meanwhile.
    if (stays) this.#memory.set(keyOf(body.sha256, index), bytes)
    else if (checked.identity !== '') this.#checked.set(body.sha256, checked)
    return bytes.subarray(wanted.start - piece.start, wanted.end - piece.start)
  }

  /** A small body stays from the first time; a larger one when it is read again, so that one download moves nothing out. */
  #mayStay({ size }: BodyDigests, isReadAgain: boolean): boolean {
    if (size <= PIECE_BYTES) return size <= this.#memoryBytes
    return isReadAgain && size <= this.#memoryBytes / 2
  }

  #hold({ sha256, place }: StoredBody): OpenFile | Promise<OpenFile> {
    const path = this.#pathOf(sha256, place)
    return this.#files.held(path) ?? this.#files.hold(path)
  }

  #openBody(body: StoredBody, file: OpenFile): OpenBody {
    const identity = file.identity()
    const start = body.place?.start ?? 0
    const known = this.#checked.get(body.sha256)
    const isSame = known?.identity === identity && known.start === start
    return { body, file, checked: isSame ? known : { identity, start, pieces: new Set() } }
  }
}

function keyOf(digest: Sha256, index: number): string {
  return index === 0 ? digest : `${digest}:${index}`
}

/** Memory that whoever gets it may keep. */
export const ofItsOwn: Allocate = (bytes) => Buffer.allocUnsafeSlow(bytes)

/** Without the promises of a file handle, which cost a tenth of the reading. */
const readInto = promisify(read)

/** What was read and checked before: few bytes cost less than handing the work to another thread and back does. */
function readAgain(
  file: OpenFile,
  span: ByteSpan,
  body: StoredBody,
  allocate: Allocate,
): Uint8Array | Promise<Uint8Array> {
  const length = span.end - span.start
  if (length > READ_AT_ONCE) return readExactly(file, span, body, allocate)
  const bytes = allocate(length)
  const start = (body.place?.start ?? 0) + span.start
  for (let done = 0; done < length;) {
    const bytesRead = readNow(file.fd, bytes, done, start + done, body)
    if (bytesRead === 0) throw corrupt(body, `its file ends at byte ${start + done}`)
    done += bytesRead
  }
  return bytes
}

function readNow(fd: number, bytes: Uint8Array, done: number, position: number, body: BodyDigests): number {
  try {
    return readSync(fd, bytes, done, bytes.length - done, position)
  } catch (error) {
    throw unreadable(body, error)
  }
}

async function readExactly(
  file: OpenFile,
  span: ByteSpan,
  body: StoredBody,
  allocate: Allocate,
): Promise<Uint8Array> {
  const bytes = allocate(span.end - span.start)
  const start = (body.place?.start ?? 0) + span.start
  for (let done = 0; done < bytes.length;) {
    const reading = readInto(file.fd, bytes, done, bytes.length - done, start + done)
    const { bytesRead } = await reading.catch((error: unknown) => {
      throw unreadable(body, error)
    })
    if (bytesRead === 0) throw corrupt(body, `its file ends at byte ${start + done}`)
    done += bytesRead
  }
  return bytes
}

function unreadable(body: BodyDigests, error: unknown): Fault {
  return new Fault('STORE_CORRUPT', `body ${body.sha256} cannot be read`, { cause: error })
}

function corrupt(body: BodyDigests, reason: string): Fault {
  return new Fault('STORE_CORRUPT', `body ${body.sha256}: ${reason}`)
}
