/** What a run has cost, noted as it comes: a refusal has cost what it has cost. */
import type { Received, UpdateEvent } from './events.ts'

export interface Report {
  /** Bytes so far. */
  readonly received: { -readonly [Place in keyof Received]: number }
  proxyFailed?: string
}

export function newReport(): Report {
  return { received: { catalogue: 0, internet: 0, peer: 0, cache: 0, kept: 0 } }
}

/** The first time is what is reported at the end. */
export function noteProxyFailure(report: Report, emit: (event: UpdateEvent) => void, detail: string): void {
  report.proxyFailed ??= detail
  emit({ event: 'proxy-failed', detail })
}
