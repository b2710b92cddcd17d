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
  for (const span of spans) await pass(candidate, span, (chunk) => actual.update(chunk))
  return actual.digest()
}

/** Shows the bytes of `span` in order, and lets others have their turn in between. @throws Fault STORE_FAILED */
export async function pass(
  candidate: Candidate,
  span: ByteSpan,
  show: (chunk: Uint8Array) => void,
): Promise<void> {
  let shown = 0
  for await (const chunk of candidate.read(span)) {
    show(chunk)
    shown += chunk.length
    if (shown < SLICE_BYTES) continue
    shown = 0
    await nextTurn()
  }
}
