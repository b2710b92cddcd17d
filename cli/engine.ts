/**
 * How V8 runs a node. Its defaults are made for a page that is at work all the time. A node rests for hours, and then six
 * files are asked for, by code that never ran before, on every machine of the LAN at once: a third of that minute's
 * processor time went into optimizing what ran a few hundred times, and into collecting garbage from a heap that had
 * been sized for a rest.
 *
 * So a node compiles plainly at first (Sparkplug), and gives V8 its optimizing compiler (TurboFan) once it is busy: under a
 * load that lasts it pays, and a node at rest is spared the 8 MB of memory that its code takes. The one between (Maglev) is
 * never used: with it a request takes a quarter more of the main thread's time, for what it has compiled waits long for
 * TurboFan, and loads of seconds are over by then.
 */
import { setFlagsFromString } from 'node:v8'
import type { Clock } from '../core/clock.ts'

/** Between two looks at how busy the node is, in ms. */
export const LOOK_MS = 250

/**
 * A node that uses so much of one processor in each of `BUSY_LOOKS` looks is busy: a quarter of a second of its time, at least. One look would take
 * a collection of garbage (at-rest.ts) for it, and most of what is asked for in a morning, which is over by the time at which V8 has
 * optimized what it ran.
 */
export const BUSY_SHARE = 0.5
export const BUSY_LOOKS = 2

/**
 * Calls of a function before it is worth optimizing: V8's own number for TurboFan. Where Maglev is to come first, though it is kept from
 * everything, V8 counts to Maglev's 400, and the 900 functions of a request under a rule that shares take 5 s to optimize.
 */
const CALLS = 3000

/** Heaps that small grow to 2.5 times what lived after the last collection before the next one (default: 1.3 to 2). */
const GROWTH_PERCENT = 150

/**
 * What a load leaves in a heap that is small no more grows by half before it is collected. V8 would let it grow to four times as much: of
 * 10,000 files that are read once more that were 20 MB of what had been index and request, and was no longer of use to anybody.
 */
const BUSY_GROWTH_PERCENT = 50

export interface Engine {
  readonly clock: Clock
  /** User and system time that the process has taken, in ms. */
  readonly processorMs: () => number
  readonly setFlags: (flags: string) => void
}

export function v8Engine(clock: Clock): Engine {
  return { clock, processorMs, setFlags: setFlagsFromString }
}

function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/**
 * Before the node's modules are loaded: of what runs once nothing is worth optimizing.
 *
 * By filters that no function passes: with `--no-opt` V8 would stop counting, and never optimize what ran meanwhile.
 */
export function sparing({ setFlags }: Pick<Engine, 'setFlags'>): void {
  setFlags('--turbo-filter=-*')
  setFlags('--maglev-filter=-*')
  setFlags(`--invocation-count-for-maglev=${CALLS}`)
  setFlags(`--heap-growing-percent=${GROWTH_PERCENT}`)
}

/** When the node is ready: what is compiled from now on is for requests. */
export function serving(engine: Engine): void {
  // A function of a request is worth plain machine code at once: there are few of them, and each runs for every file.
  engine.setFlags('--always-sparkplug')
  lookAgain(engine, engine.processorMs(), 0)
}

/** @param busyLooks so many of the last ones, without a break, found it busy. */
function lookAgain(engine: Engine, usedBefore: number, busyLooks: number): void {
  engine.clock.after(LOOK_MS, () => {
    const used = engine.processorMs()
    const busyNow = used - usedBefore < BUSY_SHARE * LOOK_MS ? 0 : busyLooks + 1
    if (busyNow < BUSY_LOOKS) lookAgain(engine, used, busyNow)
    else optimizing(engine)
  })
}

/** V8's defaults, from now on, but for Maglev and what the heap may grow by. */
function optimizing({ setFlags }: Engine): void {
  setFlags('--no-always-sparkplug')
  setFlags(`--heap-growing-percent=${BUSY_GROWTH_PERCENT}`)
  setFlags('--turbo-filter=*')
}
