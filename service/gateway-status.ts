/** What `ihave status` says of the gateway, of its users and of the checks for the site. */
import type { Monotonic } from '../core/clock.ts'
import type { GatewayTotals } from '../gateway/audit.ts'
import type { GatewayClient } from '../gateway/gateway-client.ts'
import type { ReachState } from '../gateway/machines/reach.ts'
import type { ChecksStatus } from '../gateway/update-checks.ts'
import { CHECKER_FUNCTION, GATEWAY_FUNCTION } from '../gateway/wire.ts'
import type { Provider } from '../providers/functions.ts'

export interface GatewayStatus {
  /** Whether this machine reaches the Internet itself; `unknown`: it has not tried yet. */
  readonly reach: 'direct' | 'isolated' | 'unknown'
  /** For how long it has been isolated, in ms. */
  readonly forMs: number | undefined
  /** What came by way of a gateway, and the one used last. */
  readonly asked: { readonly gateway: string | undefined; readonly requests: number; readonly bytes: number }
  /** What was done for others. */
  readonly isOffering: boolean
  readonly served: GatewayTotals
  readonly checks: ChecksStatus
}

/** What there is to say of the product's own functions beside who performs them; `undefined`: nothing. */
export function functionNote(
  name: string,
  provider: Pick<Provider, 'source'> | undefined,
  { isMember, checks }: { readonly isMember: boolean; readonly checks: ChecksStatus },
): string | undefined {
  const isChecker = name === CHECKER_FUNCTION
  if (!isChecker && name !== GATEWAY_FUNCTION) return undefined
  if (provider === undefined && !isMember) return 'this machine belongs to no site (ihave site)'
  if (!isChecker) return undefined
  const { watched, checks: made } = checks
  if (provider === undefined) return watched === 0 ? 'nothing to check yet' : undefined
  if (provider.source !== 'self') return undefined
  if (watched === 0) return 'nothing to check yet'
  return made === 0 ? `${watched} to check, none checked yet` : `${watched} to check, ${made} checks made`
}

export function reachStatus(state: ReachState, now: Monotonic): Pick<GatewayStatus, 'reach' | 'forMs'> {
  if (state.kind === 'isolated') return { reach: 'isolated', forMs: Math.round(now - state.since) }
  return { reach: state.reachedAt === undefined ? 'unknown' : 'direct', forMs: undefined }
}

export function askedStatus({ current, requests, bytes }: GatewayClient): GatewayStatus['asked'] {
  return { gateway: current, requests, bytes }
}
