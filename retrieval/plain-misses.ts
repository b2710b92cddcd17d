/** The plain misses under way: who may be one, and how others come to what one of them fetches (R4.6). */
import type { Fields } from '../core/fields.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { isPersonal, representationKey } from './origin-copies.ts'
import type { PlainMiss } from './plain-miss.ts'
import type { ResourceRequest } from './resource.ts'

export class PlainMisses {
  /** One at most for each URI: whatever else is asked for it takes the path of a resource. */
  readonly #running = new Map<TargetUri, Running>()

  add(miss: PlainMiss): void {
    this.#running.set(miss.request.uri, { miss })
  }

  delete(miss: PlainMiss): void {
    const { uri } = miss.request
    const running = this.#running.get(uri)
    if (running?.miss !== miss) return
    running.miss = undefined
    this.#running.delete(uri)
  }

  /** Those whose body comes, or is waited for. */
  all(): PlainMiss[] {
    return [...this.#running.values()].flatMap(({ miss }) => miss ?? [])
  }

  has(uri: TargetUri): boolean {
    return this.#running.has(uri)
  }

  /** Resolves when the request can find what comes, in the store or among the retrievals; `undefined`: nothing comes. */
  join(
    request: Pick<ResourceRequest, 'uri' | 'forwarded' | 'signal'>,
    received: Fields,
  ): Promise<void> | undefined {
    if (this.#running.size === 0 || isPersonal(received)) return undefined
    const miss = this.#running.get(request.uri)?.miss
    return miss !== undefined && isSame(miss.request, request) ? miss.join(request.signal) : undefined
  }

  /** What comes for this URI is for those that wait for it already, and nobody else. */
  outdate(uri: TargetUri): void {
    const miss = this.#running.get(uri)?.miss
    if (miss !== undefined) this.delete(miss)
  }
}

/** Emptied when it is over: tables that the map has given up keep what they held (cache/under-way.ts), now this alone. */
interface Running {
  miss: PlainMiss | undefined
}

type Asked = Pick<ResourceRequest, 'uri' | 'forwarded'>

function isSame(one: Asked, other: Asked): boolean {
  return (
    representationKey({ uri: one.uri, fields: one.forwarded }) ===
    representationKey({ uri: other.uri, fields: other.forwarded })
  )
}
