/**
 * What peers left behind when the origin server's turn comes, and no application has seen a byte of it yet (V§2).
 *
 * It is gone on with where the rest comes soon: who sends the right bytes and falls silent just before the end would otherwise cost
 * the whole time of the file. The whole is judged by its digest before a byte of it is released; where it is wrong, the origin server
 * sends what peers had sent (kept-end.ts), so that a liar costs no more than before. Meanwhile nobody is given it: the beginning may
 * be a liar's, and this node would be blamed for it. So others wait, and where the rest takes long it begins anew, for all of them.
 */
import type { Expectation } from '../core/verifier.ts'

/** Others wait for a promise for so long, and a little longer (peering/machines/inquiry-patience.ts), in ms. */
export const REST_MS = 500

/** What takes the origin server less than this is not worth the doubt: to ask it twice takes as long, in ms. */
export const SAVED_MS = 200

/** What is supposed of a line of which nothing is known. */
export const SUPPOSED_BYTES_PER_SECOND = 1_000_000

/** @param bytesPerSecond of the origin server, as last seen. */
export function isWorthGoingOn(
  expectation: Expectation,
  heldBytes: number,
  missingBytes: number,
  bytesPerSecond = SUPPOSED_BYTES_PER_SECOND,
): boolean {
  const takesMs = (bytes: number) => (bytes * 1000) / bytesPerSecond
  return isJudgedByTheWhole(expectation) && takesMs(missingBytes) <= REST_MS && takesMs(heldBytes) >= SAVED_MS
}

/** What members promise, the origin server is asked to prove (arrival.ts); what the updater proves, it was given at once. */
function isJudgedByTheWhole({ kind }: Expectation): boolean {
  return kind === 'digest' || kind === 'signature'
}
