/**
 * The `Store` (R7.2 to R7.4): an index of responses, a place for bodies, and the rules between them. Which index and
 * which place, cache/disk-store.ts and cache/memory-store.ts say.
 *
 * Order is what makes it crash-safe: a body is whole and on the disk before a row names it, and the row is gone for good
 * before its body is. What is left over then is a body without a row, which the sweep removes.
 */
import { setImmediate } from 'node:timers/promises'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import type { Sha256 } from '../core/digest.ts'
import { describe, Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type {
  Freshening,
  GrowingCopy,
  ResponseHead,
  Store,
  StoredResponse,
  StoreEvent,
  StoreUsage,
} from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Bodies, SweepView } from './bodies.ts'
import type { GrowingBytes } from './growing-bytes.ts'
import { type CopyRoom, GrowingBody } from './growing-copy.ts'
import type { BodyDigests } from './piece-digests.ts'
import { isSamePlace, type StoredBody } from './place.ts'
import { PinnedBodies } from './pinned-bodies.ts'
import type { FreedBody, Insertion, ResponseIndex } from './response-index.ts'
import { EVICTIONS_PER_TURN, type Evictor, Room } from './room.ts'
import { SpaceBooks } from './space.ts'
import { isFull, isMissing } from './store-fault.ts'
import type { StoreLog } from './store-log.ts'

export interface StoreLimits {
  /** The quota: bytes of bodies and growing copies. */
  readonly maxBytes: number
  /** Bytes of the largest body that is stored; `maxBytes` unless given. */
  readonly maxObjectBytes?: number
}

export interface StoreParts {
  readonly index: ResponseIndex
  readonly bodies: Bodies
  readonly log: StoreLog
}

export class ResponseStore implements Store {
  readonly #index: ResponseIndex
  readonly #bodies: Bodies
  readonly #log: StoreLog
  readonly #books: SpaceBooks
  readonly #pinned: PinnedBodies
  readonly #room: Room
  readonly #growing = new Map<GrowingCopy, { readonly body: GrowingBody; readonly room: CopyRoom }>()
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  #responses = 0
  #sweeping: Promise<void> = Promise.resolve()
  #stopping = new AbortController()

  constructor(limits: StoreLimits, parts: StoreParts) {
    this.#index = parts.index
    this.#bodies = parts.bodies
    this.#log = parts.log
    this.#books = new SpaceBooks(limits.maxBytes, () => parts.bodies.overheadBytes)
    this.#pinned = new PinnedBodies(parts.bodies, this.#books)
    this.#room = new Room(this.#books, this.#evictor(), limits.maxObjectBytes ?? limits.maxBytes)
  }

