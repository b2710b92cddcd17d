/** What it means that a source failed: whose fault it is, what it has cost, and whether it may be used again. */
import { describe, Fault } from '../core/fault.ts'
import type { Source } from './source.ts'
import { STALL_MS } from './patience.ts'

/** What there is to say for a source. */
export interface Circumstances {
  /** How long it was allowed to be silent, in ms. */
  readonly patienceMs: number
  /** Bytes that came while it was in use. */
  readonly newBytes: number
  /** Whether this node had to wait for its turn at the processor lately. */
  readonly isBusy: boolean
  /** Whether a downloader said that its download ends here before it broke off. */
  readonly isTakenBack: boolean
}

/** What went wrong, as a fault, whatever was thrown. */
export function faultOf(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault('RESPONSE_INCOMPLETE', describe(error), { cause: error })
}

/** Nothing has come of it, to a node that is too busy itself to judge: it may be used again, and has cost no patience. */
export function isOnlyLate({ code }: Fault, { newBytes, isBusy }: Circumstances): boolean {
  return code === 'PEER_STALLED' && newBytes === 0 && isBusy
}

/**
 * Nobody is to blame for a lost way, nor one that said that its download ends here before it broke off, nor one that was
 * given little time because others had used up the rest: so could liars have honest peers shunned.
 */
export function isBlameless(source: Source, fault: Fault, met: Circumstances): boolean {
  const isTakenBack = source.kind === 'in-progress' && met.isTakenBack
  const isHurried = fault.code === 'PEER_STALLED' && (met.patienceMs < STALL_MS || isOnlyLate(fault, met))
  return fault.code === 'PEER_BUSY' || fault.code === 'PEER_LOST' || isTakenBack || isHurried
}
