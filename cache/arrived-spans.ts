/**
 * Held bytes that nothing else knows the digest of: spans within one piece each, digested in memory as they came. What is read back
 * from the disk later can then be compared with what came (R7.3). One that came in order is digested in one go.
 */
import { createHash, type Hash } from 'node:crypto'
import { PIECE_BYTES } from '../core/pieces.ts'
import type { SpanDigest } from './span-digests.ts'

/** So many spans may still grow; beyond it the oldest one is closed. Whoever writes at more places at once has more, shorter spans. */
const MAX_OPEN = 16

/** A span that whatever comes right behind it goes on with. */
interface Open {
  readonly start: number
  end: number
  readonly hash: Hash
}

export class ArrivedSpans {
  /** Those that grow no more, by their first byte. */
  readonly #closed = new Map<number, SpanDigest>()
  /** Those that may, by the byte behind their last one, the oldest first. */
  readonly #open = new Map<number, Open>()

  /** `bytes` have come at `offset`, where nothing was held. */
  add(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const at = offset + done
      const part = bytes.subarray(done, done + PIECE_BYTES - (at % PIECE_BYTES))
      this.#extend(at, part)
      done += part.length
    }
  }

  /** A span that was compared with the digest that it has. */
  addCompared(span: SpanDigest): void {
    this.#closed.set(span.start, span)
  }

  /** The one that begins at `start`, which grows no more then. */
  at(start: number): SpanDigest | undefined {
    const closed = this.#closed.get(start)
    if (closed !== undefined) return closed
    const open = [...this.#open.values()].find((each) => each.start === start)
    return open && this.#close(open)
  }

  delete(start: number): void {
    this.#closed.delete(start)
  }

  /** All of them, none of which grows any more: each is the very same object the next time. */
  all(): readonly SpanDigest[] {
    for (const open of this.#open.values()) this.#close(open)
    return [...this.#closed.values()]
  }

  clear(): void {
    this.#closed.clear()
    this.#open.clear()
  }

  #extend(at: number, part: Uint8Array): void {
    const before = at % PIECE_BYTES === 0 ? undefined : this.#open.get(at)
    const open = before ?? { start: at, end: at, hash: createHash('sha256') }
    this.#open.delete(at)
    open.hash.update(part)
    open.end = at + part.length
    this.#open.set(open.end, open)
    const [oldest] = this.#open.values()
    if (open.end % PIECE_BYTES === 0) this.#close(open)
    else if (this.#open.size > MAX_OPEN && oldest !== undefined) this.#close(oldest)
  }

  #close({ start, end, hash }: Open): SpanDigest {
    this.#open.delete(end)
    const span = { start, end, sha256: hash.digest() }
    this.#closed.set(start, span)
    return span
  }
}
