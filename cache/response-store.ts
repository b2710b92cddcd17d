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
  Allocate,
  Finding,
  Freshening,
  GrowingCopy,
  MayKeep,
  PartialAtRest,
  PartialResponse,
  Reservation,
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
import { isSamePlace, type StoredBody } from './place.ts'
import { PinnedBodies } from './pinned-bodies.ts'
import type { FreedBody, Insertion, ResponseIndex } from './response-index.ts'
import { ReservedBody, type StoreWhole } from './reserved-body.ts'
import { EVICTIONS_PER_TURN, type Evictor, Room } from './room.ts'
import { SpaceBooks } from './space.ts'
import { Shelf, type Shelved } from './shelf.ts'
import { isFull, isLoss } from './store-fault.ts'
import type { StoreLog } from './store-log.ts'
import { verifyStore } from './store-verification.ts'
import { UnderWay } from './under-way.ts'

/** Responses that are stored for one URI, by what selects them (`Vary`). */
export const MAX_VARIANTS = 256

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

const NOTHING: readonly StoredResponse[] = []

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
  /** Whole bodies that are being stored. */
  readonly #keeping = new UnderWay()
  /** Those that are, with their rooms, and may not yet outlast a crash. */
  readonly #unlasting: { readonly kept: Kept; readonly room: CopyRoom }[] = []
  #makingLast: Promise<void> | undefined
  readonly #sweeps: boolean
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  #responses = 0
  /** Whether it could not be read when something was looked up last. */
  #isIndexLost = false
  #sweeping: Promise<void> = Promise.resolve()
  #stopping = new AbortController()

  constructor(limits: StoreLimits, parts: StoreParts) {
    this.#index = parts.index
    this.#bodies = parts.bodies
    this.#log = parts.log
    this.#digester = parts.digester
    this.#books = new SpaceBooks(limits.maxBytes, () => parts.bodies.overheadBytes)
    this.#pinned = new PinnedBodies(parts.bodies, this.#books)
    this.#room = new Room(this.#books, this.#evictor(), limits.maxObjectBytes ?? limits.maxBytes)
    this.#sweeps = limits.sweeps ?? true
    this.#shelf = new Shelf({
      index: this.#index.partials,
      bodies: this.#bodies,
      log: this.#log,
      nextUse: () => this.#index.nextUse(),
      roomOf: (takenBytes) => this.#room.left(takenBytes),
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
    await this.#keeping.ended()
    await this.#makingLast
    this.#stopping.abort(NO_LONGER_NEEDED)
    await this.#sweeping
    await this.#pinned.stop()
    await this.#bodies.quiesce()
    this.#index.close()
    await this.#bodies.stop()
  }

  lookup(uri: TargetUri): readonly StoredResponse[] {
    try {
      const found = this.#index.lookup(uri)
      this.#isIndexLost = false
      return found
    } catch (error) {
      this.#loseIndex(error)
      return NOTHING
    }
  }

  /** No request fails for what the disk does (R7.2): the log is told once. @throws what is no fault of the store, and in one that was stopped. */
  #loseIndex(error: unknown): void {
    if (!(error instanceof Fault) || this.#stopping.signal.aborted) throw error
    if (!this.#isIndexLost) this.#log({ kind: 'index-unreadable', reason: error.message })
    this.#isIndexLost = true
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

  mayHold(size: number): boolean {
    return this.#room.mayHold(size)
  }

  hasSpaceFor(size: number): Promise<boolean> {
    return this.#room.hasSpaceFor(size)
  }

  reserve(size: number): Reservation | undefined {
    const room = this.#room.openNow(size)
    const bytes = room && this.#bodies.reserve(size)
    if (room !== undefined && bytes !== undefined) return new ReservedBody(room, bytes, this.#storeWhole)
    room?.close()
    return undefined
  }

  partials(uri?: TargetUri): readonly PartialAtRest[] {
    return this.#shelf.find(uri)
  }

  async record(copy: GrowingCopy, head: ResponseHead): Promise<void> {
    // What has become a stored body meanwhile, or was discarded, needs no record.
    if (!this.#isGrowing(copy)) return
    await this.#shelf.record(copy, head).catch(() => false)
    await this.#index.committed().catch(() => {})
  }

  async shelve(copy: GrowingCopy, head: ResponseHead, mayKeep: MayKeep = always): Promise<void> {
    if (!this.#isGrowing(copy)) return
    this.#growing.delete(copy)
    const mayBeKept = () => mayKeep() && this.#isWithin(copy)
    if (!(await this.#shelf.shelve(copy, head, mayBeKept))) await copy.discard()
    await this.#index.committed().catch(() => {})
  }

  resume(partial: PartialResponse): GrowingCopy | undefined {
    const copy = this.#shelf.resume(partial.id)
    if (copy !== undefined) this.#growing.add(copy)
    return copy
  }

  commit(copy: GrowingCopy, head: ResponseHead): Promise<StoredResponse>
  commit(copy: GrowingCopy, head: ResponseHead, mayKeep: MayKeep): Promise<StoredResponse | undefined>
  async commit(
    copy: GrowingCopy,
    head: ResponseHead,
    mayKeep: MayKeep = always,
  ): Promise<StoredResponse | undefined> {
    if (!this.#isGrowing(copy))
      throw new Fault('STORE_FAILED', 'the copy is not one that grows in this store')
    if (!this.#isWithin(copy)) return undefined
    let stored: StoredResponse | undefined
    await copy.commit(async (body, bytes) => {
      const kept = await this.#keep(bytes, body, head, copy.room, mayKeep)
      if (kept.stored === undefined) return kept.unpin
      await this.#makeLast(kept, copy.room)
      stored = kept.stored
      return undefined
    })
    if (stored !== undefined) this.#shelf.removeOthers(head)
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

  pieces(response: StoredResponse): Uint8Array {
    return this.#index.body(response.digest)?.pieces ?? new Uint8Array()
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

  async *verify(): AsyncGenerator<Finding> {
    const parts = {
      index: this.#index,
      bodies: this.#bodies,
      pin: (digest: Sha256) => this.#pinned.pin(digest),
      lose: (digest: Sha256, reason: string) => this.#loseBody(digest, reason),
      drop: (response: StoredResponse) => void this.#drop([response]),
      responses: () => this.#responses,
    }
    yield* verifyStore(parts)
    yield* this.#shelf.check()
  }

  usage(): StoreUsage {
    const { used: bytes, restingBytes: partialBytes, maxBytes } = this.#books
    return { bytes, partialBytes, maxBytes, responses: this.#responses }
  }

  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly #storeWhole: StoreWhole = async (bytes, body, head, room, mayKeep = always) => {
    this.#keeping.begin()
    try {
      const kept = await this.#keep(bytes, body, head, room, mayKeep)
      if (kept.stored === undefined) {
        kept.unpin()
        return undefined
      }
      this.#shelf.removeOthers(head)
      this.#unlasting.push({ kept, room })
      this.#makingLast ??= this.#makeAllLast().finally(() => (this.#makingLast = undefined))
      return kept.stored
    } finally {
      this.#keeping.end()
    }
  }

  /** Whoever kept these has been answered; that one is removed again is announced. */
  async #makeAllLast(): Promise<void> {
    while (this.#unlasting.length > 0) {
      const these = this.#unlasting.splice(0)
      const areLasting = await this.#index.committed().then(
        () => true,
        () => false,
      )
      if (areLasting) for (const { kept } of these) kept.unpin()
      else await Promise.allSettled(these.map(({ kept, room }) => this.#makeLast(kept, room)))
    }
  }

  /** Whether it may be stored; how large it is nobody may have known when it was begun. */
  #isWithin({ size = 0 }: GrowingCopy): boolean {
    return this.mayHold(size)
  }

  #isGrowing(copy: GrowingCopy): copy is GrowingBody {
    return this.#growing.has(copy)
  }

  /** A growing copy that leaves the lists of this store when its room is closed. */
  #made(room: CopyRoom, make: (room: CopyRoom) => GrowingBody): GrowingBody {
    const body = make(room)
    room.onceClosed(() => {
      this.#growing.delete(body)
      this.#shelf.forget(body)
    })
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
    bytes: Pick<GrowingBytes, 'keep'>,
    body: BodyDigests,
    head: ResponseHead,
    room: CopyRoom,
    mayKeep: MayKeep,
  ): Promise<Kept | Declined> {
    // Pinned, it is safe from the sweep while it has no row, and from eviction until its row lasts.
    const unpin = this.#pinned.pin(body.sha256)
    let kept: StoredBody = body
    try {
      const pin = () => this.#pinned.pin(body.sha256)
      kept = { ...body, place: await whereRoom(room, () => bytes.keep(body.sha256, pin)) }
      const stored = await whereRoom(room, async () => this.#enter(head, kept, room, mayKeep))
      if (stored !== undefined) return { stored, body: kept, unpin }
      // Who reads the copy has the body to the end.
      room.close()
      this.#removeUnlessStored(kept)
      return { stored, unpin }
    } catch (error) {
      this.#removeUnlessStored(kept)
      unpin()
      throw error
    } finally {
      if (kept.place !== undefined) this.#bodies.settle(kept.place)
    }
  }

  /** All in one turn: whoever looks it up has heard of it. @throws Fault STORE_FULL when the disk is. */
  #enter(head: ResponseHead, body: StoredBody, room: CopyRoom, mayKeep: MayKeep): StoredResponse | undefined {
    if (!mayKeep()) return undefined
    const insertion = this.#index.insert(head, body)
    room.close()
    return this.#settle(insertion, body)
  }

  /** What could be lost by a crash is not stored. @throws Fault STORE_FAILED, STORE_FULL when it is removed again. */
  async #makeLast({ stored, body, unpin }: Kept, room: CopyRoom): Promise<void> {
    try {
      await whereRoom(room, () => this.#index.committed())
    } catch (error) {
      const isThere = this.#index.lookup(stored.uri).some(({ id }) => id === stored.id)
      if (isThere) void this.#drop([stored])
      else this.#announce({ kind: 'removed', response: stored })
      this.#removeUnlessStored(body)
      throw error
    } finally {
      unpin()
    }
  }

  #removeUnlessStored({ sha256: digest, size, place }: StoredBody): void {
    const stored = this.#index.body(digest)
    if (stored !== undefined && isSamePlace(stored.place, place)) return
    // It was stored for a moment, and goes when its last reader ends.
    if (this.#pinned.isDoomed(digest, place)) return
    if (place !== undefined) return void this.#bodies.remove({ digest, size, place })
    this.#pinned.add({ digest, size })
    void this.#pinned.remove([{ digest, size }])
  }

  /** The books and the listeners follow what the index did. */
  #settle({ stored, replaced, freed, isNewBody, superseded }: Insertion, body: StoredBody): StoredResponse {
    const { digest, size } = stored
    if (isNewBody) this.#pinned.add({ digest, size, place: body.place })
    if (superseded !== undefined) void this.#bodies.remove(superseded)
    if (freed.length > 0) void this.#pinned.remove(freed)
    this.#announceRemoved(replaced)
    this.#responses += 1
    this.#announce({ kind: 'stored', response: stored })
    if (stored.selecting.length > 0) this.#boundVariants(stored.uri)
    return stored
  }

  /** Each look-up goes through all of them: those that were stored first go, whatever the clock was then. */
  #boundVariants(uri: TargetUri): void {
    const variants = this.#index.lookup(uri)
    if (variants.length <= MAX_VARIANTS) return
    const newestFirst = variants.toSorted((one, other) => other.id - one.id)
    const tooMany = newestFirst.slice(MAX_VARIANTS).slice(-EVICTIONS_PER_TURN)
    void this.#drop(tooMany)
  }

  /** @returns what resolves when the space is free. */
  #drop(responses: readonly StoredResponse[]): Promise<void> {
    const removal = this.#pinned.remove(this.#index.delete(responses))
    this.#announceRemoved(responses)
    return removal
  }

  async #evict(victims: readonly Victim[]): Promise<void> {
    const { partials, responses } = apart(victims)
    await Promise.all([...partials.map(({ id }) => this.#shelf.remove(id)), this.#drop(responses)])
  }

  /**
   * A file system has the space of small bodies back only when all go that lie together: they go, but for those in use,
   * however recently they were used. They were stored at about the same time.
   * @returns the bytes of all that went, at least `bytes` of them if there are so many.
   */
  async #evictFromDisk(victims: readonly Victim[], bytes: number): Promise<number> {
    const { partials, responses } = apart(victims)
    await Promise.all(partials.map(({ id }) => this.#shelf.remove(id)))
    let freed = partials.reduce((sum, { size }) => sum + size, 0)
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
    this.#bodies.recount()
    if (!this.#sweeps) return
    const { signal } = this.#stopping
    this.#sweeping = this.#sweeping
      .then(() => this.#room.shrink(signal))
      .then(() => this.#bodies.sweep(this.#sweepView(), signal))
      .catch((error: unknown) => this.#log({ kind: 'sweep-failed', reason: describe(error) }))
  }

  #sweepView(): SweepView {
    return {
      isWanted: (digest) => this.#pinned.isPinned(digest) || this.#hasFile(digest),
      isPartial: (name) => this.#shelf.has(name),
      bodiesFrom: (prefix) => this.#index.bodiesFrom(prefix),
      missing: (body) => this.#loseMissing(body),
    }
  }

  /** It may have been stored again since it was found missing. */
  #loseMissing({ digest, place }: Omit<FreedBody, 'size'>): void {
    if (this.#pinned.isPinned(digest)) return
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

  #evictor(): Evictor<Victim> {
    return {
      candidates: () => this.#evictable(),
      bytesInUse: () => this.#bytesInUse(),
      evict: (victims) => this.#evict(victims),
      removed: () => this.#pinned.removed(),
      evictFromDisk: (victims, bytes) => this.#evictFromDisk(victims, bytes),
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

/** A response that is in the index, and may not yet outlast a crash, with its body. */
interface Kept {
  readonly stored: StoredResponse
  readonly body: StoredBody
  readonly unpin: () => void
}

/** A whole body that was not to be stored after all; it goes when it is unpinned, and nobody reads it. */
interface Declined {
  readonly stored: undefined
  readonly unpin: () => void
}

const always = () => true

/** What may be evicted. */
type Victim = StoredResponse | Shelved

function apart(victims: readonly Victim[]): {
  readonly partials: readonly Shelved[]
  readonly responses: readonly StoredResponse[]
} {
  const partials = victims.filter((each) => 'isInUse' in each)
  return { partials, responses: victims.filter((each) => 'digest' in each) }
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
