/**
 * When catalogues and indexes of updates are checked on behalf of all (R10.4; the function `update-checker`). Pure; times and
 * chance come in with the events.
 *
 * What machines wish is watched on every node, so that whoever is elected knows its own at once; only the elected one checks.
 */
import type { Monotonic } from '../../core/clock.ts'
import type { TargetUri } from '../../core/target-uri.ts'

export interface ChecksState {
  /** Whether this node is the one that checks. */
  readonly isElected: boolean
  /** The one that was wished least lately comes first. */
  readonly watched: readonly Watched[]
}

interface Watched {
  readonly uri: TargetUri
  readonly wishedAt: Monotonic
  readonly dueAt: Monotonic
  readonly isChecking: boolean
  /** Checks in a row that brought nothing. */
  readonly failures: number
  /** What was found last, as the SHA-256 of its bytes. */
  readonly found: string | undefined
}

export type ChecksEvent =
  /** This node checks from now on; `fraction` in [0, 1) is the chance that spreads what is to be done. */
  | { readonly kind: 'elected'; readonly at: Monotonic; readonly fraction: number }
  | { readonly kind: 'dismissed' }
  /** A machine uses this. */
  | { readonly kind: 'wished'; readonly at: Monotonic; readonly uri: TargetUri; readonly fraction: number }
  | { readonly kind: 'woken'; readonly at: Monotonic }
  | {
      readonly kind: 'checked'
      readonly at: Monotonic
      readonly uri: TargetUri
      /** `undefined`: nothing came. */
      readonly found: string | undefined
      readonly fraction: number
    }

export type ChecksCommand =
  | { readonly kind: 'check'; readonly uri: TargetUri }
  /** There is something new; the first time this is not known to be so. */
  | { readonly kind: 'news'; readonly uri: TargetUri; readonly isFirst: boolean }
  /** The only timer; a new one takes the place of the old. */
  | { readonly kind: 'wake'; readonly afterMs: number }

type Step = readonly [ChecksState, readonly ChecksCommand[]]

/** URLs that are watched; the one that was wished least lately makes room. */
export const MAX_WATCHED = 200
/** What nobody has wished for so long is not checked any more, in ms. */
export const WISH_MS = 24 * 3_600_000
/** Checks that run at the same time. */
export const CHECKS_AT_ONCE = 2
/** What has just been wished is checked within this, in ms. */
const SOON_MS = 5_000
/** A check that brings nothing is put off by at most this much more than another. */
const MOST_PATIENCE = 4

export const CHECKS_START: ChecksState = { isElected: false, watched: [] }

/** @param everyMs between two checks of one URL, give or take a tenth. */
export function step(everyMs: number, state: ChecksState, event: ChecksEvent): Step {
  switch (event.kind) {
    case 'elected':
      return go(
        { isElected: true, watched: state.watched.map((each) => soon(each, everyMs, event)) },
        event.at,
      )
    case 'dismissed':
      return [{ ...state, isElected: false }, []]
    case 'wished':
      return go({ ...state, watched: wished(everyMs, state.watched, event) }, event.at)
    case 'woken':
      return go(state, event.at)
    case 'checked':
      return checked(everyMs, state, event)
  }
}

interface Chance {
  readonly at: Monotonic
  readonly fraction: number
}

function soon(each: Watched, everyMs: number, { at, fraction }: Chance): Watched {
  return { ...each, dueAt: later(at, fraction * Math.min(SOON_MS, everyMs)) }
}

function wished(
  everyMs: number,
  watched: readonly Watched[],
  { uri, at, fraction }: Extract<ChecksEvent, { kind: 'wished' }>,
): readonly Watched[] {
  const known = watched.find((each) => each.uri === uri)
  const unknown = { uri, wishedAt: at, dueAt: at, isChecking: false, failures: 0, found: undefined }
  const each = known === undefined ? soon(unknown, everyMs, { at, fraction }) : { ...known, wishedAt: at }
  return [...watched.filter((other) => other !== known), each].slice(-MAX_WATCHED)
}

function checked(
  everyMs: number,
  state: ChecksState,
  { uri, at, found, fraction }: Extract<ChecksEvent, { kind: 'checked' }>,
): Step {
  const known = state.watched.find((each) => each.uri === uri)
  if (known === undefined) return go(state, at)
  const failures = found === undefined ? known.failures + 1 : 0
  const waitMs = everyMs * (0.9 + 0.2 * fraction) * Math.min(2 ** failures, MOST_PATIENCE)
  const now = { ...known, isChecking: false, failures, found: found ?? known.found, dueAt: later(at, waitMs) }
  const isNews = found !== undefined && found !== known.found
  const news = isNews ? [{ kind: 'news', uri, isFirst: known.found === undefined } as const] : []
  const watched = state.watched.map((each) => (each === known ? now : each))
  const [next, commands] = go({ ...state, watched }, at)
  return [next, [...news, ...commands]]
}

/** Begins what is due, and says when to look again. */
function go(state: ChecksState, at: Monotonic): Step {
  if (!state.isElected) return [state, []]
  const wanted = state.watched.filter((each) => each.isChecking || at - each.wishedAt < WISH_MS)
  const running = wanted.filter(({ isChecking }) => isChecking).length
  const due = wanted.filter((each) => !each.isChecking && each.dueAt <= at)
  const begun = due.slice(0, Math.max(0, CHECKS_AT_ONCE - running))
  const watched = wanted.map((each) => (begun.includes(each) ? { ...each, isChecking: true } : each))
  const checks = begun.map(({ uri }) => ({ kind: 'check', uri }) as const)
  const waiting = watched.filter(({ isChecking, dueAt }) => !isChecking && dueAt > at)
  const first = Math.min(...waiting.map(({ dueAt }) => dueAt))
  const wake = first === Infinity ? [] : [{ kind: 'wake', afterMs: first - at } as const]
  return [{ ...state, watched }, [...checks, ...wake]]
}

function later(at: Monotonic, ms: number): Monotonic {
  return (at + ms) as Monotonic
}
