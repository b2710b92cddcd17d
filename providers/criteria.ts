/**
 * How good a provider this machine would be (R10.1): a weighted mean of what is known of it. More criteria are more entries of
 * the list; which counts how much is `functions.weights`.
 */
import { MAX_VALUE } from './result.ts'

export interface Criterion {
  readonly name: string
  /** 0 (worst) to 1; `undefined`: nothing is known, which counts as neither good nor bad. */
  readonly measure: () => number | undefined
}

/** What is known of a machine, each as it is now. */
export interface MachineState {
  /** 1: the Internet is within reach; 0: it is not. */
  readonly reach: number | undefined
  /** From the Internet, in bytes per second. */
  readonly bytesPerSecond: number | undefined
  readonly isWired: boolean | undefined
  readonly isOnMains: boolean | undefined
  readonly upSeconds: number | undefined
  readonly freeBytes: number | undefined
  /** The administrator's: 0 (rather not) to 100. */
  readonly preference: number
}

/** What each criterion counts unless configured: the Internet and the administrator most. */
export const WEIGHTS: Readonly<Record<string, number>> = {
  reach: 30,
  speed: 20,
  wired: 15,
  mains: 15,
  uptime: 5,
  disk: 5,
  preference: 30,
}

/** More than a day of running, and more than 50 GB of free disk, count no more. */
const FULL = { upSeconds: 86_400, freeBytes: 50e9 }
/** Between these two the speed counts by its logarithm, in bytes per second. */
const SPEED = { least: 1e4, most: 1e8 }

export function machineCriteria(state: () => MachineState): readonly Criterion[] {
  return [
    { name: 'reach', measure: () => state().reach },
    { name: 'speed', measure: () => speedOf(state().bytesPerSecond) },
    { name: 'wired', measure: () => numeric(state().isWired) },
    { name: 'mains', measure: () => numeric(state().isOnMains) },
    { name: 'uptime', measure: () => share(state().upSeconds, FULL.upSeconds) },
    { name: 'disk', measure: () => share(state().freeBytes, FULL.freeBytes) },
    { name: 'preference', measure: () => state().preference / 100 },
  ]
}

/** Nothing known is half as good as the best. */
const NEUTRAL = 0.5

/** @param weights by name; a criterion without one does not count. @returns 1 to `MAX_VALUE`. */
export function criterionValue(
  criteria: readonly Criterion[],
  weights: Readonly<Record<string, number>> = WEIGHTS,
): number {
  const weighed = criteria.map(({ name, measure }) => {
    const weight = Math.max(0, weights[name] ?? 0)
    return { weight, worth: weight * clamped(measure() ?? NEUTRAL) }
  })
  const total = weighed.reduce((sum, { weight }) => sum + weight, 0)
  const worth = weighed.reduce((sum, each) => sum + each.worth, 0)
  return Math.max(1, Math.round(MAX_VALUE * (total === 0 ? NEUTRAL : worth / total)))
}

function speedOf(bytesPerSecond: number | undefined): number | undefined {
  if (bytesPerSecond === undefined) return undefined
  const { least, most } = SPEED
  return Math.log(Math.max(least, bytesPerSecond) / least) / Math.log(most / least)
}

function share(amount: number | undefined, full: number): number | undefined {
  return amount === undefined ? undefined : amount / full
}

function numeric(flag: boolean | undefined): number | undefined {
  return flag === undefined ? undefined : Number(flag)
}

function clamped(value: number): number {
  return Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : NEUTRAL
}
