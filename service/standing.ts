/** For which functions this machine stands, and what it is worth: as long as it reaches the Internet, and belongs to a site. */
import type { ReachState } from '../gateway/machines/reach.ts'
import { CHECKER_FUNCTION, CHECKER_PATH, GATEWAY_FUNCTION, GATEWAY_PATH } from '../gateway/wire.ts'
import type { FunctionName, Functions, Offering } from '../providers/functions.ts'

export interface StandingComponents {
  readonly functions: () => Functions | undefined
  readonly offersGateway: boolean
  readonly offersChecks: boolean
  readonly isMember: () => boolean
  /** `address:port` where this node serves its peers; `undefined`: it does not. */
  readonly place: () => string | undefined
  readonly reach: () => ReachState
  /** Whether the system has a default route. */
  readonly hasRoute: () => boolean
  /** How good a provider this machine would be (providers/criteria.ts). */
  readonly value: () => number
}

export interface Standing {
  /** Whether it could do it now. */
  readonly isReady: () => boolean
  /** From now on. */
  stand(): void
  /** It can no longer, and hands over. More than once is harmless. */
  resign(): void
}

/** What a machine is worth that has not tried its own access yet: others come first. */
const UNTRIED = 1

export function standing(components: StandingComponents): Standing {
  const { functions, offersGateway, offersChecks, isMember, place } = components
  const worth = () => worthOf(components)
  const isReady = () => isMember() && place() !== undefined && worth() > 0
  let offerings: readonly Offering[] = []
  const offer = (all: Functions, name: FunctionName, path: string) =>
    all.offer(name, {
      value: () => (isReady() ? worth() : 0),
      location: () => (isReady() ? `http://${place()}${path}` : undefined),
    })
  return {
    isReady,
    stand() {
      const all = functions()
      if (all === undefined || offerings.length > 0) return
      offerings = [
        ...(offersGateway ? [offer(all, GATEWAY_FUNCTION, GATEWAY_PATH)] : []),
        ...(offersChecks ? [offer(all, CHECKER_FUNCTION, CHECKER_PATH)] : []),
      ]
    },
    resign() {
      for (const each of offerings) each.withdraw()
      offerings = []
    },
  }
}

function worthOf({ reach, hasRoute, value }: StandingComponents): number {
  const state = reach()
  if (state.kind === 'isolated') return 0
  if (state.reachedAt !== undefined) return value()
  return hasRoute() && state.failures.length === 0 ? UNTRIED : 0
}
