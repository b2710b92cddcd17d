/**
 * Who reads which of this node's files now, and where those who come too late read instead: a tree, not a star (R3.5).
 *
 * A file has a few readers at once. Each tells the name under which it passes on what it receives (its relay). Whoever
 * comes when all places are taken is told the relays of those who sit in them, in turn, so that the tree below fills
 * evenly; it asks there, and is told further. Who has sent as many copies as a file has places sends on to those who have
 * just got theirs, too: in a crowd that comes bit by bit places are free all the time. So nobody sends more than a few
 * copies, whoever holds the file and however many want it, and no packet is needed for it.
 */
import { LRUCache } from 'lru-cache'
import type { Clock, Monotonic } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import type { LocalAlias } from './packets.ts'
import { MAX_RELAYS, type Relay } from './relay-fields.ts'

export interface Reader {
  readonly peer: Address
  /** Absent for a node that passes nothing on, or knows nothing of this. */
  readonly relay: Relay | undefined
  /** It has another place already: nobody else shall miss one for its sake. */
  readonly isSpare?: boolean
  /** The share of the file that it wants, 0 to 1; absent: all. */
  readonly share?: number
}

export interface UploadLimits {
  /** Readers of one file at once. */
  readonly perFile: number
  /** Of all files together. */
  readonly inAll: number
}

export type Slot =
  | {
      readonly kind: 'taken'
      readonly leave: () => void
      /** The reader was sent all that it asked for. */
      readonly wasServed: () => void
    }
  /** No place is free, or others have it by now; these may have one. */
  | { readonly kind: 'full'; readonly relays: readonly Relay[] }

/** Files of which is remembered how often they were read; the one that was read longest ago is forgotten first. */
export const MAX_COUNTED_FILES = 4096

/** Where all places were taken within this, in ms, one becomes free before whoever asks has lost patience: files are small mostly. */
export const TURNOVER_MS = 100

/** The share of all places that one peer may have: what it holds on to, dripping, it does not hold back from everybody. */
export const SHARE_OF_ONE = 3 / 4

/** Who has got a file passes it on to those who come within so long, in ms: later it may be gone. */
export const HANDED_ON_MS = 5000

/** No more are sent on for one file: who comes then is served here. */
export const MAX_SENT_ON = 256

/** A smaller part than this of a file is not had elsewhere for the asking. */
const MOST_OF_IT = 1 / 2

/** One that has got a file. */
interface Served {
  readonly peer: Address
  readonly relay: Relay
  readonly at: Monotonic
}

/** Where a file is by now. */
interface HandedOn {
  /** The newest last; no more than are named at a time. */
  readonly served: Served[]
  /** Who was sent on: whoever comes again has found nothing there. */
  readonly sentOn: Set<Address>
}

export class UploadSlots {
  readonly #limits: UploadLimits
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #readers = new Map<LocalAlias, Reader[]>()
  readonly #begun = new Map<LocalAlias, number>()
  readonly #handedOn = new LRUCache<LocalAlias, HandedOn>({ max: MAX_COUNTED_FILES })
  /** How many places each peer has. */
  readonly #of = new Map<Address, number>()
  #inAll = 0
  /** Since when all places are taken. */
  #fullSince = Infinity

  constructor(limits: UploadLimits, clock: Pick<Clock, 'monotonic'>) {
    this.#limits = limits
    this.#clock = clock
  }

  /** Whether nobody else can be served, whatever they ask for. */
  get areTaken(): boolean {
    return this.#inAll >= this.#limits.inAll
  }

  /** Whether that is so for longer than small files take, which make room for each other all the time. */
  get areTakenForLong(): boolean {
    return this.areTaken && this.#clock.monotonic() - this.#fullSince > TURNOVER_MS
  }

  /** How often this file was read so far, parts counting as such, as far as is remembered. */
  begun(alias: LocalAlias): number {
    return this.#begun.get(alias) ?? 0
  }

