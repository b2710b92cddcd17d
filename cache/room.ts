/**
 * Keeps the store within its quota and out of the file system's reserve (R7.2): before bytes are written, room is
 * made by removing the responses that were used least recently.
 */
import { setImmediate } from 'node:timers/promises'
import { Fault } from '../core/fault.ts'
import type { CopyRoom } from './growing-copy.ts'
import type { SpaceAccount, SpaceBooks } from './space.ts'

/** Bytes claimed between two looks at the file system: by copies that grow, and before a new one begins. */
const BYTES_PER_LOOK = 16 * 1024 * 1024
const BYTES_PER_FIRST_LOOK = 4 * 1024 * 1024
/** A file system that is full gives at least this many bytes back before the next attempt. */
const FREED_WHEN_FULL = 1024 * 1024
/**
 * Evicting takes a little space in the index, so once may not be enough. But not for ever: some file systems count
 * freed space only later, and the whole cache would go meanwhile.
 */
const MAX_ATTEMPTS = 3
/**
 * What is too large to be stored, and nobody knew it, may evict as long as all of that together takes no more than this share of the quota:
 * streams without an end must not empty the store.
 */
export const BEYOND_SHARE = 1 / 4
/** Responses that are evicted before anything else of this process has its turn. */
export const EVICTIONS_PER_TURN = 64

/** What is needed of the store. `Victim`: what may be evicted, of `size` bytes. */
export interface Evictor<Victim extends { readonly size: number }> {
  /** Least recently used first. */
  candidates(): Iterable<Victim>
  /** Bytes of the bodies that cannot be evicted now. */
  bytesInUse(): number
  /** Removes them; resolves when their part of the quota is free. */
  evict(victims: readonly Victim[]): Promise<void>
  /** Resolves when the removals under way have ended. */
  removed(): Promise<void>
  /** Removes them, and what else must go, until the file system has about `bytes` back. @returns the bytes that went. */
  evictFromDisk(victims: readonly Victim[], bytes: number): Promise<number>
  /** Bytes that the file system may still take; negative when its reserve is touched. */
  freeBytes(): Promise<number>
}

export class Room<Victim extends { readonly size: number }> {
  readonly #books: SpaceBooks
  readonly #evictor: Evictor<Victim>
  readonly #maxObjectBytes: number
  /** Growing copies that are larger than what is stored; those that are gone have claimed nothing. */
  readonly #beyond = new Set<SpaceAccount>()
  /** What those wait for who may evict. */
  #awaitedBytes = 0
  #claimedSinceLook = Infinity
  /** What the file system had beyond its reserve and all promises at the last look. */
  #spare = 0
  #freeing: Promise<void> | undefined

  constructor(books: SpaceBooks, evictor: Evictor<Victim>, maxObjectBytes: number) {
    this.#books = books
    this.#evictor = evictor
    this.#maxObjectBytes = Math.min(maxObjectBytes, books.maxBytes)
  }

