/**
 * The partial copies of a store (core/store.ts), in use and at rest. What is written down of them is never more than
 * what their bytes were digested of: a killed process leaves spans that can be checked, or nothing.
 */
import { describe } from '../core/fault.ts'
import type { Finding, MayKeep, PartialAtRest, ResponseHead } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { formatBytes } from '../core/units.ts'
import type { Bodies } from './bodies.ts'
import { type CopyRoom, GrowingBody } from './growing-copy.ts'
import { wholeBlocks } from './extents.ts'
import type { LeftRecord, PartialIndex, SpanChanges } from './partial-index.ts'
import { mostRecentFirst, variantKey } from './response-index.ts'
import type { SpanDigest } from './span-digests.ts'
import type { StoreLog } from './store-log.ts'

/** More than these partial copies are not kept: the one used least recently goes. */
export const MAX_PARTIALS = 1000

export interface ShelfParts {
  readonly index: PartialIndex
  readonly bodies: Pick<Bodies, 'regrow' | 'cutLeft'>
  readonly log: StoreLog
  readonly nextUse: () => number
  /** The room of what a former process left: `takenBytes` at rest. */
  readonly roomOf: (takenBytes: number) => CopyRoom
  /** Makes a growing copy of this store, which it is told the end of. */
  readonly make: (room: CopyRoom, make: (room: CopyRoom) => GrowingBody) => GrowingBody
}

/** One partial copy. */
export interface Shelved {
  readonly id: number
  readonly head: ResponseHead
  readonly wholeSize: number
  /** Bytes that are here. */
  readonly heldBytes: number
  /** Bytes that it takes of the quota, which evicting it frees. */
  readonly size: number
  readonly used: number
  readonly isInUse: boolean
}

type Inventory = Awaited<ReturnType<GrowingBody['inventory']>>

interface Entry extends Shelved {
  readonly name: string
  readonly room: CopyRoom | undefined
  readonly body: GrowingBody | undefined
  /** What is written down of it. */
  readonly written: ReadonlyMap<number, SpanDigest>
}

export class Shelf {
  readonly #parts: ShelfParts
  readonly #entries = new Map<number, Entry>()
  readonly #ids = new WeakMap<GrowingBody, number>()
  /** What is being written down, which takes a while. */
  readonly #recording = new Set<{ readonly body: GrowingBody; readonly uri: TargetUri }>()
  /** Removed while somebody had them, or while they were being written down: they do not come back. */
  readonly #removed = new WeakSet<GrowingBody>()
  #lastId = 0

  constructor(parts: ShelfParts) {
    this.#parts = parts
  }

