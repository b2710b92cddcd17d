/** What was fetched for an update before it ran: its catalogue, and packages that the node's cache holds because of that. */
import type { FetchRequest, Source } from './fetch-request.ts'
import type { Fetched, Fetcher } from './fetcher.ts'

export interface Begun {
  /** The catalogue's absolute URL. */
  readonly catalog: string
  /** As it came from the origin server, a moment ago; absent: it did not come in time. */
  readonly bytes: Buffer | undefined
  /** Where the node got what it holds now; `undefined`: it held it before. */
  readonly cameFrom: (url: string) => Source | undefined
}

/** The same fetcher: the catalogue is not fetched again, and packages are from where the node got them. */
export function begunFetcher(fetcher: Fetcher, { catalog, bytes, cameFrom }: Begun): Fetcher {
  let first = bytes
  return {
    async fetch(request: FetchRequest): Promise<Fetched> {
      if (first !== undefined && request.url === catalog) {
        const fetched = { bytes: first, source: 'internet' } as const
        first = undefined
        request.onReceived?.(fetched.source, fetched.bytes.length)
        return fetched
      }
      let cached = 0
      const onReceived = (source: Source, count: number) =>
        source === 'cache' ? void (cached += count) : request.onReceived?.(source, count)
      const origin = () => cameFrom(request.url) ?? 'cache'
      try {
        const fetched = await fetcher.fetch({ ...request, onReceived })
        return fetched.source === 'cache' ? { ...fetched, source: origin() } : fetched
      } finally {
        // Known when it has come, not before.
        if (cached > 0) request.onReceived?.(origin(), cached)
      }
    },
    close: () => fetcher.close(),
  }
}