  /** Room for a new growing copy of `wholeSize` bytes, of which `expectedSize` are known to come. @throws Fault STORE_FULL. */
  async open(expectedSize: number, wholeSize = expectedSize): Promise<CopyRoom> {
    this.#mustFit(wholeSize)
    const account = this.#books.open()
    try {
      if (this.#hasRoom(account, expectedSize)) account.claim(expectedSize)
      else await this.#makeRoom(account, expectedSize)
      if (this.#mustLook(expectedSize, BYTES_PER_FIRST_LOOK)) await this.#keepReserve()
    } catch (error) {
      account.close()
      throw error
    }
    return new AccountRoom(this, account)
  }

  /** Whether a body of `size` bytes could be here at all, whatever else had to go. */
  mayHold(size: number): boolean {
    return size <= this.#maxObjectBytes
  }

  /** Whether the disk could take it now, too, if all went that may be evicted; it is looked at where it had little, or much is wanted. */
  async hasSpaceFor(size: number): Promise<boolean> {
    if (!this.#mustLook(size, BYTES_PER_LOOK)) return true
    const freeBytes = await this.#evictor.freeBytes()
    return size <= this.#books.mostFree(freeBytes, this.#evictor.bytesInUse())
  }

  /** Room for a body that comes at once, where nothing has to be evicted or asked first. */
  openNow(size: number): CopyRoom | undefined {
    if (size > this.#maxObjectBytes || this.#mustLook(size, BYTES_PER_FIRST_LOOK)) return undefined
    const account = this.#books.open()
    if (!this.#hasRoom(account, size)) return undefined
    account.claim(size)
    this.#claimedSinceLook += size
    return new AccountRoom(this, account)
  }

  /** The room of a partial copy that a former process left, at rest. */
  left(bytes: number): CopyRoom {
    const account = this.#books.open()
    account.hold(bytes)
    account.rest()
    return new AccountRoom(this, account)
  }

  /** What is here beyond the quota goes, turn by turn: it was larger when that was stored. */
  async shrink(signal: AbortSignal): Promise<void> {
    while (this.#books.shortage(0) > 0) {
      await setImmediate()
      if (signal.aborted) return
      if (this.#books.goingBytes > 0) {
        await this.#evictor.removed()
        continue
      }
      const shortage = this.#books.shortage(0)
      const victims = shortage > 0 ? this.#victims(shortage) : []
      if (victims.length === 0) return
      await this.#evictor.evict(victims)
    }
  }

  #hasRoom(account: SpaceAccount, bytes: number): boolean {
    const more = account.held + bytes - account.claimed
    return more <= 0 || this.#books.shortage(more) === 0
  }

  /**
   * See `CopyRoom.claim`. What is known to be too large to be stored does not begin; what turns out to be, because nobody knew its size,
   * grows on for those who read it, as far as the quota goes; it evicts no more than `BEYOND_SHARE`.
   */
  async claim(account: SpaceAccount, bytes: number, size = 0): Promise<void> {
    const { maxBytes } = this.#books
    if (account.held === 0) this.#mustFit(size)
    if (size > maxBytes) throw this.#full(bytes)
    await this.#makeRoom(account, bytes, this.#mayEvict(account, bytes))
    this.#claimedSinceLook += bytes
    if (this.#mustLook(0, BYTES_PER_LOOK)) await this.#keepReserve()
  }

  #mayEvict(account: SpaceAccount, bytes: number): boolean {
    if (account.held + bytes <= this.#maxObjectBytes) return true
    this.#beyond.add(account)
    let total = account.held + bytes - account.claimed
    for (const each of this.#beyond) {
      if (each.claimed === 0) this.#beyond.delete(each)
      total += each.claimed
    }
    return total <= this.#books.maxBytes * BEYOND_SHARE
  }

  /** The less space there was, the sooner it is looked again; others may take of it as well. */
  #mustLook(more: number, most: number): boolean {
    return this.#claimedSinceLook + more >= Math.min(most, this.#spare / 2)
  }

  /**
   * Looks and claims without a pause between, so that nobody else can claim the same room.
   * @param mayEvict otherwise it takes what is free, and nothing of what is being freed for others.
   */
  async #makeRoom(account: SpaceAccount, bytes: number, mayEvict = true): Promise<void> {
    let awaited = 0
    try {
      for (;;) {
        const more = Math.max(0, account.held + bytes - account.claimed)
        const shortage = more > 0 ? this.#books.shortage(more + (mayEvict ? 0 : this.#awaitedBytes)) : 0
        if (shortage === 0) return account.claim(bytes)
        if (mayEvict && awaited === 0) this.#awaitedBytes += awaited = more
        await this.#free(more, shortage, mayEvict)
      }
    } finally {
      this.#awaitedBytes -= awaited
    }
  }

  /** Some of what is lacking. @throws Fault STORE_FULL when nothing more can go. */
  async #free(more: number, shortage: number, mayEvict: boolean): Promise<void> {
    if (this.#books.goingBytes > 0) return this.#evictor.removed()
    const couldFit = mayEvict && this.#books.couldFit(more, this.#evictor.bytesInUse())
    const victims = couldFit ? this.#victims(shortage) : []
    if (victims.length === 0) throw this.#full(more)
    await this.#evictor.evict(victims)
  }

  /** What is promised to growing copies must fit into what the file system has beyond its reserve. */
  async #keepReserve(): Promise<void> {
    this.#claimedSinceLook = 0
    try {
      await this.#freeReserve()
    } catch (error) {
      // Whoever comes next looks again.
      this.#claimedSinceLook = Infinity
      throw error
    }
  }

  async #freeReserve(): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const lacking = this.#books.outstanding - (await this.#evictor.freeBytes())
      this.#spare = -lacking
      if (lacking <= 0) return
      if (attempt === MAX_ATTEMPTS) throw diskFull(lacking)
      await this.#freeDisk(lacking)
    }
  }

  /** All who find the disk full at the same time wait for the same: it is about as much for many as for one. */
  freeFullDisk(bytes: number): Promise<void> {
    this.#freeing ??= this.#freeDisk(bytes).finally(() => (this.#freeing = undefined))
    return this.#freeing
  }

  async #freeDisk(bytes: number): Promise<void> {
    for (let freed = 0; freed < bytes;) {
      const victims = this.#victims(bytes - freed)
      if (victims.length > 0) freed += await this.#evictor.evictFromDisk(victims, bytes - freed)
      else if (freed === 0) throw diskFull(bytes)
      else return
    }
  }

  /** What is to go so that about `bytes` are freed, one turn's portion at most. */
  #victims(bytes: number): Victim[] {
    const victims: Victim[] = []
    let found = 0
    for (const victim of this.#evictor.candidates()) {
      victims.push(victim)
      found += victim.size
      if (found >= bytes || victims.length === EVICTIONS_PER_TURN) break
    }
    return victims
  }

  #mustFit(size: number): void {
    if (this.mayHold(size)) return
    throw new Fault('STORE_FULL', `a body of ${size} bytes, at most ${this.#maxObjectBytes} are stored`)
  }

  #full(bytes: number): Fault {
    return new Fault(
      'STORE_FULL',
      `${bytes} bytes more do not fit into ${this.#books.maxBytes}: the rest is in use`,
    )
  }
}

/** What the rooms need of their whole. */
type Whole = Pick<Room<never>, 'claim' | 'freeFullDisk'>

class AccountRoom implements CopyRoom {
  readonly #whole: Whole
  readonly #account: SpaceAccount
  #closed: (() => void) | undefined

  constructor(whole: Whole, account: SpaceAccount) {
    this.#whole = whole
    this.#account = account
  }

  claim(bytes: number, size: number | undefined): Promise<void> {
    return this.#whole.claim(this.#account, bytes, size)
  }

  freeDisk(bytes: number): Promise<void> {
    return this.#whole.freeFullDisk(Math.max(bytes, FREED_WHEN_FULL))
  }

  hold(bytes: number): void {
    this.#account.hold(bytes)
  }

  reset(): void {
    this.#account.reset()
  }

  rest(): void {
    this.#account.rest()
  }

  wake(): void {
    this.#account.wake()
  }

  onceClosed(closed: () => void): void {
    this.#closed = closed
  }

  close(): void {
    this.#account.close()
    this.#closed?.()
    this.#closed = undefined
  }
}

function diskFull(bytes: number): Fault {
  return new Fault('STORE_FULL', `the file system lacks ${bytes} bytes, and evicting does not help`)
}
