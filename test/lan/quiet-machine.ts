/** Whether a test has its machine to itself: what processes share is then judged as on machines of their own. */
import { readFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'

/**
 * Processes of a test that has the machine to itself wait 1.3 to 1.7 times as long for a processor as they have one, for they all have work
 * at the same moments; beside one that is always busy it is 1.9 to 3 times, beside four up to 4.6.
 */
const MOST_WAIT = 1.8

export interface QuietMachine {
  /** Whether nothing else was running before the test itself made it busy. */
  readonly isQuiet: boolean
  /** @returns what says whether it has been quiet all the time since, as far as these processes could tell. */
  watch(processes: readonly number[]): () => boolean
}

export function quietMachine(): QuietMachine {
  const isQuiet = (loadavg()[0] ?? 0) < availableParallelism()
  return {
    isQuiet,
    watch(processes) {
      const before = turns(processes)
      return () => {
        const after = turns(processes)
        return isQuiet && after.waitedNs - before.waitedNs <= MOST_WAIT * (after.ranNs - before.ranNs)
      }
    },
  }
}

/** How long they have had a processor and waited for one, all together; zero where the kernel does not count that (proc(5), schedstat). */
function turns(processes: readonly number[]): { readonly ranNs: number; readonly waitedNs: number } {
  let [ranNs, waitedNs] = [0, 0]
  for (const process of processes) {
    const [ran = 0, waited = 0] = schedule(process)
    ranNs += ran
    waitedNs += waited
  }
  return { ranNs, waitedNs }
}

function schedule(process: number): number[] {
  try {
    return readFileSync(`/proc/${process}/schedstat`, 'utf8').split(' ').map(Number)
  } catch {
    return []
  }
}
