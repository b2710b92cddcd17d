/**
 * Digests of a body's pieces, so that any range can be checked without reading the whole body (R7.3).
 * Pieces are 1 MiB; the last one is shorter.
 */
import { createHash, hash } from 'node:crypto'
import type { Sha256 } from '../core/digest.ts'
import type { ByteSpan } from '../core/ranges.ts'

/** Bytes of a piece. */
export const PIECE_BYTES = 1024 * 1024

/** The SHA-256 digests of all pieces in order, 32 bytes each. */
export type PieceDigests = Uint8Array

/** What a whole body turned out to be. */
export interface BodyDigests {
  /** Bytes of body. */
  readonly size: number
  readonly sha256: Sha256
  readonly pieces: PieceDigests
}

const DIGEST_BYTES = 32

/** Follows a body from its first byte to its last and digests it, whole and by pieces. */
export interface Digester {
  /** Bytes digested up to now. */
  readonly length: number
  /** Digests the next bytes of the body. */
  update(bytes: Uint8Array): void
  /** The digest of these bytes, when they are one piece, or what there is of the last one up to now. */
  digestOf(span: ByteSpan): Uint8Array | undefined
  /** The digests of the bytes up to now, as if the body ended here; more may follow. */
  result(): BodyDigests
}

/** The one that reads every byte. */
export class BodyDigester implements Digester {
  readonly #whole = createHash('sha256')
  readonly #pieces: Uint8Array[] = []
  #piece = createHash('sha256')
  #length = 0

  get length(): number {
    return this.#length
  }

  update(bytes: Uint8Array): void {
    this.#whole.update(bytes)
    for (let at = 0; at < bytes.length;) {
      const room = PIECE_BYTES - (this.#length % PIECE_BYTES)
      const part = bytes.subarray(at, at + room)
      this.#piece.update(part)
      this.#length += part.length
      at += part.length
      if (part.length === room) this.#endPiece()
    }
  }

  digestOf({ start, end }: ByteSpan): Uint8Array | undefined {
    const isWhole = end === start + PIECE_BYTES || end === this.#length
    if (start % PIECE_BYTES !== 0 || end > this.#length || !isWhole) return undefined
    return this.#pieces[start / PIECE_BYTES] ?? this.#piece.copy().digest()
  }

  result(): BodyDigests {
    const unfinished = this.#length % PIECE_BYTES === 0 ? [] : [this.#piece.copy().digest()]
    return {
      size: this.#length,
      sha256: this.#whole.copy().digest('hex') as Sha256,
      pieces: Buffer.concat([...this.#pieces, ...unfinished]),
    }
  }

  #endPiece(): void {
    this.#pieces.push(this.#piece.digest())
    this.#piece = createHash('sha256')
  }
}

/** Do the digests have one entry for each piece of a body of `size` bytes? */
export function areComplete(pieces: PieceDigests, size: number): boolean {
  return pieces.length === Math.ceil(size / PIECE_BYTES) * DIGEST_BYTES
}

/** The bytes of piece number `index` in a body of `size` bytes. */
export function pieceSpan(index: number, size: number): ByteSpan {
  return { start: index * PIECE_BYTES, end: Math.min((index + 1) * PIECE_BYTES, size) }
}

/** Are these bytes the piece number `index`? */
export function isPiece(pieces: PieceDigests, index: number, bytes: Uint8Array): boolean {
  const recorded = pieces.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)
  return recorded.length === DIGEST_BYTES && hash('sha256', bytes, 'buffer').equals(recorded)
}
