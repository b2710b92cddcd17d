/**
 * A signature that lies beside the file (R8.2): CMS, detached, at the file's URL with `.p7s`, `.sign` or the like at its end.
 *
 * Stops a peer that changes a byte or makes a file of its own, like one in the file. It also stops the genuine older file
 * under the new name, for the signature comes from the origin server, under the requested name, and is over other bytes. It
 * does not stop whoever can answer in the origin server's place with an old signature, and send the old file as a peer.
 */
import type { Candidate } from '../../core/verifier.ts'
import type { Trust } from '../../signing/chain.ts'
import { readDetached } from '../../signing/judge.ts'
import { digestOver } from './file-bytes.ts'

/** @param now milliseconds since 1970. @throws Refusal; Fault STORE_FAILED when the candidate cannot be read */
export async function checkDetached(
  candidate: Candidate,
  signature: Uint8Array,
  trust: Trust,
  now: number,
): Promise<void> {
  const { hash, check } = readDetached(signature)
  const whole = [{ start: 0, end: candidate.size }]
  const digest =
    hash === 'sha256' ? Buffer.from(candidate.sha256, 'hex') : await digestOver(candidate, hash, whole)
  check(digest, trust, now)
}
