/** What a demonstration found out, as values: printing and testing are done elsewhere. */
import type { Totals } from '../service/totals.ts'

/** Bytes of bodies received from elsewhere, by source; `internet` is what the WAN carried. */
export type Received = Totals['receivedBytes']

/** One thing that one machine did. */
export interface Step {
  /** In words: `apt-get update`. */
  readonly what: string
  readonly elapsedMs: number
  readonly received: Received
  /** Bytes of bodies that the node's own cache had. */
  readonly cachedBytes: number
  /** Bytes of bodies that the application was given. */
  readonly deliveredBytes: number
}

export interface MachineResult {
  /** `machine 1`. */
  readonly name: string
  /** Its node's address on the LAN. */
  readonly address: string
  readonly steps: readonly Step[]
}

/** Something that must be so. */
export interface Check {
  readonly name: string
  /** Why it is not so, in words; `undefined`: it is. */
  readonly failure: string | undefined
}

export interface DemoResult {
  readonly kind: 'apt' | 'curl'
  /** What was fetched on each machine, in words. */
  readonly task: string
  readonly machines: readonly MachineResult[]
  readonly checks: readonly Check[]
}

/**
 * Bytes of bodies that the Internet connection carried for all machines, and would have carried without ihave: then
 * whatever an application was given comes from the Internet.
 */
export function internetBytes({ machines }: Pick<DemoResult, 'machines'>): { with: number; without: number } {
  const steps = machines.flatMap((machine) => machine.steps)
  return {
    with: steps.reduce((sum, { received }) => sum + received.internet, 0),
    without: steps.reduce((sum, { deliveredBytes }) => sum + deliveredBytes, 0),
  }
}

export function failedChecks({ checks }: Pick<DemoResult, 'checks'>): readonly Check[] {
  return checks.filter(({ failure }) => failure !== undefined)
}
