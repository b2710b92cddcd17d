/**
 * Whether an origin server can send a file from its middle on (RFC 9110 14). Where it cannot, whoever goes on for another one has all of it
 * sent again, and nothing new to tell until that is where the other one was: to ask the same server oneself would take as long, and the
 * line would carry one more copy.
 *
 * Its answers to ranges tell. Where none was asked for, HEAD does: a server that knows ranges says so (Accept-Ranges), if it is asked.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { fieldValue, type Fields } from '../core/fields.ts'
import type { Upstream, UpstreamRequest } from '../core/upstream.ts'
import type { RetrievalRequest } from './request.ts'
import { headWithin, SOUNDING_MS } from './sounding.ts'

/** Of more files it is not remembered. */
export const MAX_KNOWN = 256

export class RangeSupport {
  readonly #clock: Clock
  readonly #origin: Upstream
  readonly #known = new LRUCache<string, boolean>({ max: MAX_KNOWN })
  readonly #asking = new Set<string>()

  constructor({ clock, origin }: { readonly clock: Clock; readonly origin: Upstream }) {
    this.#clock = clock
    this.#origin = origin
  }

  /** The same upstream, whose answers to ranges are noted. */
  of(upstream: Upstream): Upstream {
    return {
      request: async (request) => {
        const response = await upstream.request(request)
        if (isForRest(request)) this.#note(request, response.status)
        return response
      },
      prepare: (uri) => upstream.prepare?.(uri),
    }
  }

  /** What is known of the file; `undefined`: nothing. */
  known({ target }: RetrievalRequest): boolean | undefined {
    return this.#known.get(target)
  }

  /** Asks the origin server for its head, where nothing is known. */
  ask(request: RetrievalRequest): void {
    const { target } = request
    const isAsked = this.#known.has(target) || this.#asking.has(target)
    if (!isAsked && this.#asking.size < MAX_KNOWN) void this.#sound(request)
  }

  async #sound(request: RetrievalRequest): Promise<void> {
    this.#asking.add(request.target)
    const head = await headWithin(SOUNDING_MS, this.#origin, request, this.#clock)
    this.#asking.delete(request.target)
    if (head?.status === 200) this.#known.set(request.target, saysRanges(head.fields))
  }

  #note({ uri, fields }: UpstreamRequest, status: number): void {
    // An `If-Range` that does not hold is answered with the whole as well.
    const mayBeAnother = fieldValue(fields, 'if-range') !== undefined
    if (status === 206 || status === 416) this.#known.set(uri, true)
    else if (status === 200 && !mayBeAnother) this.#known.set(uri, false)
  }
}

function isForRest({ method, fields }: UpstreamRequest): boolean {
  return method === 'GET' && /^bytes=[1-9]/.test(fieldValue(fields, 'range') ?? '')
}

function saysRanges(fields: Fields): boolean {
  return /\bbytes\b/i.test(fieldValue(fields, 'accept-ranges') ?? '')
}
