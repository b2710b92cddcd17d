/** Gets files by HTTP, directly or through the node's proxy, within bounds of size and time. */
import type { Dispatcher } from 'undici'
import type { Clock } from '../../core/clock.ts'
import { errorCode } from '../../core/error-code.ts'
import { Coming } from './coming.ts'
import type { FetchRequest, Source } from './fetch-request.ts'
import { transfer, WayFailed } from './transfer.ts'
import { Agent, ProxyAgent } from './undici.ts'

export interface Fetched {
  readonly bytes: Buffer
  /** Of its beginning, where the proxy failed in the middle. */
  readonly source: Source
}

export interface Fetcher {
  /** @throws Refused unreachable, not-found, oversized, stalled, too-slow */
  fetch(request: FetchRequest): Promise<Fetched>
  close(): Promise<void>
}

/**
 * @param proxy `http://127.0.0.1:3128`; where it fails, before or in the middle of a file, the rest comes directly, from the byte
 * that was reached where the origin server can do that: a node that dies must not keep a machine from its updates. One that refuses
 * connections, or is silent where the origin server is not, is passed by from then on.
 */
export function httpFetcher(proxy: string | undefined, clock: Clock): Fetcher {
  const timeouts = { connect: { timeout: 10_000 } }
  const direct = new Agent(timeouts)
  const through: Dispatcher | undefined =
    proxy === undefined ? undefined : new ProxyAgent({ uri: proxy, ...timeouts })
  let isAway = false
  return {
    async fetch(wanted) {
      const coming = new Coming()
      if (through === undefined || isAway) await transfer(direct, wanted, coming, clock)
      else
        try {
          await transfer(through, wanted, coming, clock)
        } catch (error) {
          if (!(error instanceof WayFailed)) throw error
          isAway ||= isRefusedConnection(error)
          wanted.onProxyFailed?.(error.message)
          await transfer(direct, wanted, coming, clock)
          // The origin server has sent what the proxy waited for in vain.
          isAway ||= error.reason !== 'unreachable'
        }
      return { bytes: coming.bytes, source: coming.source }
    },
    async close() {
      await Promise.all([direct.destroy(), through?.destroy()])
    },
  }
}

function isRefusedConnection({ cause }: WayFailed): boolean {
  return errorCode(cause) === 'ECONNREFUSED'
}
