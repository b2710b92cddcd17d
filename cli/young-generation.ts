/**
 * Bounds what V8 keeps for values that have just been made. It sizes that by the memory of the machine, up to 134 MB where there
 * are 24 GiB, and a busy node is given all of it, although next to nothing that a request makes outlives it: a fifteenth is collected
 * as cheaply. The flag that says so counts at the start of a process only, which would have to be started twice for it; the factor
 * by which the space grows counts at any time.
 */
import { getHeapSpaceStatistics } from 'node:v8'
import type { Engine } from './engine.ts'

/** Between two looks, in ms. */
const LOOK_MS = 250
/** Both halves of it, in bytes: it does not grow beyond this, but for what it grows between two looks. */
const MOST_BYTES = 8 * 1024 * 1024

export interface YoungGeneration {
  /** What V8 has of the machine for it, in bytes. */
  readonly youngBytes: () => number
}

/** Begins now, and goes on as long as the process lives: V8 makes it small again in a rest, and then it has to grow. */
export function boundYoungGeneration({
  clock,
  setFlags,
  youngBytes,
}: Pick<Engine, 'clock' | 'setFlags'> & YoungGeneration): void {
  let mayGrow = true
  const look = () => {
    const isSmall = youngBytes() < MOST_BYTES
    if (isSmall !== mayGrow) {
      mayGrow = isSmall
      setFlags(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`)
    }
    clock.after(LOOK_MS, look)
  }
  look()
}

/** Of this process. */
export const V8_YOUNG_GENERATION: YoungGeneration = {
  youngBytes: () =>
    getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0,
}
