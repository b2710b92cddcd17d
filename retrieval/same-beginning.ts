/** What a source sends behind bytes that are here already, if it sends the same. */
import { Fault } from '../core/fault.ts'
import { createDigest } from '../core/hash.ts'

/**
 * `body` without its first `bytes`, once these were found to be those of `before`; then `onSame` is called, before anything is
 * given. @throws Fault VERIFICATION_FAILED when they are others.
 */
export async function* behindTheSame(
  before: AsyncIterable<Uint8Array>,
  bytes: number,
  body: AsyncIterable<Uint8Array>,
  who: string,
  onSame: () => void,
): AsyncGenerator<Uint8Array> {
  const ours = createDigest('sha-256')
  for await (const chunk of before) ours.update(chunk)
  const theirs = createDigest('sha-256')
  let left = bytes
  for await (const chunk of body) {
    const same = chunk.subarray(0, left)
    if (left > 0) theirs.update(same)
    left -= same.length
    if (left === 0 && same.length > 0) {
      if (theirs.hex() !== ours.hex())
        throw new Fault('VERIFICATION_FAILED', `${who} has other bytes before ${bytes}`)
      onSame()
    }
    if (chunk.length > same.length) yield chunk.subarray(same.length)
  }
}
