/**
 * Memory for pieces of bodies on their way from a file to a connection, used again and again: fresh memory costs the
 * kernel as much as the reading.
 */
import type { BodyBuffers } from './plain-exchange.ts'

/** Bytes of one buffer: the pieces that stored bodies are read in. */
const BUFFER_BYTES = 1024 * 1024
/** Buffers that are kept while nobody needs them. */
const KEPT = 8

export function bodyBuffers(): BodyBuffers {
  const free: ArrayBufferLike[] = []
  const lent = new WeakSet<ArrayBufferLike>()
  return {
    take(bytes) {
      if (bytes > BUFFER_BYTES) return Buffer.allocUnsafeSlow(bytes)
      const memory = free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES).buffer
      lent.add(memory)
      return Buffer.from(memory, 0, bytes)
    },
    give({ buffer }) {
      // What comes from elsewhere belongs to somebody else, and what comes twice is in use again.
      if (lent.delete(buffer) && free.length < KEPT) free.push(buffer)
    },
  }
}