  /** Takes over what a former process left. */
  start(): void {
    this.#entries.clear()
    for (const record of this.#parts.index.all()) this.#takeOver(record)
  }

  /** Whether the bytes of this name belong to a partial copy. */
  has(name: string): boolean {
    return [...this.#entries.values()].some((entry) => entry.name === name)
  }

  /** Those at rest for `uri`, or all of them, the most recent first. */
  find(uri?: TargetUri): readonly PartialAtRest[] {
    if (this.#entries.size === 0) return NONE
    const isMeant = (head: ResponseHead) => uri === undefined || head.uri === uri
    const found = [...this.#entries.values()].filter(({ head, isInUse }) => !isInUse && isMeant(head))
    return found
      .map(({ id, head, wholeSize: size, heldBytes }) => ({ ...head, id, size, heldBytes }))
      .toSorted(mostRecentFirst)
  }

  /** Those at rest, the least recently used first. */
  atRest(): readonly Shelved[] {
    return [...this.#entries.values()]
      .filter(({ isInUse }) => !isInUse)
      .toSorted((one, other) => one.used - other.used)
  }

  /** Writes down what is held. @returns whether there is anything to keep of it. */
  async record(body: GrowingBody, head: ResponseHead, mayKeep: MayKeep = always): Promise<boolean> {
    const wholeSize = body.size
    if (wholeSize === undefined || body.presentBytes === 0) return false
    const recording = { body, uri: head.uri }
    this.#recording.add(recording)
    try {
      const inventory = await body.inventory()
      if (this.#removed.has(body) || !mayKeep()) return false
      this.#note(body, head, wholeSize, inventory)
      return true
    } finally {
      this.#recording.delete(recording)
    }
  }

  /** Nobody has it in use any more. @returns whether it stays. */
  async shelve(body: GrowingBody, head: ResponseHead, mayKeep: MayKeep): Promise<boolean> {
    const isKept = await this.record(body, head, mayKeep).catch(() => false)
    const entry = this.#entryOf(body)
    if (!isKept || entry === undefined) return false
    await body.rest()
    if (this.#removed.has(body) || !mayKeep()) return false
    this.#entries.set(entry.id, { ...entry, size: body.takenBytes, isInUse: false })
    this.#removeOthers(head, entry.id)
    const surplus = Math.max(0, this.#entries.size - MAX_PARTIALS)
    for (const { id } of this.atRest().slice(0, surplus)) void this.remove(id)
    return true
  }

  /**
   * Reads what is here of those at rest, and drops what is wrong. Who wants one meanwhile has it: what is in use is compared when it is
   * read.
   */
  async *check(): AsyncGenerator<Finding> {
    for (const { id } of this.atRest()) {
      const entry = this.#entries.get(id)
      if (entry === undefined || entry.isInUse) continue
      const body = this.#bodyOf(entry)
      if (body !== undefined) yield* this.#check(entry, body)
      else {
        await this.remove(id)
        yield { kind: 'lost', responses: [entry.head], reason: 'its file is missing' }
      }
    }
  }

  /** What this copy was recorded with last. */
  headOf(body: GrowingBody): ResponseHead | undefined {
    return this.#entryOf(body)?.head
  }

  /** Takes it into use; `undefined` when it is gone, or in use. */
  resume(id: number): GrowingBody | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.isInUse) return undefined
    const body = this.#bodyOf(entry)
    if (body === undefined) return void this.remove(id)
    body.wake()
    const { written } = this.#entries.get(id) ?? entry
    this.#entries.set(id, { ...entry, body, written, isInUse: true, used: this.#parts.nextUse() })
    return body
  }

  /** Its bytes are a stored body now, or gone. */
  forget(body: GrowingBody): void {
    const entry = this.#entryOf(body)
    if (entry !== undefined) this.#drop(entry.id)
  }

  /** Removes the partial copy; what is in use goes when it is let go. @returns what resolves when its space is free. */
  async remove(id: number): Promise<void> {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    if (entry.isInUse) {
      if (entry.body !== undefined) this.#removed.add(entry.body)
      return this.#erase(id)
    }
    const body = this.#bodyOf(entry)
    this.#drop(id)
    if (body !== undefined) await body.discard()
    else entry.room?.close()
  }

  removeAll(uri: TargetUri): void {
    for (const each of this.#recording) if (each.uri === uri) this.#removed.add(each.body)
    for (const { id, head } of this.#entries.values()) if (head.uri === uri) void this.remove(id)
  }

  /** The partial copies at rest for the same URI and selecting fields: something better is here. */
  removeOthers(head: ResponseHead): void {
    this.#removeOthers(head, undefined)
  }

  #note(body: GrowingBody, head: ResponseHead, wholeSize: number, { name, spans }: Inventory): void {
    const id = this.#ids.get(body) ?? (this.#lastId += 1)
    const known = this.#entries.get(id)
    this.#ids.set(body, id)
    const entry: Entry = {
      id,
      head,
      wholeSize,
      name,
      heldBytes: body.presentBytes,
      size: body.takenBytes,
      used: this.#parts.nextUse(),
      isInUse: true,
      room: undefined,
      body,
      written: known?.written ?? new Map(),
    }
    this.#entries.set(id, this.#saved(entry, new Map(spans.map((span) => [span.start, span]))))
  }

  #removeOthers({ uri, selecting }: ResponseHead, except: number | undefined): void {
    const variant = variantKey(selecting)
    for (const { id, head, isInUse } of this.#entries.values()) {
      const isSame = head.uri === uri && variantKey(head.selecting) === variant
      if (isSame && id !== except && !isInUse) void this.remove(id)
    }
  }

  async *#check({ id, head }: Entry, body: GrowingBody): AsyncGenerator<Finding> {
    let [rightBytes, lostBytes] = [0, 0]
    for await (const { bytes, isRight } of body.check()) {
      if (isRight) yield { kind: 'read', bytes }
      if (isRight) rightBytes += bytes
      else lostBytes += bytes
    }
    if (lostBytes === 0 && rightBytes > 0) yield { kind: 'right-part' }
    if (lostBytes === 0) return
    await this.#rewrite(id, body)
    const reason = `${formatBytes(lostBytes)} of what is here of it are missing or damaged`
    yield { kind: 'lost', responses: [head], reason }
  }

  /** Bytes of it were lost. */
  async #rewrite(id: number, body: GrowingBody): Promise<void> {
    const inventory = await body.inventory().catch(() => undefined)
    const entry = this.#entries.get(id)
    // Who has taken it into use meanwhile will write it down, and who has removed it has done so.
    if (inventory === undefined || entry === undefined || entry.isInUse) return
    if (inventory.spans.length === 0) return this.remove(id)
    const now = new Map(inventory.spans.map((span) => [span.start, span]))
    const state = { heldBytes: body.presentBytes, size: body.takenBytes }
    this.#entries.set(id, this.#saved({ ...entry, ...state }, now))
  }

  /** What was written behind the last recorded byte goes now; what was written between recorded ones counts until the copy ends. */
  #takeOver(left: LeftRecord): void {
    const { id, name, head, size: wholeSize, used, presentBytes: heldBytes } = left
    this.#lastId = Math.max(this.#lastId, id)
    const onDisk = this.#parts.bodies.cutLeft(name, left.presentEnd)
    if (onDisk === undefined) return this.#parts.index.delete(id)
    const size = Math.min(Math.max(heldBytes, onDisk), wholeBlocks(wholeSize))
    const room = this.#parts.roomOf(size)
    const state = { isInUse: false, body: undefined, written: new Map() }
    this.#entries.set(id, { id, name, head, wholeSize, heldBytes, size, used, room, ...state })
  }

  /** What a former process left is looked at when somebody wants it: there may be many. */
  #bodyOf(entry: Entry): GrowingBody | undefined {
    const { body, name, room, id, wholeSize: size, size: takenBytes } = entry
    if (body !== undefined || room === undefined) return body
    const bytes = this.#parts.bodies.regrow(name)
    if (bytes === undefined) return undefined
    const spans = this.#parts.index.spans(id).filter(({ end }) => end <= size)
    const made = this.#parts.make(
      room,
      (closing) => new GrowingBody(bytes, closing, { size, spans, takenBytes }),
    )
    this.#ids.set(made, id)
    this.#entries.set(id, { ...entry, body: made, written: new Map(spans.map((span) => [span.start, span])) })
    return made
  }

  #entryOf(body: GrowingBody): Entry | undefined {
    return this.#entries.get(this.#ids.get(body) ?? 0)
  }

