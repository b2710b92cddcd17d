/** What an index says about one file, and what reading an index is. */
import type { Digest } from '../../core/digest.ts'

/** One file, as its index names it. */
export interface Mention {
  /** A URI reference (RFC 3986 4.1), relative to the index's base. */
  readonly reference: string
  readonly digest: Digest
  /** Bytes, where the index says so. */
  readonly size?: number
}

/** Takes what a reader finds, in the order of the text. */
export type Emit = (mention: Mention) => void

/** Reads one index from pieces of its text, which may be cut anywhere; nothing but a bounded rest is kept. */
export interface IndexReader {
  /** @throws UnreadableIndex when it is not such an index, or goes beyond a bound. */
  push(text: string): void
  /** The text is over. @throws UnreadableIndex when it is not whole. */
  end(): void
}

/** An index that cannot be believed: malformed, cut, or larger than is read. The message says what was found. */
export class UnreadableIndex extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'UnreadableIndex'
  }
}

/** The digest that 64 or 128 hexadecimal digits stand for; shorter ones (MD5, SHA-1, SHA-224) prove nothing (V§1). */
export function strongDigest(algorithm: 'sha-256' | 'sha-512', hex: unknown): Digest | undefined {
  const digits = algorithm === 'sha-256' ? 64 : 128
  const isHex = typeof hex === 'string' && hex.length === digits && /^[0-9a-f]+$/i.test(hex)
  return isHex ? { algorithm, hex: hex.toLowerCase() } : undefined
}

/** A number of bytes as an index writes it; `undefined` for what is none. */
export function sizeOf(written: unknown): number | undefined {
  const value = typeof written === 'string' && /^\d{1,15}$/.test(written) ? Number(written) : written
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined
}

/** A mention with its size, if that is known. */
export function mention(reference: string, digest: Digest, size: number | undefined): Mention {
  return size === undefined ? { reference, digest } : { reference, digest, size }
}
