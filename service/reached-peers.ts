/** Which peers have shown that they are there: whoever answers a connection is no invention of somebody who forges datagrams. */
import type { Address } from '../core/transport.ts'
import type { Upstream } from '../core/upstream.ts'

/** The same upstream; `reached` is told of each address from which an answer has come. */
export function notingReached(upstream: Upstream, reached: (address: Address) => void): Upstream {
  return {
    async request(request) {
      const response = await upstream.request(request)
      reached((URL.parse(request.uri)?.hostname ?? '') as Address)
      return response
    },
    prepare: (uri) => upstream.prepare?.(uri),
  }
}
