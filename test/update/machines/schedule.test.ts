import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assert as check, array, integer, property, record, constantFrom, boolean, double } from 'fast-check'
import type { EpochMs, Monotonic } from '../../../core/clock.ts'
import {
  LONGEST_WAIT_MS,
  step,
  type Occasion,
  type ScheduleEvent,
  type ScheduleMemory,
  type ScheduleSettings,
  type ScheduleState,
} from '../../../update/machines/schedule.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const DEFAULT: ScheduleSettings = {
  atBoot: false,
  afterBootMs: 5 * MINUTE,
  afterFailureMs: 6 * HOUR,
  afterSuccessMs: 12 * HOUR,
  dailyAt: undefined,
  jitterMs: 0,
}
/** Midnight, UTC. */
const START = Date.UTC(2026, 0, 13)

/** A machine in virtual time: it sleeps, its calendar is set, its daemon is restarted. */
class Machine {
  readonly settings: ScheduleSettings
  wall = START
  monotonic = 0
  bootedAt = 0
  boot = 1
  utcOffsetMinutes = 0
  fraction = 0
  isSuccess = true
  memory: ScheduleMemory = {}
  #state: ScheduleState | undefined
  #wakeAt = Infinity
  /** Hours since the start, and why. */
  readonly checks: [hours: number, occasion: Occasion][] = []

  constructor(settings: Partial<ScheduleSettings> = {}) {
    this.settings = { ...DEFAULT, ...settings }
    this.start()
  }

  start(): void {
    this.#state = undefined
    const upMs = this.monotonic - this.bootedAt
    this.#take({
      kind: 'started',
      now: this.#now,
      memory: this.memory,
      bootId: `boot ${this.boot}`,
      upMs,
      fraction: this.fraction,
    })
  }

  /** The daemon is not running for so long. */
  off(ms: number): void {
    this.wall += ms
    this.monotonic += ms
    this.start()
  }

  reboot(ms = MINUTE): void {
    this.boot++
    this.wall += ms
    this.monotonic = 0
    this.start()
  }

  /** Timers stand still meanwhile. */
  sleep(ms: number): void {
    this.wall += ms
  }

  setCalendar(wall: number): void {
    this.wall = wall
  }

  ask(): void {
    this.#take({ kind: 'asked', now: this.#now, fraction: this.fraction })
  }

  pass(ms: number): void {
    const end = this.monotonic + ms
    while (this.#wakeAt <= end) {
      this.#go(Math.max(this.monotonic, this.#wakeAt))
      this.#take({ kind: 'woken', now: this.#now, fraction: this.fraction })
    }
    this.#go(end)
  }

  #go(monotonic: number): void {
    this.wall += monotonic - this.monotonic
    this.monotonic = monotonic
  }

  get #now() {
    return {
      wall: this.wall as EpochMs,
      monotonic: this.monotonic as Monotonic,
      utcOffsetMinutes: this.utcOffsetMinutes,
    }
  }

  #take(event: ScheduleEvent): void {
    const [state, commands] = step(this.settings, this.#state, event)
    this.#state = state
    for (const command of commands)
      switch (command.kind) {
        case 'wake':
          assert.ok(command.afterMs >= 0 && command.afterMs <= LONGEST_WAIT_MS)
          this.#wakeAt = this.monotonic + command.afterMs
          break
        case 'keep':
          this.memory = structuredClone(command.memory)
          break
        case 'check':
          this.checks.push([(this.wall - START) / HOUR, command.occasion])
          this.#take({ kind: 'checked', now: this.#now, isSuccess: this.isSuccess, fraction: this.fraction })
          break
      }
  }
}

test('5 minutes after boot, then every 12 hours while checks succeed', () => {
  const machine = new Machine()
  machine.pass(25 * HOUR)
  assert.deepEqual(machine.checks, [
    [5 / 60, 'after-boot'],
    [12 + 5 / 60, 'interval'],
    [24 + 5 / 60, 'interval'],
  ])
})

test('6 hours after an unsuccessful check', () => {
  const machine = new Machine()
  machine.isSuccess = false
  machine.pass(13 * HOUR)
  assert.deepEqual(
    machine.checks.map(([hours]) => hours),
    [5 / 60, 6 + 5 / 60, 12 + 5 / 60],
  )
})

test('at boot at once, and 5 minutes after as well where both are wanted', () => {
  const machine = new Machine({ atBoot: true })
  machine.pass(HOUR)
  assert.deepEqual(machine.checks, [
    [0, 'boot'],
    [5 / 60, 'after-boot'],
  ])
})

test('daily at a time, by the local clock, and the interval besides', () => {
  const machine = new Machine({ dailyAt: 4 * 60 + 30, afterBootMs: undefined, afterSuccessMs: 100 * DAY })
  machine.utcOffsetMinutes = 60
  machine.start()
  machine.pass(2 * DAY)
  assert.deepEqual(machine.checks, [
    [3.5, 'daily'],
    [27.5, 'daily'],
  ])
})

