/** Bytes that have come in a run, counted as they come: a refusal has cost what it has cost. */
import type { Received } from './events.ts'

export type Tally = { -readonly [Place in keyof Received]: number }

export function newTally(): Tally {
  return { catalogue: 0, internet: 0, peer: 0, cache: 0, kept: 0 }
}
