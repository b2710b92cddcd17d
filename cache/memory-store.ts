/** The store in memory: for simulations, which must neither touch a disk nor wait for real time. */
import type { Clock } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { Store } from '../core/store.ts'
import type { Bodies, ReservedBytes } from './bodies.ts'
import type { GrowingBytes } from './growing-bytes.ts'
import { CHUNK_BYTES } from './copy-reader.ts'
import { GrowingMemory } from './growing-memory.ts'
import { MemoryIndex } from './memory-index.ts'
import { type BodyDigests } from './piece-digests.ts'
import type { FreedBody } from './response-index.ts'
import { ResponseStore, type StoreLimits } from './response-store.ts'

export interface MemoryStoreSettings extends StoreLimits {
  readonly clock: Clock
}

/** A store with the rules of the disk store whose responses end with the process. */
export function memoryStore(settings: MemoryStoreSettings): Store {
  return new ResponseStore(settings, {
    index: new MemoryIndex(),
    bodies: new MemoryBodies((keep) => new GrowingMemory(keep)),
    log: () => {},
  })
}

/** Keeps a whole body under its digest. */
export type KeepBody = (name: Sha256, bytes: Uint8Array) => void

/** Bodies in memory; how they grow there is their user's. */
export class MemoryBodies implements Bodies {
  readonly overheadBytes = 0
  readonly #bodies = new Map<Sha256, Uint8Array>()
  readonly #growing: (keep: KeepBody) => GrowingBytes

  constructor(growing: (keep: KeepBody) => GrowingBytes) {
    this.#growing = growing
  }

  async start(): Promise<void> {}

  async quiesce(): Promise<void> {}

  async stop(): Promise<void> {}

  async grow(): Promise<GrowingBytes> {
    return this.#growing((name, bytes) => void this.#bodies.set(name, bytes))
  }

  reserve(): ReservedBytes {
    const keep = async (name: Sha256, bytes: Uint8Array) => void this.#bodies.set(name, new Uint8Array(bytes))
    return { keep, giveBack: () => {} }
  }

  regrow(): undefined {}

  cutLeft(): undefined {}

  async *read(body: BodyDigests, span: ByteSpan): AsyncGenerator<Uint8Array> {
    const bytes = this.#bodies.get(body.sha256)
    if (bytes === undefined) throw new Fault('STORE_FAILED', `body ${body.sha256} is gone`)
    for (let at = span.start; at < span.end; at += CHUNK_BYTES) {
      yield bytes.subarray(at, Math.min(at + CHUNK_BYTES, span.end))
    }
  }

  held(digest: Sha256): Uint8Array | undefined {
    return this.#bodies.get(digest)
  }

  readAnew(body: BodyDigests): AsyncIterable<Uint8Array> {
    return this.read(body, { start: 0, end: body.size })
  }

  settle(): void {}

  async remove({ digest }: FreedBody): Promise<void> {
    this.#bodies.delete(digest)
  }

  neighbours(): readonly FreedBody[] {
    return []
  }

  recount(): void {}

  async freeBytes(): Promise<number> {
    return Infinity
  }

  async sweep(): Promise<void> {}
}
