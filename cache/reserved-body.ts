/** A small body that came at once: it is digested and kept without ever having been a growing copy. */
import type { MayKeep, Reservation, ResponseHead, StoredResponse } from '../core/store.ts'
import type { ReservedBytes } from './bodies.ts'
import type { CopyRoom } from './growing-copy.ts'
import type { GrowingBytes } from './growing-bytes.ts'
import { type BodyDigests, digestSmall } from './piece-digests.ts'

/** Makes a whole body a stored response. @returns `undefined` when it may not be kept. */
export type StoreWhole = (
  bytes: Pick<GrowingBytes, 'keep'>,
  body: BodyDigests,
  head: ResponseHead,
  room: CopyRoom,
  mayKeep?: MayKeep,
) => Promise<StoredResponse | undefined>

export class ReservedBody implements Reservation {
  readonly #room: CopyRoom
  readonly #bytes: ReservedBytes
  readonly #store: StoreWhole
  #isOver = false

  constructor(room: CopyRoom, bytes: ReservedBytes, store: StoreWhole) {
    this.#room = room
    this.#bytes = bytes
    this.#store = store
  }

  async keep(bytes: Uint8Array, head: ResponseHead, mayKeep?: MayKeep): Promise<StoredResponse | undefined> {
    const whole = { keep: (name: BodyDigests['sha256']) => this.#bytes.keep(name, bytes) }
    try {
      this.#room.hold(bytes.length)
      return await this.#store(whole, digestSmall(bytes), head, this.#room, mayKeep)
    } finally {
      this.giveBack()
    }
  }

  giveBack(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#room.close()
    this.#bytes.giveBack()
  }
}
