/**
 * Memory that work took is given back when it is over. V8 collects garbage when something is allocated, so a process that falls
 * silent keeps what its busiest moment took: 10 MB of its start, tens of a storm.
 */
import type { Clock } from '../core/clock.ts'

export interface AtRestComponents {
  readonly clock: Clock
  /** What V8 has of the machine for its heap, in bytes. */
  readonly heapBytes: () => number
  /** Processor time of this process so far, in ms. */
  readonly cpuMs: () => number
  /** Collects all garbage and gives the memory back: tens of milliseconds in which nothing else is done. */
  readonly collect: () => Promise<void>
}

/** Between two looks at the heap, in ms. */
const LOOK_MS = 5000
/** What it must have grown by since the last collection: less is not worth one. */
const GROWN_BYTES = 8 * 1024 * 1024
/** A process that uses no more than `QUIET_CPU_MS` of its time in `QUIET_MS` does nothing that a pause would hold up. */
const QUIET_MS = 500
const QUIET_CPU_MS = 10

/** Begins now, and goes on as long as the process lives. */
export function collectAtRest({ clock, heapBytes, cpuMs, collect }: AtRestComponents): void {
  let leftBytes = 0
  const later = () => void clock.after(LOOK_MS, look)
  const look = () => {
    if (heapBytes() < leftBytes + GROWN_BYTES) return later()
    const before = cpuMs()
    clock.after(QUIET_MS, () => {
      if (cpuMs() - before > QUIET_CPU_MS) return look()
      const goOn = () => {
        leftBytes = heapBytes()
        later()
      }
      void collect().then(goOn, goOn) // where it fails nothing is lost
    })
  }
  look()
}

/** Of this process. */
export const THIS_PROCESS: Omit<AtRestComponents, 'clock'> = {
  heapBytes: () => process.memoryUsage().heapTotal,
  cpuMs: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
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
