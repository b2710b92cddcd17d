/** The `Upstream` seam: HTTP requests that this node makes, to origin servers or to peers. */
import type { Fault } from './fault.ts'
import type { Fields } from './fields.ts'

export interface UpstreamRequest {
  readonly method: 'GET' | 'HEAD'
  /** Absolute URI, as the user agent wrote it. */
  readonly uri: string
  readonly fields: Fields
  /** Ends the request, and the body if it is already streaming. */
  readonly signal: AbortSignal
  /** Told of every interim response (RFC 9110 15.2), with its fields as they came. */
  readonly onInformation?: OnInformation | undefined
}

/** More interim responses than any server sends for one request. */
export const MAX_INTERIM_RESPONSES = 64

/** Takes an interim response, status 100 to 199; it must not throw. */
export type OnInformation = (status: number, fields: Fields) => void

export interface UpstreamResponse {
  readonly status: number
  readonly reason: string
  readonly fields: Fields
  /** To be read once, or given up by aborting the request. Throws a `Fault` when the connection breaks off early. */
  readonly body: AsyncIterable<Uint8Array>
}

export interface Upstream {
  /** @throws Fault of the origin server's (or the peer's) when there is no response. */
  request(request: UpstreamRequest): Promise<UpstreamResponse>
  /** A request to this server may follow in a moment: a connection is opened where there is none. Absent: it cannot be. */
  prepare?(uri: string): void
}

/** An upstream that tells of a response as it comes: for many small ones, promises and iterators cost most. */
export interface CallingUpstream extends Upstream {
  /** Whether requests may be made so at present; absent: they may. */
  readonly mayCall?: boolean
  /** @throws Fault when the request must not be made. */
  call(request: Pick<UpstreamRequest, 'method' | 'uri' | 'fields'>, taker: ResponseTaker): Call
}

/** Takes one response: interim ones, a head, the body piece by piece, the end; or a failure instead of what is left. */
export interface ResponseTaker {
  readonly onInformation: OnInformation
  readonly onHead: (head: Omit<UpstreamResponse, 'body'>) => void
  /** The array is lent: it has other bytes in it when this returns. */
  readonly onData: (bytes: Uint8Array) => void
  readonly onEnd: () => void
  readonly onFailure: (fault: Fault) => void
}

/** A request that was made so. Nothing is told once it was given up. */
export interface Call {
  /** No more of the body for now; what is on its way may still come. */
  pause(): void
  resume(): void
  giveUp(): void
}
