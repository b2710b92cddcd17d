/**
 * Appends bodies to the newest segment. Bodies that come in one turn of the event loop, or while others are being
 * written, go in one write: a write costs about as much for thirty small bodies as for one.
 */
import { setImmediate } from 'node:timers/promises'
import type { Place } from './place.ts'
import { storeFault } from './store-fault.ts'

/** Turns of the event loop that bodies wait for others at most: under load, some milliseconds. */
const MAX_TURNS = 16
/** Nothing is gained by more of them. */
const ENOUGH_BODIES = 32
/** Bytes of one write, unless a single body has more: nothing else is done meanwhile. */
export const MAX_WRITE_BYTES = 1024 * 1024

/**
 * `writev` returns when it is done: the page cache takes small bodies in less time than another thread to be told of
 * them, and a disk that is too slow for that holds the index up just the same.
 */
export interface SegmentFile {
  /** @returns the bytes that were written. */
  readonly writev: (buffers: readonly Uint8Array[], position: number) => number
  readonly truncate: (length: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** A segment that is being filled. */
export interface OpenSegment {
  readonly number: number
  readonly file: SegmentFile
  /** No body begins at or goes beyond this length, unless it is the first one. */
  readonly maxBytes: number
}

export interface SegmentWriterParts {
  /** Begins a new segment. */
  readonly open: () => Promise<OpenSegment>
  /** This body lies there now; called before its `append` resolves. */
  readonly written: (place: Place, size: number) => void
  /** A segment is full: nothing more is appended to it. */
  readonly sealed: (segment: number) => void
}

interface Appending {
  readonly bytes: Uint8Array
  readonly done: (place: Place) => void
  readonly failed: (error: unknown) => void
}

export class SegmentWriter {
  readonly #parts: SegmentWriterParts
  #queue: Appending[] = []
  #segment: OpenSegment | undefined
  /** Bytes of the segment that are written. */
  #length = 0
  #writing: Promise<void> | undefined

  constructor(parts: SegmentWriterParts) {
    this.#parts = parts
  }

  /** The segment that bodies are appended to. */
  get current(): number | undefined {
    return this.#segment?.number
  }

  /** Is nothing being appended? */
  get isIdle(): boolean {
    return this.#writing === undefined
  }

  /** @throws Fault STORE_FULL, STORE_FAILED. */
  append(bytes: Uint8Array): Promise<Place> {
    return new Promise((done, failed) => {
      this.#queue.push({ bytes, done, failed })
      this.#writing ??= this.#writeAll()
    })
  }

  /** The next body begins another segment. To be called when idle. */
  async seal(): Promise<void> {
    const segment = this.#segment
    this.#segment = undefined
    this.#length = 0
    await segment?.file.close()
  }

  /** Ends when everything is written. */
  async stop(): Promise<void> {
    await this.#writing
    await this.seal()
  }

  async #writeAll(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.#gather()
      await this.#writeBatch()
    }
    this.#writing = undefined
  }

  /** Waits as long as each turn brings more, within bounds. */
  async #gather(): Promise<void> {
    for (let turns = 0, known = 0; turns < MAX_TURNS && known < this.#queue.length; turns += 1) {
      known = this.#queue.length
      await setImmediate()
      if (known >= ENOUGH_BODIES) return
    }
  }

  async #writeBatch(): Promise<void> {
    let batch = this.#queue.slice(0, 1)
    try {
      const segment = await this.#segmentFor(batch[0]?.bytes.length ?? 0)
      batch = this.#fitting(segment)
      writeAt(segment.file, batch, this.#length)
      for (const { bytes, done } of batch) {
        const place = { segment: segment.number, start: this.#length }
        this.#length += bytes.length
        this.#parts.written(place, bytes.length)
        done(place)
      }
    } catch (error) {
      // What was written of the batch would only take space that is lacking now.
      await this.#segment?.file.truncate(this.#length).catch(() => {})
      const fault = storeFault('cannot append to a segment', error)
      for (const { failed } of batch) failed(fault)
    }
    this.#queue = this.#queue.slice(batch.length)
  }

  /** The current segment if `bytes` more fit into it, otherwise a new one. */
  async #segmentFor(bytes: number): Promise<OpenSegment> {
    const current = this.#segment
    if (current !== undefined && this.#length + bytes <= current.maxBytes) return current
    if (current !== undefined) {
      await this.seal()
      this.#parts.sealed(current.number)
    }
    this.#segment = await this.#parts.open()
    return this.#segment
  }

  /** What waits, as far as it fits into the segment; at least the first. */
  #fitting({ maxBytes }: OpenSegment): Appending[] {
    const most = Math.min(maxBytes, this.#length + MAX_WRITE_BYTES)
    let end = this.#length
    const beyond = this.#queue.findIndex(({ bytes }, at) => (end += bytes.length) > most && at > 0)
    return this.#queue.slice(0, beyond === -1 ? this.#queue.length : beyond)
  }
}

/** Only a full disk ends a write early, and the next one says so. */
function writeAt(file: SegmentFile, batch: readonly Appending[], start: number): void {
  let buffers = batch.map(({ bytes }) => bytes)
  const length = buffers.reduce((sum, bytes) => sum + bytes.length, 0)
  for (let done = 0; done < length;) {
    done += file.writev(buffers, start + done)
    if (done < length) buffers = [Buffer.concat(batch.map(({ bytes }) => bytes)).subarray(done)]
  }
}
