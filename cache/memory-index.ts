/** The index of the memory store: the same answers as cache/index-database.ts, from maps. */
import type { Sha256 } from '../core/digest.ts'
import type { ResponseHead, StoredResponse, UseOrder } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { NOTHING_WRITTEN } from './partial-index.ts'
import type { StoredBody } from './place.ts'
import {
  type Deletion,
  type FreedBody,
  type Insertion,
  mostRecentFirst,
  type ResponseIndex,
  variantKey,
} from './response-index.ts'

export class MemoryIndex implements ResponseIndex {
  readonly partials = NOTHING_WRITTEN
  /** In the order of use, the least recent first. */
  readonly #responses = new Map<number, StoredResponse>()
  readonly #byUri = new Map<TargetUri, Set<number>>()
  readonly #byDigest = new Map<Sha256, Set<number>>()
  readonly #bodies = new Map<Sha256, StoredBody>()
  /** Response id → number of its last use. */
  readonly #uses = new Map<number, number>()
  #lastId = 0
  #lastUse = 0

  open(): void {}

  close(): void {}

  async committed(): Promise<void> {}

  totals(): { bytes: number; responses: number } {
    const bytes = [...this.#bodies.values()].reduce((sum, { size }) => sum + size, 0)
    return { bytes, responses: this.#responses.size }
  }

  check(): void {}

  lookup(uri: TargetUri): readonly StoredResponse[] {
    return this.#all(this.#byUri.get(uri)).toSorted(mostRecentFirst)
  }

  byDigest(digest: Sha256): readonly StoredResponse[] {
    return this.#all(this.#byDigest.get(digest)).toSorted((one, other) => other.id - one.id)
  }

  body(digest: Sha256): StoredBody | undefined {
    return this.#bodies.get(digest)
  }

  bodiesFrom(): readonly FreedBody[] {
    return []
  }

  digestsFrom(prefix: string): readonly Sha256[] {
    return [...this.#bodies.keys()].filter((digest) => digest.startsWith(prefix))
  }

  insert(head: ResponseHead, body: StoredBody): Insertion {
    const variant = variantKey(head.selecting)
    const replaced = this.lookup(head.uri).filter(({ selecting }) => variantKey(selecting) === variant)
    const isNewBody = !this.#bodies.has(body.sha256)
    const stored = { ...head, id: (this.#lastId += 1), size: body.size, digest: body.sha256 }
    this.#bodies.set(body.sha256, body)
    this.#responses.set(stored.id, stored)
    this.#uses.set(stored.id, this.nextUse())
    addTo(this.#byUri, stored.uri, stored.id)
    addTo(this.#byDigest, stored.digest, stored.id)
    return { stored, replaced, freed: this.delete(replaced), isNewBody, superseded: undefined }
  }

  update(response: StoredResponse): boolean {
    const isThere = this.#responses.has(response.id)
    if (isThere) this.#responses.set(response.id, response)
    return isThere
  }

  delete(responses: readonly StoredResponse[]): readonly FreedBody[] {
    return responses.flatMap(({ id, uri, digest, size }) => {
      this.#responses.delete(id)
      this.#uses.delete(id)
      removeFrom(this.#byUri, uri, id)
      removeFrom(this.#byDigest, digest, id)
      return !this.#byDigest.has(digest) && this.#bodies.delete(digest) ? [{ digest, size }] : []
    })
  }

  deleteBody(digest: Sha256): Deletion {
    const deleted = this.byDigest(digest)
    return { deleted, freed: this.delete(deleted) }
  }

  use(id: number): void {
    const response = this.#responses.get(id)
    if (response === undefined) return
    this.#responses.delete(id)
    this.#responses.set(id, response)
    this.#uses.set(id, this.nextUse())
  }

  nextUse(): number {
    return (this.#lastUse += 1)
  }

  leastRecent(): Iterable<{ used: number; response: StoredResponse }> {
    return [...this.#responses.values()].map((response) => ({
      used: this.#uses.get(response.id) ?? 0,
      response,
    }))
  }

  list(order: UseOrder): Iterable<StoredResponse> {
    const responses = [...this.#responses.values()]
    return order === 'most-recent-first' ? responses.toReversed() : responses
  }

  #all(ids: Iterable<number> = []): StoredResponse[] {
    return [...ids].flatMap((id) => this.#responses.get(id) ?? [])
  }
}

function addTo<Key>(sets: Map<Key, Set<number>>, key: Key, id: number): void {
  const set = sets.get(key)
  if (set === undefined) sets.set(key, new Set([id]))
  else set.add(id)
}

function removeFrom<Key>(sets: Map<Key, Set<number>>, key: Key, id: number): void {
  const set = sets.get(key)
  set?.delete(id)
  if (set?.size === 0) sets.delete(key)
}