test('when summer time begins the daily check is still at its time', () => {
  const machine = new Machine({ dailyAt: 4 * 60 + 30, afterBootMs: undefined, afterSuccessMs: 100 * DAY })
  machine.pass(DAY)
  machine.utcOffsetMinutes = 60
  machine.pass(DAY)
  assert.deepEqual(
    machine.checks.map(([hours]) => hours),
    [4.5, 27.5],
  )
})

test('a restart of the daemon repeats nothing, and a boot does', () => {
  const machine = new Machine({ atBoot: true })
  machine.pass(HOUR)
  machine.start()
  machine.pass(HOUR)
  assert.equal(machine.checks.length, 2)
  machine.reboot()
  machine.pass(HOUR)
  assert.deepEqual(
    machine.checks.slice(2).map(([, occasion]) => occasion),
    ['boot', 'after-boot'],
  )
})

test('a daemon that was away for long checks once, at once', () => {
  const machine = new Machine()
  machine.pass(HOUR)
  machine.off(30 * DAY)
  machine.pass(MINUTE)
  assert.equal(machine.checks.length, 2)
})

test('a machine that slept checks soon after it woke, once', () => {
  const machine = new Machine({ dailyAt: 20 * 60 })
  machine.pass(HOUR / 2)
  machine.sleep(3 * DAY)
  machine.pass(LONGEST_WAIT_MS)
  assert.equal(machine.checks.length, 2)
  machine.pass(HOUR)
  assert.equal(machine.checks.length, 2)
})

test('a calendar that is set back by a year delays nothing', () => {
  const machine = new Machine()
  machine.pass(HOUR)
  machine.setCalendar(machine.wall - 365 * DAY)
  machine.pass(12 * HOUR)
  assert.equal(machine.checks.length, 2)
})

test('a calendar that is set back while the daemon is not running delays no more than one interval', () => {
  const machine = new Machine()
  machine.pass(HOUR)
  machine.setCalendar(machine.wall - 365 * DAY)
  machine.start()
  machine.pass(12 * HOUR + MINUTE)
  assert.equal(machine.checks.length, 2)
})

test('a calendar that is set forward means one check, and setting it right again none for long', () => {
  const machine = new Machine()
  machine.pass(HOUR)
  machine.setCalendar(machine.wall + 365 * DAY)
  machine.pass(HOUR)
  assert.equal(machine.checks.length, 2)
  machine.setCalendar(machine.wall - 365 * DAY)
  machine.pass(12 * HOUR)
  assert.equal(machine.checks.length, 3)
})

test('asking checks at once and counts as a check', () => {
  const machine = new Machine()
  machine.pass(HOUR)
  machine.ask()
  machine.pass(12 * HOUR - MINUTE)
  assert.deepEqual(
    machine.checks.map(([, occasion]) => occasion),
    ['after-boot', 'asked'],
  )
})

test('jitter puts plans off, each machine by its own', () => {
  const machine = new Machine({ jitterMs: HOUR })
  machine.fraction = 0.5
  machine.start()
  machine.pass(14 * HOUR)
  assert.deepEqual(
    machine.checks.map(([hours]) => hours),
    [35 / 60, 13 + 5 / 60],
  )
})

test('without any other occasion the first check is at once', () => {
  assert.deepEqual(new Machine({ afterBootMs: undefined }).checks, [[0, 'interval']])
})

test('whatever happens to clocks, sleep and the daemon: a check within every interval of being awake, and never a storm', () => {
  const happening = record({
    kind: constantFrom('sleep', 'back', 'forward', 'restart', 'reboot', 'off', 'ask'),
    ms: integer({ min: 1, max: 400 * DAY }),
    isSuccess: boolean(),
    fraction: double({ min: 0, max: 0.999, noNaN: true }),
  })
  check(
    property(array(happening, { maxLength: 20 }), (happenings) => {
      const machine = new Machine({ dailyAt: 90, jitterMs: HOUR, atBoot: true })
      for (const { kind, ms, isSuccess, fraction } of happenings) {
        machine.isSuccess = isSuccess
        machine.fraction = fraction
        if (kind === 'sleep') machine.sleep(ms)
        if (kind === 'back') machine.setCalendar(machine.wall - ms)
        if (kind === 'forward') machine.setCalendar(machine.wall + ms)
        if (kind === 'restart') machine.start()
        if (kind === 'reboot') machine.reboot(ms)
        if (kind === 'off') machine.off(ms)
        if (kind === 'ask') machine.ask()
        const before = machine.checks.length
        machine.pass(13 * HOUR + LONGEST_WAIT_MS)
        const made = machine.checks.length - before
        assert.ok(made >= 1 && made <= 6, `${made} checks within 13 hours after ${kind} ${ms}`)
      }
    }),
    { numRuns: 200 },
  )
})
