/** Connections that went to node:http, and since when no byte has come or gone on each: a thousand silent ones must not shut out others. */
import type { Socket } from 'node:net'
import type { Clock, Monotonic } from '../../core/clock.ts'

/** One that was silent for less may be answered any moment, in ms. */
export const SILENT_MS = 10_000

interface Seen {
  readonly bytes: number
  readonly at: Monotonic
}

export class HandedOver {
  readonly #clock: Clock
  readonly #seen = new Map<Socket, Seen>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#seen.size
  }

  add(socket: Socket): void {
    this.#seen.set(socket, this.#now(socket))
    socket.once('close', () => this.#seen.delete(socket))
  }

  /** Notes what has moved; to be called every few seconds. */
  look(): void {
    for (const [socket, { bytes }] of this.#seen)
      if (bytesOf(socket) !== bytes) this.#seen.set(socket, this.#now(socket))
  }

  /** Ends the one from this address that has been silent longest, if that is long. @returns whether there was one. */
  endSilent(address: string): boolean {
    this.look()
    const latest = this.#clock.monotonic() - SILENT_MS
    let longest: readonly [Socket, Seen] | undefined
    for (const each of this.#seen) {
      const [{ remoteAddress }, { at }] = each
      if (remoteAddress === address && at <= latest && at < (longest?.[1].at ?? Infinity)) longest = each
    }
    longest?.[0].destroy()
    return longest !== undefined
  }

  #now(socket: Socket): Seen {
    return { bytes: bytesOf(socket), at: this.#clock.monotonic() }
  }
}

function bytesOf({ bytesRead, bytesWritten }: Socket): number {
  return bytesRead + bytesWritten
}
