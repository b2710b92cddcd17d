/** What can be told from the state of an election, and where it begins. */
import type { Monotonic } from '../../core/clock.ts'
import type { Mandate } from './ballot.ts'
import type { Contest, Duty, ElectionState, Phase, Self } from './election-vocabulary.ts'

/** @param seen the highest term that was heard of before, over restarts. */
export function initialElection(seen: number): ElectionState {
  return {
    seen,
    mandate: undefined,
    heardAt: 0 as Monotonic,
    isLost: true,
    without: undefined,
    duty: undefined,
    phase: { kind: 'idle' },
  }
}

/** Believes what was known before a restart, until it should have been heard. */
export function restoredElection(seen: number, mandate: Mandate, at: Monotonic, self: Self): ElectionState {
  const known = { seen: Math.max(seen, mandate.term), mandate, heardAt: at, isLost: false }
  return resting({ ...initialElection(seen), ...known }, self)
}

/** Who provides, as far as is known. */
export function providerOf({ mandate, isLost }: ElectionState): Mandate | undefined {
  return isLost ? undefined : mandate
}

/** Whether it is being found out who provides. */
export function isUndecided({ phase }: ElectionState): boolean {
  return phase.kind !== 'idle' && phase.kind !== 'following' && phase.kind !== 'providing'
}

/** When to wake the machine; `undefined`: it waits for nothing. */
export function dueOf({ phase, duty }: ElectionState): Monotonic | undefined {
  const dues = [phaseDue(phase), duty && dutyDue(duty)].filter((each) => each !== undefined)
  return dues.length === 0 ? undefined : (Math.min(...dues) as Monotonic)
}

export function phaseDue(phase: Phase): Monotonic | undefined {
  if (!('due' in phase)) return undefined
  const [again = phase.due] = 'again' in phase ? phase.again : []
  return Math.min(phase.due, again) as Monotonic
}

export function dutyDue({ due, again: [again = due] }: Duty): Monotonic {
  return Math.min(due, again) as Monotonic
}

/** Back to where nothing is to be found out. */
export function resting(state: ElectionState, { node, timing }: Self): ElectionState {
  const provider = providerOf(state)
  if (provider === undefined) return { ...state, phase: { kind: 'idle' } }
  if (provider.node === node) return { ...state, phase: { kind: 'providing' } }
  const due = later(state.heardAt, timing.silenceMs)
  return { ...state, phase: { kind: 'following', due, doubtSince: undefined } }
}

/** The election that a phase is part of. */
export function contestOf(phase: Phase): Contest | undefined {
  return 'contest' in phase ? phase.contest : undefined
}

export function later(from: number, ms: number): Monotonic {
  return (from + ms) as Monotonic
}
