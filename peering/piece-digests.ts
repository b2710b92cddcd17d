/**
 * How a node tells the digests of a body's pieces (docs/protocol.md, "Several sources"): so that pieces may be taken from
 * several nodes at once, and wrong ones are found out as they come.
 *
 * What is told is the sender's own word. It proves nothing of the whole; but who says so, and sends other bytes, has lied.
 */
import { hash } from 'node:crypto'
import { PIECE_DIGEST_BYTES, piecesIn } from '../core/pieces.ts'
import type { LocalAlias } from './packets.ts'

/** Of a body with more pieces nothing is told: 64 GiB, and 2 MiB of digests. */
export const MAX_PIECES = 65_536

/** Below an alias: the SHA-256 digests of all pieces in order. */
const PIECES_PATH = /^\/([0-9a-f]{64})\/pieces$/

/**
 * Of a request for a range: the SHA-256 of the digests that the asker goes by. Who holds the whole, and knows other ones,
 * answers 412; who knows the same repeats it in the 206.
 */
export const PIECES_FIELD = 'Ihave-Pieces'

/** Of such a request: its sender is being served elsewhere as well, and others come first. */
export const SPARE_FIELD = 'Ihave-Spare'

/** The alias whose digests are asked for; `undefined` for any other target. */
export function aliasOfPieces(target: string): LocalAlias | undefined {
  return PIECES_PATH.exec(target)?.[1] as LocalAlias | undefined
}

/** Where the digests of the copy at `location` are. */
export function piecesLocation(location: string): string {
  return `${location}/pieces`
}

/** Bytes of the digests of a body of `size` bytes. */
export function digestsBytes(size: number): number {
  return piecesIn(size) * PIECE_DIGEST_BYTES
}

/** The name of these digests, hexadecimal. */
export function nameOfPieces(digests: Uint8Array): string {
  return hash('sha256', digests)
}
