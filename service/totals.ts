/** What went where since the start: the numbers behind `ihave status` (R12.2, "savings"). */
import type { FaultCode } from '../core/fault.ts'
import type { RequestLine } from '../proxy/proxy-server.ts'
import type { RetrievalReport, SourceKind } from '../retrieval/source.ts'

export interface Totals {
  readonly requests: Record<string, number>
  /** Bytes of bodies of resources that applications were given: no cache saves what passes through, nor this node's own pages. */
  readonly deliveredBytes: number
  /** Bytes received, by source; `internet` is what the WAN carried. */
  readonly receivedBytes: Record<SourceKind, number>
  /** Bytes of bodies that peers were given. */
  readonly uploadedBytes: number
  readonly uploads: number
}

export interface Tally {
  request(line: RequestLine): void
  /** A retrieval has ended: its bytes count once, however many applications they went to. */
  retrieved(report: RetrievalReport): void
  uploaded(bytes: number): void
  totals(): Totals
}

export function tally(): Tally {
  const requests: Record<string, number> = {}
  const receivedBytes: Record<SourceKind, number> = { peer: 0, 'in-progress': 0, internet: 0 }
  let deliveredBytes = 0
  let uploadedBytes = 0
  let uploads = 0
  return {
    request(line) {
      const { trace, bytes, way } = line
      const how = trace?.how ?? howEnded(line)
      requests[how] = (requests[how] ?? 0) + 1
      if (way === 'resource') deliveredBytes += bytes
    },
    retrieved({ bytes }) {
      for (const source of Object.keys(receivedBytes) as SourceKind[]) receivedBytes[source] += bytes[source]
    },
    uploaded(bytes) {
      uploads++
      uploadedBytes += bytes
    },
    totals: () => ({
      requests: { ...requests },
      deliveredBytes,
      receivedBytes: { ...receivedBytes },
      uploadedBytes,
      uploads,
    }),
  }
}

/** What is not allowed here, or is no request for a proxy: nothing of this node, or of the Internet, has failed. */
const REFUSALS: ReadonlySet<FaultCode> = new Set([
  'BAD_REQUEST',
  'REQUEST_TIMEOUT',
  'HEAD_TOO_LARGE',
  'METHOD_UNKNOWN',
  'EXPECTATION_FAILED',
  'FORBIDDEN_TARGET',
  'GATEWAY_REFUSED',
  'LOOP_DETECTED',
  'NOT_A_PROXY_REQUEST',
  'NOT_ALLOWED',
])

function howEnded({ way, outcome, code }: RequestLine): string {
  if (outcome !== 'fault') return way
  return way === 'refused' || (code !== undefined && REFUSALS.has(code)) ? 'refused' : 'failed'
}
