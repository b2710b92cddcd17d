/**
 * The digests of a body that is still being filled: made of its bytes in memory as they come, in order or not, so that whatever is read
 * back is compared with what came.
 */
import type { Fault } from '../core/fault.ts'
import type { ByteSpan } from '../core/ranges.ts'
import { PIECE_BYTES } from '../core/pieces.ts'
import { ArrivedSpans } from './arrived-spans.ts'
import type { Extents } from './extents.ts'
import { BodyDigester, type BodyDigests, type Digester, digestSmall } from './piece-digests.ts'
import { cutAtPieces, digestOf, isSameDigest, type SpanDigest } from './span-digests.ts'

/** So many bytes from the first one, in memory, are digested all at once when the body ends there, which costs least. */
const DIGESTED_AT_ONCE = 256 * 1024

const NOTHING: ByteSpan = { start: 0, end: 0 }

/** The body that is digested. */
export interface Digested {
  /** Bytes held without a gap from `offset` on end there. */
  heldUntil(offset: number): number
  /** All of `span`, which is held, when that needs no waiting: as long as the bytes lie in memory, where they stay what they are. */
  readNow(span: ByteSpan): Uint8Array | undefined
  /** All of `span`, which is held. */
  read(span: ByteSpan): Promise<Uint8Array>
  /** Whether nothing of it is there any more. */
  isRemoved(): boolean
  /** Something of what was written is not what came. @returns STORE_CORRUPT */
  damaged(start: number): Fault
  /** Nothing of it is there any more. @returns STORE_FAILED */
  removed(): Fault
}

/** Digests each byte once, in order, or in spans until the order has come to them. */
export class CopyDigests {
  readonly #body: Digested
  readonly #newDigester: () => Digester
  #digester: Digester
  /**
   * What the digester has not come to of a file. Whatever is read back is compared with the digest that was made of it in memory: else a
   * damaged byte would be right from then on, with a digest of its own.
   */
  readonly #arrived = new ArrivedSpans()
  /** The digests of a whole body that was digested at once. */
  #small: BodyDigests | undefined
  #catchingUp: Promise<void> | undefined

  constructor(body: Digested, newDigester = readingDigester) {
    this.#body = body
    this.#newDigester = newDigester
    this.#digester = newDigester()
  }

  /** `bytes` have come where nothing was held. */
  add({ start }: ByteSpan, bytes: Uint8Array): void {
    const until = this.#body.heldUntil(0)
    const isInMemory = this.#body.readNow(NOTHING) !== undefined
    if (isInMemory && until <= DIGESTED_AT_ONCE) return
    if (start === this.#digester.length) this.#digester.update(bytes)
    else if (!isInMemory) this.#arrived.add(start, bytes)
    this.#goOn(until)
  }

  /** These bytes were compared with the digest that they have. */
  addCompared(span: SpanDigest, bytes: Uint8Array): void {
    if (span.start === this.#digester.length) this.#digester.update(bytes)
    else this.#arrived.addCompared(span)
    this.#goOn(this.#body.heldUntil(0))
  }

  /** What has been in memory lies in a file now, and is digested from there. */
  leavesMemory(memory: Uint8Array, extents: Extents): void {
    this.#digester.update(memory.subarray(this.#digester.length, this.#body.heldUntil(0)))
    for (const { start, end } of extents) if (start > 0) this.#arrived.add(start, memory.subarray(start, end))
  }

  /** Forgets every byte. */
  clear(): void {
    this.#digester = this.#newDigester()
    this.#arrived.clear()
    this.#small = undefined
  }

  /** Everything that was digested, with its digests, in spans within one piece each. @param made of a span in order, by its digest */
  spans(made: (span: ByteSpan, sha256: Uint8Array | undefined) => SpanDigest): readonly SpanDigest[] {
    const inOrder = cutAtPieces([{ start: 0, end: this.#digester.length }])
    return [...inOrder.map((span) => made(span, this.#digester.digestOf(span))), ...this.#arrived.all()]
  }

  /** Of the whole body, which is held. @throws Fault STORE_CORRUPT when it is not what came. */
  async whole(size: number): Promise<BodyDigests> {
    const isRead = this.#newDigester === readingDigester
    if (isRead && size <= DIGESTED_AT_ONCE) this.#small ??= this.#digestNow(size)
    if (this.#small !== undefined) return this.#small
    while (this.#digester.length < size) {
      if (this.#body.isRemoved()) throw this.#body.removed()
      await this.#catchUp()
    }
    return this.#digester.result()
  }

  /** Resolves when nothing is being read back. */
  async idle(): Promise<void> {
    await this.#catchingUp?.catch(() => {})
  }

  #digestNow(size: number): BodyDigests | undefined {
    const bytes = this.#body.readNow({ start: 0, end: size })
    return bytes && digestSmall(bytes)
  }

  #goOn(until: number): void {
    // Failing to read back is noticed again, and then reported, by whoever asks for the digest.
    if (until > this.#digester.length) this.#catchUp().catch(() => {})
  }

  /** Digests by reading back what came out of order, up to the first missing byte. */
  #catchUp(): Promise<void> {
    this.#catchingUp ??= this.#digestHeld().finally(() => {
      this.#catchingUp = undefined
    })
    return this.#catchingUp
  }

  async #digestHeld(): Promise<void> {
    while (!this.#body.isRemoved()) {
      const start = this.#digester.length
      const end = Math.min(this.#body.heldUntil(start), start + PIECE_BYTES)
      if (end === start) return
      const memory = this.#body.readNow({ start, end })
      if (memory === undefined) await this.#digestArrived(start)
      else this.#digester.update(memory)
    }
  }

  /** @throws Fault STORE_CORRUPT when it is not what came. */
  async #digestArrived(start: number): Promise<void> {
    const digester = this.#digester
    const span = this.#arrived.at(start)
    const bytes = span && (await this.#body.read(span).catch(() => undefined))
    if (digester !== this.#digester) return
    if (bytes !== undefined) digester.update(bytes)
    // Of a whole piece both is the same work.
    const found = span && bytes && (digester.digestOf(span) ?? digestOf(bytes))
    if (span === undefined || found === undefined || !isSameDigest(span, found))
      throw this.#body.damaged(start)
    this.#arrived.delete(start)
  }
}

const readingDigester = (): Digester => new BodyDigester()
