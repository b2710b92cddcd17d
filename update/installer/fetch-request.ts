/** What is asked of a fetcher. */

/** Where bytes came from, as far as the proxy told; without one everything is from the Internet. */
export type Source = 'peer' | 'internet' | 'cache'

export interface FetchRequest {
  readonly url: string
  /** More is refused as soon as it is announced, or comes. */
  readonly maxBytes: number
  /** Less is refused, a minute at a time; 0 for any. */
  readonly leastBytesPerS: number
  /** From the origin server, whatever caches and peers have: catalogues, and second tries. */
  readonly isFresh: boolean
  /** Bytes so far. */
  readonly onProgress?: (bytes: number) => void
  /** Each piece that comes, also of what is refused then. */
  readonly onReceived?: (source: Source, bytes: number) => void
  /** The proxy failed, and the file, or the rest of it, comes from the origin server directly. */
  readonly onProxyFailed?: (detail: string) => void
}
