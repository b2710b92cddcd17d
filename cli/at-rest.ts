/**
 * Memory that work took is given back when it is over. V8 collects garbage when something is allocated, so a process that falls
 * silent keeps what its busiest moment took: 10 MB of its start, tens of a storm.
 */
import type { Engine } from './engine.ts'

export interface Heap {
  /** What V8 has of the machine for it, in bytes. */
  readonly heapBytes: () => number
  /** Collects all garbage and gives the memory back: tens of milliseconds in which nothing else is done. */
  readonly collect: () => Promise<void>
}

/** Between two looks at the heap, in ms. */
const LOOK_MS = 5000
/** What it must have grown by since the last collection: less is not worth one. */
const GROWN_BYTES = 8 * 1024 * 1024
/** A process that uses no more than `QUIET_PROCESSOR_MS` of its time in `QUIET_MS` does nothing that a pause would hold up. */
const QUIET_MS = 500
const QUIET_PROCESSOR_MS = 10

/**
 * With the garbage goes what V8 has optimized, because nothing lives then that a request is made of: a second of processor time, and
 * requests that take twice theirs until it is there again. Load seldom comes once: so for each ms of it, so many of rest come first, …
 */
const REST_PER_WORK = 10
/** … and so many at most. */
const MOST_REST_MS = 60_000
/** What uses as much of one processor is load. */
const WORK_SHARE = 0.1

type AtRest = Pick<Engine, 'clock' | 'processorMs'> & Heap

/** Begins now, and goes on as long as the process lives. */
export function collectAtRest({ clock, processorMs, heapBytes, collect }: AtRest): void {
  let leftBytes = 0
  /** Since the last collection: processor time under load, and time of rest. */
  let workMs = 0
  let restMs = 0
  /** Goes on in `ms`, with the processor time that was used meanwhile. */
  const after = (ms: number, goOnWith: (usedMs: number) => void) => {
    const before = processorMs()
    clock.after(ms, () => {
      const usedMs = processorMs() - before
      if (usedMs >= WORK_SHARE * ms) workMs += usedMs
      goOnWith(usedMs)
    })
  }
  const look = () => {
    if (heapBytes() >= leftBytes + GROWN_BYTES) after(QUIET_MS, collectIfQuiet)
    else after(LOOK_MS, look)
  }
  const collectIfQuiet = (usedMs: number) => {
    if (usedMs > QUIET_PROCESSOR_MS) return look()
    restMs += QUIET_MS
    if (restMs < Math.min(REST_PER_WORK * workMs, MOST_REST_MS)) look()
    else void collect().then(goOn, goOn) // where it fails nothing is lost
  }
  const goOn = () => {
    leftBytes = heapBytes()
    workMs = 0
    restMs = 0
    after(LOOK_MS, look)
  }
  look()
}

/** Of this process. */
export const V8_HEAP: Heap = {
  heapBytes: () => process.memoryUsage().heapTotal,
  collect: collectGarbage,
}

/** By the protocol of V8's tools, which needs no flag of V8 and opens no door; where Node is built without it nothing is collected. */
async function collectGarbage(): Promise<void> {
  if (!process.features.inspector) return
  const { Session } = await import('node:inspector/promises')
  const session = new Session()
  session.connect()
  try {
    await session.post('HeapProfiler.collectGarbage')
  } finally {
    session.disconnect()
  }
}