  #drop(id: number): void {
    this.#entries.delete(id)
    this.#erase(id)
  }

  #erase(id: number): void {
    this.#try(() => this.#parts.index.delete(id))
  }

  #saved(entry: Entry, now: ReadonlyMap<number, SpanDigest>): Entry {
    const { id, name, head, wholeSize: size, used } = entry
    const spans = changes(entry.written, now)
    const isSaved = this.#try(() => this.#parts.index.save({ id, name, head, size, used }, spans))
    return isSaved ? { ...entry, written: now } : entry
  }

  /** What cannot be written down is kept until the process ends, and no longer. @returns whether it was written. */
  #try(work: () => void): boolean {
    try {
      work()
      return true
    } catch (error) {
      this.#parts.log({ kind: 'partial-unrecorded', reason: describe(error) })
      return false
    }
  }
}

/** A span that is the same has the same digest, as a value and as an object (`GrowingBody.inventory`). */
function changes(before: ReadonlyMap<number, SpanDigest>, now: ReadonlyMap<number, SpanDigest>): SpanChanges {
  return {
    written: [...now.values()].filter((span) => before.get(span.start) !== span),
    dropped: [...before.keys()].filter((start) => !now.has(start)),
  }
}

const always = () => true

const NONE: readonly PartialAtRest[] = []