  async start(): Promise<void> {
    await this.#bodies.start()
    this.#stopping = new AbortController()
    try {
      this.#index.open(() => this.#recount())
      this.#pinned.start()
      this.#recount()
    } catch (error) {
      await this.#bodies.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#growing.keys()].map((copy) => copy.discard()))
    this.#stopping.abort(NO_LONGER_NEEDED)
    await this.#sweeping
    await this.#pinned.stop()
    await this.#bodies.quiesce()
    this.#index.close()
    await this.#bodies.stop()
  }

  lookup(uri: TargetUri): readonly StoredResponse[] {
    return this.#index.lookup(uri)
  }

  async *read(response: StoredResponse, span: ByteSpan): AsyncGenerator<Uint8Array> {
    const body = this.#bodyOf(response)
    const within = { start: Math.max(0, span.start), end: Math.min(span.end, body.size) }
    if (within.end <= within.start) return
    this.#index.use(response.id)
    const unpin = this.#pinned.pin(body.sha256)
    try {
      yield* this.#bodies.read(body, within)
    } catch (error) {
      if (isLoss(error)) this.#loseBody(body.sha256, error.message)
      throw error
    } finally {
      unpin()
    }
  }

  async create(expectedSize = 0): Promise<GrowingCopy> {
    const room = await this.#room.open(expectedSize)
    const bytes = await this.#bodies.grow().catch((error: unknown) => {
      room.close()
      throw error
    })
    const close = () => {
      room.close()
      this.#growing.delete(body)
    }
    const body = new GrowingBody(bytes, { ...room, close })
    this.#growing.set(body, { body, room: { ...room, close } })
    return body
  }

  async commit(copy: GrowingCopy, head: ResponseHead): Promise<StoredResponse> {
    const growing = this.#growing.get(copy)
    if (growing === undefined) throw new Fault('STORE_FAILED', 'the copy is not one that grows in this store')
    let stored: StoredResponse | undefined
    await growing.body.commit(async (body, bytes) => {
      stored = await this.#keep(bytes, body, head, growing.room)
    })
    if (stored === undefined) throw new Fault('STORE_FAILED', 'the copy was not stored')
    return stored
  }

  link(body: StoredResponse, head: ResponseHead): StoredResponse {
    const whole = this.#bodyOf(body)
    return this.#settle(this.#index.insert(head, whole), whole)
  }

  freshen(response: StoredResponse, update: Freshening): StoredResponse {
    const { fields, requestTime, responseTime, shareable } = update
    const freshened = { ...response, fields, requestTime, responseTime, shareable }
    if (this.#index.update(freshened)) return freshened
    throw new Fault('STORE_FAILED', `${response.uri} is no longer stored`)
  }

  findByDigest(digest: Sha256): StoredResponse | undefined {
    return this.#index.byDigest(digest)[0]
  }

  remove(uri: TargetUri): number {
    const responses = this.#index.lookup(uri)
    void this.#drop(responses)
    return responses.length
  }

  list(): Iterable<StoredResponse> {
    return this.#index.list('most-recent-first')
  }

  usage(): StoreUsage {
    return { bytes: this.#books.used, maxBytes: this.#books.maxBytes, responses: this.#responses }
  }

  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #keep(
    bytes: GrowingBytes,
    body: BodyDigests,
    head: ResponseHead,
    room: CopyRoom,
  ): Promise<StoredResponse> {
    // Pinned, it is safe from the sweep while it has no row.
    const unpin = this.#pinned.pin(body.sha256)
    let kept: StoredBody = body
    try {
      const pin = () => this.#pinned.pin(body.sha256)
      kept = { ...body, place: await whereRoom(room, () => bytes.keep(body.sha256, pin)) }
      const insertion = await whereRoom(room, async () => this.#index.insert(head, kept))
      room.close()
      const stored = this.#settle(insertion, kept)
      await this.#makeLast(stored, room)
      return stored
    } catch (error) {
      this.#removeUnlessStored(kept)
      throw error
    } finally {
      if (kept.place !== undefined) this.#bodies.settle(kept.place)
      unpin()
    }
  }

  /** What could be lost by a crash is not stored. */
  async #makeLast(stored: StoredResponse, room: CopyRoom): Promise<void> {
    try {
      await whereRoom(room, () => this.#index.committed())
    } catch (error) {
      const isThere = this.#index.lookup(stored.uri).some(({ id }) => id === stored.id)
      if (isThere) void this.#drop([stored])
      else this.#announce({ kind: 'removed', response: stored })
      throw error
    }
  }

  #removeUnlessStored({ sha256: digest, size, place }: StoredBody): void {
    const stored = this.#index.body(digest)
    if (stored !== undefined && isSamePlace(stored.place, place)) return
    if (place !== undefined) return void this.#bodies.remove({ digest, size, place })
    this.#pinned.add({ digest, size })
    void this.#pinned.remove([{ digest, size }])
  }

  /** The books and the listeners follow what the index did. */
  #settle({ stored, replaced, freed, isNewBody, superseded }: Insertion, body: StoredBody): StoredResponse {
    const { digest, size } = stored
    if (isNewBody) this.#pinned.add({ digest, size, place: body.place })
    if (superseded !== undefined) void this.#bodies.remove(superseded)
    void this.#pinned.remove(freed)
    this.#announceRemoved(replaced)
    this.#responses += 1
    this.#announce({ kind: 'stored', response: stored })
    return stored
  }

  /** @returns what resolves when the space is free. */
  #drop(responses: readonly StoredResponse[]): Promise<void> {
    const removal = this.#pinned.remove(this.#index.delete(responses))
    this.#announceRemoved(responses)
    return removal
  }

  /**
   * A file system has the space of small bodies back only when all go that lie together: they go, but for those in use,
   * however recently they were used. They were stored at about the same time.
   * @returns the bytes of all that went, at least `bytes` of them if there are so many.
   */
  async #evictFromDisk(responses: readonly StoredResponse[], bytes: number): Promise<number> {
    let freed = 0
    for (const { digest } of responses) {
      if (freed >= bytes) break
      const together = this.#liesWith(digest).filter((body) => !this.#pinned.isPinned(body.digest))
      for (let at = 0; at < together.length; at += EVICTIONS_PER_TURN) {
        const portion = together.slice(at, at + EVICTIONS_PER_TURN)
        await this.#drop(portion.flatMap((body) => this.#index.byDigest(body.digest)))
        freed += portion.reduce((sum, { size }) => sum + size, 0)
        await setImmediate()
      }
    }
    return freed
  }

  #liesWith(digest: Sha256): readonly Omit<FreedBody, 'place'>[] {
    const place = this.#index.body(digest)?.place
    if (place !== undefined) return this.#bodies.neighbours(place)
    return this.#index.byDigest(digest).slice(0, 1)
  }

  #bodyOf(response: StoredResponse): StoredBody {
    const body = this.#index.body(response.digest)
    if (body !== undefined) return { ...body, size: response.size, sha256: response.digest }
    throw new Fault('STORE_FAILED', `${response.uri} is no longer stored`)
  }

  #loseBody(digest: Sha256, reason: string): void {
    this.#log({ kind: 'body-lost', digest, reason })
    void this.#drop(this.#index.byDigest(digest))
  }

  #recount(): void {
    const { bytes, responses } = this.#index.totals()
    this.#pinned.recount(bytes)
    this.#responses = responses
    this.#bodies.recount()
    const { signal } = this.#stopping
    this.#sweeping = this.#sweeping
      .then(() => this.#bodies.sweep(this.#sweepView(), signal))
      .catch((error: unknown) => this.#log({ kind: 'sweep-failed', reason: describe(error) }))
  }

  #sweepView(): SweepView {
    return {
      isWanted: (digest) => this.#pinned.isPinned(digest) || this.#hasFile(digest),
      digestsFrom: (prefix) => this.#index.digestsFrom(prefix, 'in-files'),
      missing: (body) => this.#loseMissing(body),
    }
  }

  /** It may have been stored again since it was found missing. */
  #loseMissing({ digest, place }: Omit<FreedBody, 'size'>): void {
    const stored = this.#index.body(digest)
    if (stored === undefined || !isSamePlace(stored.place, place)) return
    this.#loseBody(
      digest,
      place === undefined ? 'its file is missing' : 'its segment is missing or too short',
    )
  }

  #hasFile(digest: Sha256): boolean {
    const body = this.#index.body(digest)
    return body !== undefined && body.place === undefined
  }

  #evictor(): Evictor {
    return {
      candidates: () => this.#evictable(),
      bytesInUse: () => this.#bytesInUse(),
      evict: (responses) => this.#drop(responses),
      evictFromDisk: (responses, bytes) => this.#evictFromDisk(responses, bytes),
      freeBytes: () => this.#bodies.freeBytes(),
    }
  }

  *#evictable(): Generator<StoredResponse> {
    for (const response of this.#index.list('least-recent-first')) {
      if (!this.#pinned.isPinned(response.digest)) yield response
    }
  }

  #bytesInUse(): number {
    let bytes = this.#pinned.doomedBytes
    for (const digest of this.#pinned.pinned) bytes += this.#index.byDigest(digest)[0]?.size ?? 0
    return bytes
  }

  #announceRemoved(responses: readonly StoredResponse[]): void {
    this.#responses -= responses.length
    for (const response of responses) this.#announce({ kind: 'removed', response })
  }

  #announce(event: StoreEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

/** Does `work`; on a full file system again and again, as long as there is something to free. */
async function whereRoom<Result>(room: CopyRoom, work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isFull(error)) throw error
      await room.freeDisk(0)
    }
  }
}

/** Is the body gone or damaged, rather than merely out of reach just now (too many open files, say)? */
function isLoss(error: unknown): error is Fault {
  return error instanceof Fault && (error.code === 'STORE_CORRUPT' || isMissing(error.cause))
}
