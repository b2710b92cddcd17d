/**
 * When to check for updates (R9.3, patent B [0056]): at boot, 5 minutes after boot, 6 hours after an unsuccessful check, 12
 * hours after a successful one, daily at a time. Pure: times and chance come in with the events.
 *
 * Timers stand still while a machine sleeps, and its calendar may be set. So the machine is woken often, decides by the
 * calendar, and compares that with the clock that never jumps: what was set back takes the plans along, and what is overdue,
 * for whichever reason, is one check and not many.
 */
import type { EpochMs, Monotonic } from '../../core/clock.ts'

/** Durations in milliseconds; `undefined`: not for this reason. */
export interface ScheduleSettings {
  readonly atBoot: boolean
  readonly afterBootMs: number | undefined
  readonly afterFailureMs: number
  readonly afterSuccessMs: number
  /** Minutes since midnight, local time. */
  readonly dailyAt: number | undefined
  /** Every plan is put off by up to this, so that not all machines ask at once. */
  readonly jitterMs: number
}

/** Why a check is made. */
export type Occasion = 'boot' | 'after-boot' | 'interval' | 'daily' | 'asked'
type Planned = Exclude<Occasion, 'asked'>

/** The two clocks, and how local time differs from UTC just now. */
export interface Moment {
  readonly wall: EpochMs
  readonly monotonic: Monotonic
  /** Minutes that local time is ahead of UTC. */
  readonly utcOffsetMinutes: number
}

/** What outlives the process. */
export interface ScheduleMemory {
  readonly lastCheck?: { readonly at: EpochMs; readonly isSuccess: boolean }
  /** The boot whose checks were made already. */
  readonly boot?: { readonly id: string; readonly made: readonly ('boot' | 'after-boot')[] }
}

export interface ScheduleState {
  readonly memory: ScheduleMemory
  readonly bootId: string
  readonly plans: Readonly<Partial<Record<Planned, EpochMs>>>
  readonly isChecking: boolean
  readonly last: Moment
}

export type ScheduleEvent =
  | {
      readonly kind: 'started'
      readonly now: Moment
      readonly memory: ScheduleMemory
      /** Identifies the machine's boot. */
      readonly bootId: string
      /** How long the machine has been up. */
      readonly upMs: number
      readonly fraction: number
    }
  /** Time has passed, as was asked for or for another reason; `fraction` in [0, 1) is the chance for jitter. */
  | { readonly kind: 'woken'; readonly now: Moment; readonly fraction: number }
  | { readonly kind: 'asked'; readonly now: Moment; readonly fraction: number }
  | { readonly kind: 'checked'; readonly now: Moment; readonly isSuccess: boolean; readonly fraction: number }

export type ScheduleCommand =
  | { readonly kind: 'check'; readonly occasion: Occasion }
  /** The only timer; a new one takes the place of the old. */
  | { readonly kind: 'wake'; readonly afterMs: number }
  | { readonly kind: 'keep'; readonly memory: ScheduleMemory }

type Step = readonly [ScheduleState, readonly ScheduleCommand[]]

/** A sleeping machine notices within this after it woke. */
export const LONGEST_WAIT_MS = 5 * 60_000
/** Less is a clock being kept right, not set. */
const SET_BACK_MS = 60_000
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

export function step(
  settings: ScheduleSettings,
  state: ScheduleState | undefined,
  event: ScheduleEvent,
): Step {
  if (event.kind === 'started') return begin(settings, event)
  if (state === undefined) return [NEVER, []]
  const now = moved(settings, state, event.now, event.fraction)
  switch (event.kind) {
    case 'woken':
      return decide(now)
    case 'asked':
      return now.isChecking ? [now, [wake(now)]] : check(now, 'asked')
    case 'checked':
      return finish(settings, now, event.isSuccess, event.fraction)
  }
}

/** For events that come before the start. */
const NEVER: ScheduleState = {
  memory: {},
  bootId: '',
  plans: {},
  isChecking: false,
  last: { wall: 0 as EpochMs, monotonic: 0 as Monotonic, utcOffsetMinutes: 0 },
}

function begin(settings: ScheduleSettings, event: Extract<ScheduleEvent, { kind: 'started' }>): Step {
  const { now, bootId, upMs, fraction } = event
  const memory = believable(event.memory, now)
  const made = memory.boot?.id === bootId ? memory.boot.made : []
  const bootedAt = now.wall - upMs
  const late = fraction * settings.jitterMs
  const { afterBootMs } = settings
  const plans = {
    ...(settings.atBoot && !made.includes('boot') ? { boot: now.wall } : {}),
    ...(afterBootMs !== undefined && !made.includes('after-boot')
      ? { 'after-boot': time(Math.max(now.wall, bootedAt + afterBootMs + late)) }
      : {}),
    ...intervalPlan(settings, memory, now, fraction),
    ...dailyPlan(settings, now, fraction, memory.lastCheck?.at),
  }
  return decide({ memory, bootId, plans, isChecking: false, last: now })
}

/** A check in the future was made by a clock that was wrong. */
function believable(memory: ScheduleMemory, { wall }: Moment): ScheduleMemory {
  const { lastCheck } = memory
  return lastCheck && lastCheck.at > wall ? { ...memory, lastCheck: { ...lastCheck, at: wall } } : memory
}

