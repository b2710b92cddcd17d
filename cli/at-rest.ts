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

type AtRest = Pick<Engine, 'clock' | 'processorMs'> & Heap

/** Begins now, and goes on as long as the process lives. */
export function collectAtRest({ clock, processorMs, heapBytes, collect }: AtRest): void {
  let leftBytes = 0
  const look = () => {
    if (heapBytes() >= leftBytes + GROWN_BYTES) whenQuiet(processorMs())
    else clock.after(LOOK_MS, look)
  }
  const whenQuiet = (before: number) =>
    clock.after(QUIET_MS, () => {
      if (processorMs() - before > QUIET_PROCESSOR_MS) look()
      else void collect().then(goOn, goOn) // where it fails nothing is lost
    })
  const goOn = () => {
    leftBytes = heapBytes()
    clock.after(LOOK_MS, look)
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
