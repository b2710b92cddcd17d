/** What is read of a candidate in order to judge its signature: parts of it, and digests of parts. */
import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ByteSpan } from '../../core/ranges.ts'
import type { Candidate } from '../../core/verifier.ts'
import type { Hash } from '../../signing/algorithms.ts'

/** Bytes hashed before the event loop gets its turn: some milliseconds of SHA-256. */
const SLICE_BYTES = 1_048_576

/** The bytes of `span`, as far as the candidate has them. @throws Fault STORE_FAILED */
export async function bytesIn(candidate: Candidate, { start, end }: ByteSpan): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  const within = { start, end: Math.min(end, candidate.size) }
  if (within.start >= within.end) return Buffer.alloc(0)
  for await (const chunk of candidate.read(within)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** The digest over these spans, one after the other. @throws Fault STORE_FAILED */
export async function digestOver(
  candidate: Candidate,
  hash: Hash,
  spans: readonly ByteSpan[],
): Promise<Buffer> {
  const actual = createHash(hash)
  let hashed = 0
  for (const span of spans)
    for await (const chunk of candidate.read(span)) {
      actual.update(chunk)
      hashed += chunk.length
      if (hashed < SLICE_BYTES) continue
      hashed = 0
      await nextTurn()
    }
  return actual.digest()
}
