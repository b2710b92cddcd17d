/**
 * What the origin server has sent behind a beginning of peers that no application has seen (`Retrieval`, "goes on"). Where the whole
 * proves wrong it is kept until the beginning has been fetched anew (kept-end.ts).
 */
import type { EpochMs } from '../core/clock.ts'
import type { Fields } from '../core/fields.ts'
import type { GrowingCopy } from '../core/store.ts'
import { keptEnd, type KeptEnd } from './kept-end.ts'

/** The rest of one copy, from its beginning to its judgement and behind that. */
export class RestBehindPeers {
  /** From which byte on, and with which fields it came; 0: nothing that could be kept. */
  #rest: { readonly from: number; readonly fields: Fields } | undefined
  #end: KeptEnd | undefined
  /** What can be given back when its end was read. */
  #spent: GrowingCopy | undefined

  /** Whether bytes of both are in the copy, unjudged. */
  get isMixed(): boolean {
    return this.#rest !== undefined
  }

  /** Whether the end of a whole that proved wrong is kept. */
  get hasEnd(): boolean {
    return this.#end !== undefined
  }

  /** The origin server is to send what follows. @param fields of its response; none before it is there */
  begins(from: number, fields: Fields = []): void {
    this.#rest = { from, fields }
  }

  /** A peer goes on: what follows is not the origin server's alone any more. */
  endsWithPeer(): void {
    if (this.isMixed) this.begins(0)
    this.#spent ??= this.#end?.copy
    this.#end = undefined
  }

  /** The whole has proved right, or is gone. */
  forget(): void {
    this.#rest = undefined
  }

  /** The whole has proved wrong. @returns whether the copy is kept for its end. */
  keep(copy: GrowingCopy | undefined, responseTime: EpochMs): boolean {
    const { from = 0, fields = [] } = this.#rest ?? {}
    if (copy !== undefined && from > 0) this.#end = keptEnd(copy, from, fields, responseTime)
    return this.hasEnd
  }

  /** The end that is kept, to be read once. */
  takeEnd(): KeptEnd | undefined {
    const end = this.#end
    this.#end = undefined
    this.#spent = end?.copy ?? this.#spent
    return end
  }

  /** Gives the copy back whose end was read, or is not wanted any more. */
  async dropSpent(): Promise<void> {
    const spent = this.#spent
    this.#spent = undefined
    await spent?.discard()
  }
}
