/**
 * What was refused on the port for files, counted and shown (`ihave status`): in 2012 the ancestor's port relayed for anybody, and
 * nobody saw it.
 */
import type { Clock, EpochMs } from '../core/clock.ts'
import type { PeerRefusal } from './peer-answer.ts'

/** What was tried. Append-only. */
export type AbuseKind =
  | PeerRefusal
  /** A tunnel to elsewhere. */
  | 'connect'
  | 'upgrade'
  /** A connection from beyond the LAN. */
  | 'off-link'
  | 'too-many-connections'
  /** Requests that do not wait for answers: no peer sends them, and many of them keep the node from everything else. */
  | 'pipelined'
  /** No HTTP. */
  | 'malformed'

export interface Abuse {
  readonly kind: AbuseKind
  /** Where it came from. */
  readonly from: string
  /** Method and target, as far as they were read and fit; empty: nothing was. */
  readonly request: string
}

export interface AbuseTotals {
  /** How many of each kind. */
  readonly refused: Readonly<Record<string, number>>
  /** The most recent ones, the last first. */
  readonly lastRefused: readonly (Abuse & { readonly at: EpochMs })[]
}

export interface Abuses {
  /** @returns how many of its kind there are now. */
  note(abuse: Abuse): number
  totals(): AbuseTotals
}

/** Refusals that are shown. */
const MAX_SHOWN = 10
/** Of what a stranger wrote, in characters. */
const MAX_REQUEST = 300

export function abuses(clock: Clock): Abuses {
  const refused: Record<string, number> = {}
  let lastRefused: AbuseTotals['lastRefused'] = []
  return {
    note(abuse) {
      const request = abuse.request.slice(0, MAX_REQUEST)
      lastRefused = [{ ...abuse, request, at: clock.wall() }, ...lastRefused].slice(0, MAX_SHOWN)
      return (refused[abuse.kind] = (refused[abuse.kind] ?? 0) + 1)
    },
    totals: () => ({ refused: { ...refused }, lastRefused }),
  }
}
