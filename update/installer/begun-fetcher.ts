/** What was fetched for an update before it ran: its catalogue, and packages that the node's cache holds because of that. */
import type { Fetched, Fetcher, FetchRequest, Source } from './fetcher.ts'

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
        return fetched
      }
      const fetched = await fetcher.fetch(request)
      return fetched.source === 'cache' ? { ...fetched, source: cameFrom(request.url) ?? 'cache' } : fetched
    },
    close: () => fetcher.close(),
  }
}
