/** What `ihave providers` and `ihave elect` ask of a running node. */
import { systemClock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { OWN_CALLS } from '../providers/election-limits.ts'
import { functionName, type FunctionName, type Provider } from '../providers/functions.ts'
import type { Providers } from '../providers/providers.ts'

/** One function as this node sees it. */
export interface FunctionStatus {
  readonly function: string
  readonly provider: ProviderStatus | null
  /** What the election machine does (docs/state-diagrams.md). */
  readonly phase: string
  /** With what this node would stand now; `null`: it cannot perform the function. */
  readonly ownValue: number | null
  /** What else people should know of it: why nobody performs it, or how far this node is with it. */
  readonly note: string | null
}

export interface ProviderStatus extends Omit<Provider, 'function' | 'member' | 'expires' | 'since'> {
  readonly member: string | null
  readonly isThisNode: boolean
  /** `null`: since it was configured. */
  readonly sinceMs: number | null
  readonly heardMsAgo: number | null
}

export interface FunctionOperations {
  list(): readonly FunctionStatus[]
  /** @throws Fault BAD_REQUEST for what is no name of a function, or where there can be none; OVERLOADED for too many. */
  elect(question: unknown): Promise<FunctionStatus>
}

export interface FunctionOperationsComponents {
  /** `undefined`: functions are off on this node, or it has no LAN. */
  readonly providers: () => Pick<Providers, 'overview' | 'callElection'> | undefined
  /** Why they are, in words for people. */
  readonly whyNone: () => string
  /** What the parts of this node that perform functions, or use them, have to say; `undefined`: nothing. */
  readonly noteOf?: (name: string, provider: Provider | undefined) => string | undefined
}

export function functionOperations({
  providers,
  whyNone,
  noteOf = () => undefined,
}: FunctionOperationsComponents): FunctionOperations {
  const noted = (overview: Overview): FunctionStatus => {
    const { name, provider } = overview
    const why = provider === undefined ? NOBODY_OFFERS : null
    return { ...statusOf(overview), note: noteOf(name, provider) ?? why }
  }
  const list = () => providers()?.overview().map(noted) ?? []
  return {
    list,
    async elect(question) {
      const text = (question as { readonly function?: unknown } | undefined)?.function
      const name = typeof text === 'string' ? functionName(text) : undefined
      if (name === undefined)
        throw new Fault('BAD_REQUEST', 'expected a function: 1 to 64 letters, digits, "-", "."')
      const known = providers()
      if (known === undefined) throw new Fault('BAD_REQUEST', `there can be no election: ${whyNone()}`)
      const called = known.callElection(name)
      if (called === undefined) throw new Fault('OVERLOADED', TOO_OFTEN(name))
      await called.decided
      return list().find((each) => each.function === name) ?? nobody(name)
    },
  }
}

const TOO_OFTEN = (name: FunctionName) =>
  `this node has called too many elections of ${name} lately: ${OWN_CALLS.burst} at once, then one each ${OWN_CALLS.refillMs / 1000} s; ` +
  'the provider stays the one that it is (ihave providers)'

const NOBODY_OFFERS = 'no machine has offered it yet'

type Overview = ReturnType<Providers['overview']>[number]

function statusOf({ name, provider, phase, heardMsAgo, ownValue }: Overview): Omit<FunctionStatus, 'note'> {
  if (provider === undefined) return { ...nobody(name), phase, ownValue: ownValue ?? null }
  const { function: _, member, expires: __, since, ...told } = provider
  const isConfigured = provider.source === 'configured'
  return {
    function: name,
    phase,
    ownValue: ownValue ?? null,
    provider: {
      ...told,
      member: member ?? null,
      isThisNode: provider.source === 'self',
      sinceMs: isConfigured ? null : Math.max(0, systemClock.wall() - since),
      heardMsAgo: isConfigured ? null : Math.round(heardMsAgo),
    },
  }
}

function nobody(name: string): FunctionStatus {
  return { function: name, provider: null, phase: 'idle', ownValue: null, note: NOBODY_OFFERS }
}
