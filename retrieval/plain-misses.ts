/** The plain misses under way: who may be one, and how others come to what one of them fetches (R4.6). */
import type { Fields } from '../core/fields.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { isPersonal, keyOf } from './origin-copies.ts'
import type { PlainMiss } from './plain-miss.ts'
import type { ResourceRequest } from './resource.ts'

export class PlainMisses {
  readonly #running = new Map<string, PlainMiss>()

  add(miss: PlainMiss): void {
    this.#running.set(keyOfRequest(miss.request), miss)
  }

  delete(miss: PlainMiss): void {
    const key = keyOfRequest(miss.request)
    if (this.#running.get(key) === miss) this.#running.delete(key)
  }

  /** Whether one is under way for the same. */
  has(request: Pick<ResourceRequest, 'uri' | 'forwarded'>): boolean {
    return this.#running.size > 0 && this.#running.has(keyOfRequest(request))
  }

  /** Resolves when the request can find what comes, in the store or among the retrievals; `undefined`: nothing comes. */
  join(request: Pick<ResourceRequest, 'uri' | 'forwarded'>, received: Fields): Promise<void> | undefined {
    if (this.#running.size === 0 || isPersonal(received)) return undefined
    return this.#running.get(keyOfRequest(request))?.join()
  }

  /** What comes for this URI is for those that wait for it already, and nobody else. */
  outdate(uri: TargetUri): void {
    for (const [key, miss] of this.#running) {
      if (miss.request.uri !== uri) continue
      miss.outdate()
      this.#running.delete(key)
    }
  }
}

function keyOfRequest({ uri, forwarded }: Pick<ResourceRequest, 'uri' | 'forwarded'>): string {
  return keyOf({ uri, fields: forwarded })
}
