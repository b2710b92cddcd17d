/**
 * Whether this machine reaches the Internet itself (patent A, FIG. 1; R10.4). It asks nobody: it is told what became of the
 * node's own requests, and whether the system has a route. Pure; times come in with the events.
 *
 * One server that does not answer says little; two in a row do, or one where there is no default route either. From then on a
 * request now and then tries the direct way first, and its success ends it.
 */
import type { Monotonic } from '../../core/clock.ts'

export type ReachState =
  /** The direct way works, as far as is known. */
  | {
      readonly kind: 'direct'
      /** Servers that could not be reached since one last was. */
      readonly failures: readonly Failure[]
      /** When a server on the Internet last answered. */
      readonly reachedAt: Monotonic | undefined
    }
  | {
      readonly kind: 'isolated'
      readonly since: Monotonic
      /** When a request may try the direct way again. */
      readonly tryAt: Monotonic
      /** How long it is put off after that, in ms. */
      readonly waitMs: number
      /** Whether there was a default route when it was last looked for. */
      readonly hadRoute: boolean
    }

interface Failure {
  readonly server: string
  readonly at: Monotonic
}

export type ReachEvent =
  /** A request is to be made; `hasRoute`: whether the system has a default route, where that is known. */
  | { readonly kind: 'asked'; readonly at: Monotonic; readonly hasRoute: boolean }
  /** A server on the Internet has answered this machine. */
  | { readonly kind: 'reached'; readonly at: Monotonic }
  /** A gateway got what this machine could not from this server, which so is not to blame. */
  | { readonly kind: 'bypassed'; readonly at: Monotonic; readonly server: string; readonly hasRoute: boolean }
  /** No connection to this server came about: no name, no route, no answer. */
  | { readonly kind: 'failed'; readonly at: Monotonic; readonly server: string; readonly hasRoute: boolean }

export type ReachCommand =
  /** The way of the request that was asked for; `try`: direct, but not for long. */
  | { readonly kind: 'go'; readonly way: 'direct' | 'try' | 'gateway' }
  /** For logs, and for whoever offers the way to others. */
  | { readonly kind: 'changed'; readonly to: 'direct' | 'isolated' }

type Step = readonly [ReachState, readonly ReachCommand[]]

/** A failure that is older says nothing about now, in ms. */
export const FAILURE_COUNTS_MS = 120_000
/** So many servers must be out of reach where the system has a route. */
export const SERVERS_OUT_OF_REACH = 2
/** The first try comes after this, in ms; each that fails doubles it. */
export const FIRST_TRY_MS = 15_000
export const LONGEST_WAIT_MS = 240_000
/** After a success it is not doubted for so long, in ms. */
export const SURE_MS = 30_000

export const REACH_START: ReachState = { kind: 'direct', failures: [], reachedAt: undefined }

export function step(state: ReachState, event: ReachEvent): Step {
  switch (event.kind) {
    case 'asked':
      return state.kind === 'direct'
        ? [state, [{ kind: 'go', way: wayOf(state) }]]
        : askedWhenIsolated(state, event)
    case 'reached':
      return [
        { kind: 'direct', failures: [], reachedAt: event.at },
        state.kind === 'direct' ? [] : [{ kind: 'changed', to: 'direct' }],
      ]
    case 'failed':
      return state.kind === 'direct' ? failed(state, event) : [state, []]
    case 'bypassed':
      return state.kind === 'direct' ? bypassed(state, event) : [state, []]
  }
}

/** As long as nothing was ever reached, nobody waits for the direct way as for one that is known to work. */
function wayOf({ reachedAt }: Extract<ReachState, { kind: 'direct' }>): 'direct' | 'try' {
  return reachedAt === undefined ? 'try' : 'direct'
}

/** Whether a request that has just failed may be the first to show that there is no Internet here. */
export function isDoubtful(state: ReachState, at: Monotonic): boolean {
  return state.kind === 'isolated' || state.reachedAt === undefined || at - state.reachedAt > SURE_MS
}

/** A new route is worth a try at once. */
function askedWhenIsolated(
  state: Extract<ReachState, { kind: 'isolated' }>,
  { at, hasRoute }: Extract<ReachEvent, { kind: 'asked' }>,
): Step {
  const isNewRoute = hasRoute && !state.hadRoute
  const known = { ...state, hadRoute: hasRoute }
  if (!isNewRoute && at < state.tryAt) return [known, [{ kind: 'go', way: 'gateway' }]]
  const waitMs = isNewRoute ? FIRST_TRY_MS : Math.min(2 * state.waitMs, LONGEST_WAIT_MS)
  return [{ ...known, waitMs, tryAt: after(at, waitMs) }, [{ kind: 'go', way: 'try' }]]
}

function failed(
  state: Extract<ReachState, { kind: 'direct' }>,
  { at, server, hasRoute }: Extract<ReachEvent, { kind: 'failed' }>,
): Step {
  const others = state.failures.filter(
    (failure) => failure.server !== server && at - failure.at < FAILURE_COUNTS_MS,
  )
  const failures = [...others, { server, at }]
  return failures.length < (hasRoute ? SERVERS_OUT_OF_REACH : 1)
    ? [{ ...state, failures }, []]
    : isolated(at, hasRoute)
}

function bypassed(
  state: Extract<ReachState, { kind: 'direct' }>,
  { at, server, hasRoute }: Extract<ReachEvent, { kind: 'bypassed' }>,
): Step {
  const isKnown = state.failures.some((failure) => failure.server === server)
  return isKnown ? isolated(at, hasRoute) : [state, []]
}

function isolated(at: Monotonic, hadRoute: boolean): Step {
  const tryAt = after(at, FIRST_TRY_MS)
  return [
    { kind: 'isolated', since: at, tryAt, waitMs: FIRST_TRY_MS, hadRoute },
    [{ kind: 'changed', to: 'isolated' }],
  ]
}

function after(at: Monotonic, ms: number): Monotonic {
  return (at + ms) as Monotonic
}

/** For docs/state-diagrams.md. */
export const REACH_TRANSITIONS = [
  ['direct', 'asked', 'direct', 'the direct way'],
  ['direct', 'reached', 'direct', 'failures of before do not count'],
  ['direct', 'failed', 'direct', 'one server with a route: noted'],
  ['direct', 'failed', 'isolated', 'the second server, or no route'],
  ['direct', 'bypassed', 'isolated', 'a gateway reaches what did not answer here'],
  ['direct', 'bypassed', 'direct', 'it had not failed here'],
  ['isolated', 'bypassed', 'isolated', 'nothing new'],
  ['isolated', 'asked', 'isolated', 'the gateway; now and then a try'],
  ['isolated', 'failed', 'isolated', 'nothing new'],
  ['isolated', 'reached', 'direct', 'its own access is back'],
] as const
