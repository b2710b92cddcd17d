/** Every use of the gateway and everything that it refused, counted and shown (`ihave status`, the log). */
import type { Clock, EpochMs } from '../core/clock.ts'

/** One request that was answered, or not. */
export interface GatewayUse {
  /** What people call the member; absent: not a member of the site. */
  readonly member?: string
  /** Where the request came from. */
  readonly from: string
  readonly method: string
  /** Without its query. */
  readonly url: string
  /** `withdrawn`: whoever asked needed it no longer before there was an answer. */
  readonly outcome: 'served' | 'failed' | 'withdrawn' | 'refused'
  /** Of the refusal or the failure. */
  readonly reason?: string
  /** The same for people, where there is more to say. */
  readonly detail?: string
  readonly status: number
  readonly bytes: number
  readonly ms: number
}

export interface GatewayTotals {
  readonly served: number
  readonly failed: number
  readonly withdrawn: number
  readonly bytes: number
  readonly refused: Readonly<Record<string, number>>
  readonly members: readonly MemberUse[]
  /** The most recent refusals, the last first. */
  readonly lastRefused: readonly (GatewayUse & { readonly at: EpochMs })[]
}

export interface MemberUse {
  readonly name: string
  readonly requests: number
  readonly bytes: number
  readonly refused: number
}

export interface Audit {
  note(use: GatewayUse): void
  totals(): GatewayTotals
}

/** Refusals that are shown. */
const MAX_SHOWN = 10
/** Members that are told apart; the rest is one line. */
export const MAX_MEMBERS_SHOWN = 256
const OTHERS = '(others)'

/** @param log one line for each. */
export function audit(clock: Clock, log: (use: GatewayUse) => void): Audit {
  const refused: Record<string, number> = {}
  const members = new Map<string, { requests: number; bytes: number; refused: number }>()
  let lastRefused: readonly (GatewayUse & { readonly at: EpochMs })[] = []
  const counts = { served: 0, failed: 0, withdrawn: 0, bytes: 0 }
  const noteMember = ({ member, bytes, outcome }: GatewayUse) => {
    if (member === undefined) return
    const name = members.has(member) || members.size < MAX_MEMBERS_SHOWN ? member : OTHERS
    const known = members.get(name) ?? { requests: 0, bytes: 0, refused: 0 }
    known.requests += 1
    known.bytes += bytes
    known.refused += outcome === 'refused' ? 1 : 0
    members.set(name, known)
  }
  return {
    note(use) {
      counts.bytes += use.bytes
      noteMember(use)
      if (use.outcome === 'refused') {
        const reason = use.reason ?? ''
        refused[reason] = (refused[reason] ?? 0) + 1
        lastRefused = [{ ...use, at: clock.wall() }, ...lastRefused].slice(0, MAX_SHOWN)
      } else counts[use.outcome] += 1
      log(use)
    },
    totals: () => ({
      ...counts,
      refused: { ...refused },
      members: [...members].map(([name, use]) => ({ name, ...use })),
      lastRefused,
    }),
  }
}
