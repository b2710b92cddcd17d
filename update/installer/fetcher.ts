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

/** An origin server that begins within this is one that could have been heard through the proxy, in ms. */
const AT_ONCE_MS = 2_000

/**
 * @param proxy `http://127.0.0.1:3128`; where it fails, before or in the middle of a file, the rest comes directly, from the byte
 * that was reached where the origin server can do that: a node that dies must not keep a machine from its updates. One that refuses
 * connections, or is silent or too slow where the origin server is not, is passed by from then on.
 */
export function httpFetcher(proxy: string | undefined, clock: Clock): Fetcher {
  const timeouts = { connect: { timeout: 10_000 } }
  const direct = new Agent(timeouts)
  const through: Dispatcher | undefined =
    proxy === undefined ? undefined : new ProxyAgent({ uri: proxy, ...timeouts })
  let isAway = false
  /** @returns how long the first byte took, in ms. */
  const directly = async (wanted: FetchRequest, coming: Coming): Promise<number> => {
    const began = clock.monotonic()
    let firstByteMs = Infinity
    const onReceived: FetchRequest['onReceived'] = (...told) => {
      firstByteMs = Math.min(firstByteMs, clock.monotonic() - began)
      wanted.onReceived?.(...told)
    }
    await transfer(direct, { ...wanted, onReceived }, coming, clock)
    return firstByteMs
  }
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
          const silentMs = await directly(wanted, coming)
          // It is not the line that was silent.
          isAway ||= error.reason !== 'unreachable' && silentMs < AT_ONCE_MS
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