/** Time has gone on; where the calendar was set back, the plans go along. */
function moved(
  settings: ScheduleSettings,
  state: ScheduleState,
  now: Moment,
  fraction: number,
): ScheduleState {
  const jump = now.wall - state.last.wall - (now.monotonic - state.last.monotonic)
  const isSetBack = jump < -SET_BACK_MS
  const isElsewhere = now.utcOffsetMinutes !== state.last.utcOffsetMinutes
  const shifted = isSetBack ? mapPlans(state.plans, (at) => time(at + jump)) : state.plans
  const { lastCheck } = state.memory
  const memory =
    isSetBack && lastCheck
      ? { ...state.memory, lastCheck: { ...lastCheck, at: time(Math.min(now.wall, lastCheck.at + jump)) } }
      : state.memory
  const daily = isSetBack || isElsewhere ? dailyPlan(settings, now, fraction, memory.lastCheck?.at) : {}
  return { ...state, memory, plans: { ...shifted, ...daily }, last: now }
}

/** What is due makes one check, named after what was planned first. */
function decide(state: ScheduleState): Step {
  const due = dueOf(state)
  const first = due[0]
  return first === undefined || state.isChecking ? [state, [wake(state)]] : check(state, first)
}

function dueOf({ plans, last }: ScheduleState): readonly Planned[] {
  return planned(plans)
    .filter(([, at]) => at <= last.wall)
    .map(([occasion]) => occasion)
}

function check(state: ScheduleState, occasion: Occasion): Step {
  const due = dueOf(state)
  const plans = Object.fromEntries(planned(state.plans).filter(([each]) => !due.includes(each)))
  const memory = withMade(state, due)
  const next = { ...state, plans, memory, isChecking: true }
  return [next, [{ kind: 'keep', memory }, { kind: 'check', occasion }, wake(next)]]
}

function withMade({ memory, bootId }: ScheduleState, due: readonly Planned[]): ScheduleMemory {
  const before = memory.boot?.id === bootId ? memory.boot.made : []
  const made = due.filter((each) => each === 'boot' || each === 'after-boot')
  return made.length === 0
    ? memory
    : { ...memory, boot: { id: bootId, made: [...new Set([...before, ...made])] } }
}

function finish(
  settings: ScheduleSettings,
  state: ScheduleState,
  isSuccess: boolean,
  fraction: number,
): Step {
  const now = state.last
  // What came due meanwhile is done.
  const memory: ScheduleMemory = { ...withMade(state, dueOf(state)), lastCheck: { at: now.wall, isSuccess } }
  const later = Object.fromEntries(planned(state.plans).filter(([, at]) => at > now.wall))
  const plans = {
    ...later,
    ...intervalPlan(settings, memory, now, fraction),
    ...dailyPlan(settings, now, fraction, now.wall),
  }
  const next = { ...state, memory, plans, isChecking: false }
  return [next, [{ kind: 'keep', memory }, wake(next)]]
}

/** Never checked: the other plans begin; without any of them, at once. */
function intervalPlan(
  { afterFailureMs, afterSuccessMs, jitterMs, atBoot, afterBootMs, dailyAt }: ScheduleSettings,
  { lastCheck }: ScheduleMemory,
  { wall }: Moment,
  fraction: number,
): ScheduleState['plans'] {
  if (lastCheck === undefined) {
    const isPlanned = atBoot || afterBootMs !== undefined || dailyAt !== undefined
    return { interval: isPlanned ? time(wall + afterFailureMs) : wall }
  }
  const wait = lastCheck.isSuccess ? afterSuccessMs : afterFailureMs
  return { interval: time(lastCheck.at + wait + fraction * jitterMs) }
}

/** The next time of day that has not been met since the last check. */
function dailyPlan(
  { dailyAt, jitterMs }: ScheduleSettings,
  { wall, utcOffsetMinutes }: Moment,
  fraction: number,
  lastCheck: EpochMs | undefined,
): ScheduleState['plans'] {
  if (dailyAt === undefined) return {}
  const offset = (dailyAt - utcOffsetMinutes) * MINUTE_MS
  const from = lastCheck ?? wall
  const passed = Math.floor((from - offset) / DAY_MS)
  return { daily: time((passed + 1) * DAY_MS + offset + fraction * jitterMs) }
}

function wake({ plans, last, isChecking }: ScheduleState): ScheduleCommand {
  const first = Math.min(...planned(plans).map(([, at]) => at))
  const afterMs = isChecking ? LONGEST_WAIT_MS : Math.max(0, Math.min(first - last.wall, LONGEST_WAIT_MS))
  return { kind: 'wake', afterMs }
}

/** When the next check is planned; `undefined` while one is made. */
export function nextCheck({ plans, isChecking }: ScheduleState): EpochMs | undefined {
  const all = planned(plans).map(([, at]) => at)
  return isChecking || all.length === 0 ? undefined : time(Math.min(...all))
}

/** The earliest first. */
function planned(plans: ScheduleState['plans']): readonly (readonly [Planned, EpochMs])[] {
  return (Object.entries(plans) as [Planned, EpochMs][]).toSorted(([, one], [, other]) => one - other)
}

function mapPlans(plans: ScheduleState['plans'], change: (at: EpochMs) => EpochMs): ScheduleState['plans'] {
  return Object.fromEntries(planned(plans).map(([occasion, at]) => [occasion, change(at)]))
}

function time(epochMs: number): EpochMs {
  return Math.round(epochMs) as EpochMs
}
