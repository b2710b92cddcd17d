/**
 * The `Store` (R7.2 to R7.4): an index of responses, a place for bodies, and the rules between them. Which index and
 * which place, cache/disk-store.ts and cache/memory-store.ts say.
 *
 * Order is what makes it crash-safe: a body is whole and on the disk before a row names it, and the row is gone
 * before its body is. What is left over then is a body without a row, which the sweep removes.
 */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import type { Sha256 } from '../core/digest.ts'
import { describe, Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type {
  Allocate,
  Finding,
  Freshening,
  GrowingCopy,
  PartialAtRest,
  PartialResponse,
  ResponseHead,
  Store,
  StoredResponse,
  StoreEvent,
  StoreUsage,
  UseOrder,
} from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Bodies, SweepView } from './bodies.ts'
import type { GrowingBytes } from './growing-bytes.ts'
import { type CopyRoom, GrowingBody } from './growing-copy.ts'
import type { BodyDigests, Digester } from './piece-digests.ts'
import { PinnedBodies } from './pinned-bodies.ts'
import type { Insertion, ResponseIndex } from './response-index.ts'
import { type Evictor, Room } from './room.ts'
import { SpaceBooks } from './space.ts'
import { Shelf, type Shelved } from './shelf.ts'
import { isLoss } from './store-fault.ts'
import type { StoreLog } from './store-log.ts'
import { verifyStore } from './store-verification.ts'

export interface StoreLimits {
  /** The quota: bytes of bodies and growing copies. */
  readonly maxBytes: number
  /** Bytes of the largest body that is stored; `maxBytes` unless given. */
  readonly maxObjectBytes?: number
  /** Whether bodies and index are compared at the start; they are unless this is `false`. */
  readonly sweeps?: boolean
}

export interface StoreParts {
  readonly index: ResponseIndex
  readonly bodies: Bodies
  readonly log: StoreLog
  /** How new bodies are digested; absent: by reading every byte. */
  readonly digester?: () => Digester
}

export class ResponseStore implements Store {
  readonly #index: ResponseIndex
  readonly #bodies: Bodies
  readonly #log: StoreLog
  readonly #digester: (() => Digester) | undefined
  readonly #books: SpaceBooks
  readonly #pinned: PinnedBodies
  readonly #room: Room<Victim>
  readonly #shelf: Shelf
  /** The growing copies in use. */
  readonly #growing = new Set<GrowingCopy>()
  readonly #sweeps: boolean
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  #responses = 0
  #sweeping: Promise<void> = Promise.resolve()
  #stopping = new AbortController()

