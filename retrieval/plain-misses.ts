/** The plain misses under way: who may be one, and how others come to what one of them fetches (R4.6). */
import type { Fields } from '../core/fields.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { isPersonal, representationKey } from './origin-copies.ts'
import type { PlainMiss } from './plain-miss.ts'
import type { ResourceRequest } from './resource.ts'

export class PlainMisses {
  /** One at most for each URI: whatever else is asked for it takes the path of a resource. */
  readonly #running = new Map<TargetUri, PlainMiss>()

  add(miss: PlainMiss): void {
    this.#running.set(miss.request.uri, miss)
  }

  delete(miss: PlainMiss): void {
    const { uri } = miss.request
    if (this.#running.get(uri) === miss) this.#running.delete(uri)
  }

  has(uri: TargetUri): boolean {
    return this.#running.has(uri)
  }

  /** Resolves when the request can find what comes, in the store or among the retrievals; `undefined`: nothing comes. */
  join(request: Pick<ResourceRequest, 'uri' | 'forwarded'>, received: Fields): Promise<void> | undefined {
    if (this.#running.size === 0 || isPersonal(received)) return undefined
    const miss = this.#running.get(request.uri)
    return miss !== undefined && isSame(miss.request, request) ? miss.join() : undefined
  }

  /** What comes for this URI is for those that wait for it already, and nobody else. */
  outdate(uri: TargetUri): void {
    this.#running.get(uri)?.outdate()
    this.#running.delete(uri)
  }
}

type Asked = Pick<ResourceRequest, 'uri' | 'forwarded'>

function isSame(one: Asked, other: Asked): boolean {
  return (
    representationKey({ uri: one.uri, fields: one.forwarded }) ===
    representationKey({ uri: other.uri, fields: other.forwarded })
  )
}
