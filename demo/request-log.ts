/** What a node's log says of the requests that it answered. */
import type { Received } from './result.ts'

export interface LoggedRequest {
  readonly url: string
  readonly status: number
  /** Bytes of body that the application was given. */
  readonly bytes: number
  /** Where the body came from: `hit`, `peer`, `in-progress`, `internet`…; `none` where there was no such path. */
  readonly source: string
  /** Bytes received for it; absent for what the cache had. */
  readonly received: Received | undefined
}

/** The requests in a log of JSON lines, in the order in which they ended. A last line that is cut off is left aside. */
export function loggedRequests(log: string): LoggedRequest[] {
  const whole = log.slice(0, log.lastIndexOf('\n') + 1)
  return whole
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => msg === 'request')
    .map((entry) => ({
      url: String(entry['url']),
      status: Number(entry['status']),
      bytes: Number(entry['bytes']),
      source: typeof entry['source'] === 'string' ? entry['source'] : 'none',
      received: entry['received'] as Received | undefined,
    }))
}
