/**
 * Requests that were hot hits, by the bytes that they are. What a request comes to depends on these and on the two ends of
 * its connection, so where they come again they need not be read again.
 */
import type { Socket } from 'node:net'
import type { PlainRequest } from './plain-requests.ts'

interface Repeated {
  readonly request: PlainRequest
  /** This node's address on the connection. */
  readonly localAddress: string | undefined
}

/** Requests that are remembered, of at most about 3 kB; then all are forgotten, which costs less than to know which is used least. */
const REMEMBERED = 1_024
/** Characters of one that is remembered, at most; real ones have some hundreds. */
const MAX_CHARACTERS = 1_024

export class RepeatedRequests {
  readonly #known = new Map<string, Repeated>()

  /** @param text all that has come. @returns the request that it is, nothing before and nothing behind. */
  find(text: string, { remoteAddress, localAddress }: Socket): PlainRequest | undefined {
    const known = this.#known.get(text)
    const isSame = known?.request.address === remoteAddress && known?.localAddress === localAddress
    return isSame ? known?.request : undefined
  }

  /** @param text all of the request, and nothing else. */
  remember(text: string, request: PlainRequest, { localAddress }: Socket): void {
    if (text.length > MAX_CHARACTERS) return
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(text, { request, localAddress })
  }
}