  constructor(limits: StoreLimits, parts: StoreParts) {
    this.#index = parts.index
    this.#bodies = parts.bodies
    this.#log = parts.log
    this.#digester = parts.digester
    this.#books = new SpaceBooks(limits.maxBytes)
    this.#pinned = new PinnedBodies(parts.bodies, this.#books)
    this.#room = new Room(this.#books, this.#evictor(), limits.maxObjectBytes ?? limits.maxBytes)
    this.#sweeps = limits.sweeps ?? true
    this.#shelf = new Shelf({
      index: this.#index.partials,
      bodies: this.#bodies,
      log: this.#log,
      nextUse: () => this.#index.nextUse(),
      roomOf: (presentBytes) => this.#room.left(presentBytes),
      make: (room, make) => this.#made(room, make),
    })
  }

  async start(): Promise<void> {
    await this.#bodies.start()
    this.#stopping = new AbortController()
    try {
      this.#index.open(() => this.#recount())
      this.#pinned.start()
      this.#shelf.start()
      this.#recount()
    } catch (error) {
      await this.#bodies.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#growing].map((copy) => this.#putAside(copy)))
    this.#stopping.abort(NO_LONGER_NEEDED)
    await this.#sweeping
    await this.#pinned.stop()
    this.#index.close()
    await this.#bodies.stop()
  }

  lookup(uri: TargetUri): readonly StoredResponse[] {
    return this.#index.lookup(uri)
  }

  held(response: StoredResponse): Uint8Array | undefined {
    return this.#bodies.held(response.digest, response.size)
  }

  use(response: StoredResponse): void {
    this.#index.use(response.id)
  }

  async *read(response: StoredResponse, span: ByteSpan, allocate?: Allocate): AsyncGenerator<Uint8Array> {
    const body = this.#bodyOf(response)
    const within = { start: Math.max(0, span.start), end: Math.min(span.end, body.size) }
    if (within.end <= within.start) return
    this.#index.use(response.id)
    const unpin = this.#pinned.pin(body.sha256)
    try {
      yield* this.#bodies.read(body, within, allocate)
    } catch (error) {
      if (isLoss(error)) this.#loseBody(body.sha256, error.message)
      throw error
    } finally {
      unpin()
    }
  }

  async create(expectedSize = 0, wholeSize = expectedSize): Promise<GrowingCopy> {
    const room = await this.#room.open(expectedSize, wholeSize)
    const bytes = await this.#bodies.grow().catch((error: unknown) => {
      room.close()
      throw error
    })
    const copy = this.#made(room, (closing) => new GrowingBody(bytes, closing, undefined, this.#digester))
    this.#growing.add(copy)
    return copy
  }

  partials(uri?: TargetUri): readonly PartialAtRest[] {
    return this.#shelf.find(uri)
  }

  async record(copy: GrowingCopy, head: ResponseHead): Promise<void> {
    // What has become a stored body meanwhile, or was discarded, needs no record.
    if (this.#isGrowing(copy)) await this.#shelf.record(copy, head).catch(() => false)
  }

  async shelve(copy: GrowingCopy, head: ResponseHead): Promise<void> {
    if (!this.#isGrowing(copy)) return
    this.#growing.delete(copy)
    if (!(await this.#shelf.shelve(copy, head))) await copy.discard()
  }

  resume(partial: PartialResponse): GrowingCopy | undefined {
    const copy = this.#shelf.resume(partial.id)
    if (copy !== undefined) this.#growing.add(copy)
    return copy
  }

  async commit(copy: GrowingCopy, head: ResponseHead): Promise<StoredResponse> {
    if (!this.#isGrowing(copy))
      throw new Fault('STORE_FAILED', 'the copy is not one that grows in this store')
    let stored: StoredResponse | undefined
    await copy.commit(async (body, bytes) => {
      stored = await this.#keep(bytes, body, head, copy.room)
    })
    if (stored === undefined) throw new Fault('STORE_FAILED', 'the copy was not stored')
    this.#shelf.removeOthers(head)
    return stored
  }

  link(body: StoredResponse, head: ResponseHead): StoredResponse {
    return this.#settle(this.#index.insert(head, this.#bodyOf(body)))
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
    this.#shelf.removeAll(uri)
    return responses.length
  }

  list(order: UseOrder = 'most-recent-first'): Iterable<StoredResponse> {
    return this.#index.list(order)
  }

  verify(): AsyncIterable<Finding> {
    const parts = {
      index: this.#index,
      bodies: this.#bodies,
      pin: (digest: Sha256) => this.#pinned.pin(digest),
      lose: (digest: Sha256, reason: string) => this.#loseBody(digest, reason),
      drop: (response: StoredResponse) => void this.#drop([response]),
      responses: () => this.#responses,
    }
    return verifyStore(parts)
  }

  usage(): StoreUsage {
    const { used: bytes, restingBytes: partialBytes, maxBytes } = this.#books
    return { bytes, partialBytes, maxBytes, responses: this.#responses }
  }

  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #isGrowing(copy: GrowingCopy): copy is GrowingBody {
    return this.#growing.has(copy)
  }

  /** A growing copy that leaves the lists of this store when its room is closed. */
  #made(room: CopyRoom, make: (room: CopyRoom) => GrowingBody): GrowingBody {
    const close = () => {
      room.close()
      this.#growing.delete(body)
      this.#shelf.forget(body)
    }
    const body = make({ ...room, close })
    return body
  }

  /** The store stops: what was recorded of a copy stays for the next start, everything else goes. */
  async #putAside(copy: GrowingCopy): Promise<void> {
    const head = this.#isGrowing(copy) ? this.#shelf.headOf(copy) : undefined
    if (head === undefined) return copy.discard()
    await this.shelve(copy, head)
    copy.fail(new Fault('STORE_FAILED', 'the store has stopped'))
  }

  async #keep(
    bytes: GrowingBytes,
    body: BodyDigests,
    head: ResponseHead,
    room: CopyRoom,
  ): Promise<StoredResponse> {
    // Pinned, it is safe from the sweep while it has no row.
    const unpin = this.#pinned.pin(body.sha256)
    try {
      await bytes.keep(body.sha256, () => this.#pinned.pin(body.sha256))
      return await this.#enter(body, head, room)
    } catch (error) {
      this.#removeUnlessStored(body)
      throw error
    } finally {
      unpin()
    }
  }

  async #enter(body: BodyDigests, head: ResponseHead, room: CopyRoom): Promise<StoredResponse> {
    const insert = () => {
      const insertion = this.#index.insert(head, body)
      room.close()
      return this.#settle(insertion)
    }
    try {
      return insert()
    } catch (error) {
      if (!isFull(error)) throw error
      await room.freeDisk(0)
      return insert()
    }
  }

  #removeUnlessStored({ sha256, size }: BodyDigests): void {
    if (this.#index.pieces(sha256) !== undefined) return
    this.#pinned.add(sha256, size)
    void this.#pinned.remove([{ digest: sha256, size }])
  }

  /** The books and the listeners follow what the index did. */
  #settle({ stored, replaced, freed, isNewBody }: Insertion): StoredResponse {
    if (isNewBody) this.#pinned.add(stored.digest, stored.size)
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

  /** To delete a row takes some space as well: where there is none at all, the bodies have to go first. */
  async #evict(victims: readonly Victim[]): Promise<void> {
    const partials = victims.filter((each) => 'isInUse' in each)
    await Promise.all(partials.map(({ id }) => this.#shelf.remove(id)))
    const responses = victims.filter((each) => 'digest' in each)
    if (responses.length === 0) return
    try {
      await this.#drop(responses)
    } catch (error) {
      if (!isFull(error)) throw error
      await this.#evictBodiesFirst(responses)
    }
  }

  /** Pinned, they are not taken for lost by the sweep while they have rows and no files. */
  async #evictBodiesFirst(responses: readonly StoredResponse[]): Promise<void> {
    const unpins = responses.map(({ digest }) => this.#pinned.pin(digest))
    try {
      for (const { digest } of responses) await this.#bodies.remove(digest)
      const isStored = ({ id, uri }: StoredResponse) => this.lookup(uri).some((each) => each.id === id)
      await this.#drop(responses.filter(isStored))
    } finally {
      for (const unpin of unpins) unpin()
    }
  }

  #bodyOf(response: StoredResponse): BodyDigests {
    const pieces = this.#index.pieces(response.digest)
    if (pieces !== undefined) return { size: response.size, sha256: response.digest, pieces }
    throw new Fault('STORE_FAILED', `${response.uri} is no longer stored`)
  }

  /** @returns the responses that had this body. */
  #loseBody(digest: Sha256, reason: string): readonly StoredResponse[] {
    this.#log({ kind: 'body-lost', digest, reason })
    const { deleted, freed } = this.#index.deleteBody(digest)
    void this.#pinned.remove(freed)
    this.#announceRemoved(deleted)
    return deleted
  }

  #recount(): void {
    const { bytes, responses } = this.#index.totals()
    this.#pinned.recount(bytes)
    this.#responses = responses
    if (!this.#sweeps) return
    const { signal } = this.#stopping
    this.#sweeping = this.#sweeping
      .then(() => this.#bodies.sweep(this.#sweepView(), signal))
      .catch((error: unknown) => this.#log({ kind: 'sweep-failed', reason: describe(error) }))
  }

  #sweepView(): SweepView {
    return {
      isWanted: (digest) => this.#pinned.isPinned(digest) || this.#index.pieces(digest) !== undefined,
      isPartial: (name) => this.#shelf.has(name),
      digestsFrom: (prefix) => this.#index.digestsFrom(prefix),
      missing: (digest) => {
        if (!this.#pinned.isPinned(digest)) this.#loseBody(digest, 'its file is missing')
      },
    }
  }

  #evictor(): Evictor<Victim> {
    return {
      candidates: () => this.#evictable(),
      bytesInUse: () => this.#bytesInUse(),
      evict: (responses) => this.#evict(responses),
      freeBytes: () => this.#bodies.freeBytes(),
    }
  }

  /** Complete responses and partial copies alike, in the order of use. */
  *#evictable(): Generator<Victim> {
    const atRest = this.#shelf.atRest().values()
    let partial = atRest.next()
    for (const { used, response } of this.#index.leastRecent()) {
      for (; !partial.done && partial.value.used < used; partial = atRest.next()) yield partial.value
      if (!this.#pinned.isPinned(response.digest)) yield response
    }
    for (; !partial.done; partial = atRest.next()) yield partial.value
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

/** What may be evicted. */
type Victim = StoredResponse | Shelved

function isFull(error: unknown): boolean {
  return error instanceof Fault && error.code === 'STORE_FULL'
}