  /**
   * @param isIndispensable the file can be had nowhere else: its first reader is served whatever else is read, because
   *   the others have it from that one.
   */
  take(alias: LocalAlias, reader: Reader, isIndispensable = false): Slot {
    const elsewhere = this.#elsewhere(alias, reader)
    if (elsewhere.length > 0) return { kind: 'full', relays: elsewhere }
    const readers = this.#readers.get(alias) ?? []
    const isFirst = readers.length === 0 && isIndispensable
    // Whoever cannot be sent elsewhere, a node of the patents, has only the limit of all.
    const limit = reader.relay === undefined ? Infinity : this.#limits.perFile
    const isNoneLeft = this.areTaken || this.#hasItsShare(reader.peer)
    const isFull = readers.length >= limit || (isNoneLeft && !isFirst) || this.#isNeeded(reader, readers)
    if (isFull) return { kind: 'full', relays: relaysInTurn(readers, reader.peer) }
    this.#readers.set(alias, [...readers, reader])
    const wereTaken = this.areTaken
    this.#inAll++
    this.#of.set(reader.peer, (this.#of.get(reader.peer) ?? 0) + 1)
    if (this.areTaken && !wereTaken) this.#fullSince = this.#clock.monotonic()
    this.#count(alias, reader.share ?? 1)
    let isTaken = true
    const leave = () => {
      if (isTaken) this.#leave(alias, reader)
      isTaken = false
    }
    return { kind: 'taken', leave, wasServed: () => this.#noteServed(alias, reader) }
  }

  #noteServed(alias: LocalAlias, { peer, relay, share = 1 }: Reader): void {
    if (relay === undefined || share < MOST_OF_IT) return
    const { served, sentOn } = this.#handedOn.get(alias) ?? { served: [], sentOn: new Set() }
    const others = served.filter((each) => each.peer !== peer).slice(1 - MAX_RELAYS)
    this.#handedOn.set(alias, { served: [...others, { peer, relay, at: this.#clock.monotonic() }], sentOn })
  }

  /** Those who have it from here, once enough were sent it; the first named becomes the last. */
  #elsewhere(alias: LocalAlias, { peer, relay, isSpare, share = 1 }: Reader): Relay[] {
    const mayGoOn = relay !== undefined && isSpare !== true && share >= MOST_OF_IT
    const handedOn = this.#handedOn.get(alias)
    if (!mayGoOn || handedOn === undefined || this.begun(alias) < this.#limits.perFile) return []
    const since = this.#clock.monotonic() - HANDED_ON_MS
    const [first, ...others] = handedOn.served.filter(({ at }) => at >= since)
    if (first === undefined) {
      this.#handedOn.delete(alias)
      return []
    }
    if (handedOn.sentOn.has(peer) || handedOn.sentOn.size >= MAX_SENT_ON) return []
    this.#handedOn.set(alias, { served: [...others, first], sentOn: handedOn.sentOn.add(peer) })
    return [first, ...others].flatMap((each) => (each.peer === peer ? [] : [each.relay]))
  }

  #hasItsShare(peer: Address): boolean {
    return (this.#of.get(peer) ?? 0) >= Math.max(1, SHARE_OF_ONE * this.#limits.inAll)
  }

  /** One place of each file, and half of all, stay free of those who have another one. */
  #isNeeded({ isSpare }: Reader, readers: readonly Reader[]): boolean {
    const { perFile, inAll } = this.#limits
    return isSpare === true && (readers.length + 1 >= perFile || this.#inAll + 1 > inAll / 2)
  }

  #leave(alias: LocalAlias, reader: Reader): void {
    this.#inAll--
    const left = (this.#of.get(reader.peer) ?? 0) - 1
    if (left > 0) this.#of.set(reader.peer, left)
    else this.#of.delete(reader.peer)
    const others = (this.#readers.get(alias) ?? []).filter((each) => each !== reader)
    if (others.length > 0) this.#readers.set(alias, others)
    else this.#readers.delete(alias)
  }

  #count(alias: LocalAlias, share: number): void {
    const before = this.begun(alias)
    this.#begun.delete(alias)
    this.#begun.set(alias, before + share)
    const [oldest] = this.#begun.keys()
    if (this.#begun.size > MAX_COUNTED_FILES && oldest !== undefined) this.#begun.delete(oldest)
  }
}

/** The relays of `readers`; the first becomes the last, so that the next who asks begins with another. */
function relaysInTurn(readers: Reader[], asker: Address): Relay[] {
  const [first] = readers
  if (first !== undefined) readers.push(...readers.splice(0, 1))
  return readers.flatMap(({ peer, relay }) => (relay === undefined || peer === asker ? [] : [relay]))
}
