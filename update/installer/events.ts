/** What happens during a run, for progress bars, for programs (one line of JSON each) and for the log. */
import type { RefusalReason } from '../refused.ts'
import type { Source } from './fetch-request.ts'

export type UpdateEvent =
  /** A former run was interrupted; it has been brought to its end. */
  | { readonly event: 'recovered'; readonly phase: 'staging' | 'confirming'; readonly id: string }
  | {
      readonly event: 'catalogue'
      readonly product: string
      readonly number: number
      readonly released: string
      readonly bytes: number
      readonly signer: string
      /** ISO 8601. */
      readonly expires: string
      readonly components: number
      readonly needed: number
    }
  | { readonly event: 'progress'; readonly component: string; readonly bytes: number; readonly total: number }
  | {
      readonly event: 'package'
      readonly component: string
      readonly version: string
      readonly url: string
      readonly bytes: number
      readonly source: Source | 'kept'
      readonly signature: 'verified'
    }
  /** What was to come through the proxy, or the rest of it, comes from the origin server directly. */
  | { readonly event: 'proxy-failed'; readonly detail: string }
  /** A copy was bad; it is fetched once more, from the origin server. */
  | {
      readonly event: 'retry'
      readonly component: string
      readonly reason: RefusalReason
      readonly detail: string
    }
  | { readonly event: 'installed'; readonly id: string; readonly from: string | undefined }
  | {
      readonly event: 'rolled-back'
      readonly id: string | undefined
      readonly from: string
      readonly reason: string
    }
  | { readonly event: 'refused'; readonly reason: RefusalReason; readonly detail: string }
  | ({ readonly event: 'done' } & RunResult)

export type RunOutcome = 'updated' | 'up-to-date' | 'needed' | 'held-back' | 'refused' | 'rolled-back'

export interface RunResult {
  readonly outcome: RunOutcome
  readonly detail: string
  readonly reason?: RefusalReason
  readonly product?: string
  /** The set that is installed now. */
  readonly installed?: string | undefined
  readonly components?: readonly { readonly component: string; readonly version: string }[]
  readonly needed?: readonly {
    readonly component: string
    readonly version: string
    readonly installed: string | undefined
  }[]
  readonly received: Received
  /** Why something came past the proxy; absent where nothing did. */
  readonly proxyFailed?: string
}

/** What a run comes to; what it cost is in its report. */
export type Outcome = Omit<RunResult, 'received' | 'proxyFailed'>

/** Bytes by where they came from; `internet` is what the WAN carried. */
export interface Received {
  readonly catalogue: number
  readonly internet: number
  readonly peer: number
  readonly cache: number
  /** From an earlier, interrupted run. */
  readonly kept: number
}
