/**
 * Digests of a body's pieces, so that any range can be checked without reading the whole body (R7.3).
 * Pieces are 1 MiB; the last one is shorter. A body of one piece has no digests but its own.
 */
import { createHash, hash, type Hash } from 'node:crypto'
import type { Sha256 } from '../core/digest.ts'
import { digestOfPiece, PIECE_BYTES, PIECE_DIGEST_BYTES, piecesIn } from '../core/pieces.ts'
import type { ByteSpan } from '../core/ranges.ts'

/** The SHA-256 digests of all pieces in order, 32 bytes each; none for a body of at most one piece. */
export type PieceDigests = Uint8Array

/** What a whole body turned out to be. */
export interface BodyDigests {
  /** Bytes of body. */
  readonly size: number
  readonly sha256: Sha256
  readonly pieces: PieceDigests
}

const NO_PIECES: PieceDigests = new Uint8Array()

/** The digests of a body that lies in memory and has at most one piece. */
export function digestSmall(bytes: Uint8Array): BodyDigests {
  return { size: bytes.length, sha256: hash('sha256', bytes) as Sha256, pieces: NO_PIECES }
}

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
  /** `undefined` during the first piece, which is the whole as well. */
  #whole: Hash | undefined
  readonly #pieces: Uint8Array[] = []
  #piece: Hash | undefined
  #length = 0

  get length(): number {
    return this.#length
  }

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#length % PIECE_BYTES === 0) this.#nextPiece()
      const part = bytes.subarray(at, at + PIECE_BYTES - (this.#length % PIECE_BYTES))
      this.#whole?.update(part)
      this.#piece ??= createHash('sha256')
      this.#piece.update(part)
      this.#length += part.length
      at += part.length
    }
  }

  digestOf({ start, end }: ByteSpan): Uint8Array | undefined {
    const isWhole = end === start + PIECE_BYTES || end === this.#length
    if (start % PIECE_BYTES !== 0 || end > this.#length || !isWhole) return undefined
    return this.#pieces[start / PIECE_BYTES] ?? this.#piece?.copy().digest()
  }

  result(): BodyDigests {
    const last = (this.#piece?.copy() ?? createHash('sha256')).digest()
    if (this.#whole === undefined)
      return { size: this.#length, sha256: last.toString('hex') as Sha256, pieces: NO_PIECES }
    const sha256 = this.#whole.copy().digest('hex') as Sha256
    return { size: this.#length, sha256, pieces: Buffer.concat([...this.#pieces, last]) }
  }

  #nextPiece(): void {
    if (this.#piece === undefined) return
    this.#whole ??= this.#piece.copy()
    this.#pieces.push(this.#piece.digest())
    this.#piece = undefined
  }
}

/** Do the digests have one entry for each piece of a body of `size` bytes? */
export function areComplete(pieces: PieceDigests, size: number): boolean {
  return pieces.length === (size > PIECE_BYTES ? piecesIn(size) * PIECE_DIGEST_BYTES : 0)
}

/** Are these bytes the piece number `index` of the body? */
export function isPiece({ size, sha256, pieces }: BodyDigests, index: number, bytes: Uint8Array): boolean {
  if (size <= PIECE_BYTES) return index === 0 && hash('sha256', bytes) === sha256
  const recorded = digestOfPiece(pieces, index)
  return recorded.length === PIECE_DIGEST_BYTES && hash('sha256', bytes, 'buffer').equals(recorded)
}
