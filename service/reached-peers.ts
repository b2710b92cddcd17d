/** Which peers have shown that they are there: whoever answers a connection is no invention of somebody who forges datagrams. */
import type { Address } from '../core/transport.ts'
import type { Upstream } from '../core/upstream.ts'

/** The same upstream; `reached` is told of each address and port from which an answer has come. */
export function notingReached(
  upstream: Upstream,
  reached: (address: Address, port: number) => void,
): Upstream {
  return {
    async request(request) {
      const response = await upstream.request(request)
      const { hostname = '', port = '' } = URL.parse(request.uri) ?? {}
      reached(hostname as Address, Number(port === '' ? 80 : port))
      return response
    },
    prepare: (uri) => upstream.prepare?.(uri),
  }
}
