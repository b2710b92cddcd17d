/**
 * Bytes on their way to connections at the end of the event loop's turn, each with the head before it in one piece, in memory
 * that is used again and again.
 */
import type { Socket } from 'node:net'
import type { TurnEnd } from '../turn-end.ts'

/** Bytes of all that waits for the end of one turn. What comes beyond does not wait. */
const SIZE = 262_144

export class SendMemory {
  readonly #turnEnd: TurnEnd
  #memory = Buffer.allocUnsafeSlow(SIZE)
  /** Bytes of it that are taken, and by whom. */
  #used = 0
  #senders: Socket[] = []

  constructor(turnEnd: TurnEnd) {
    this.#turnEnd = turnEnd
    turnEnd.onReleased = () => this.#reuse()
  }

  /** @param head as Latin-1. @param bytes are copied. */
  send(socket: Socket, head: string, bytes: Uint8Array): void {
    const length = head.length + bytes.length
    if (this.#used + length > SIZE) this.#turnEnd.release()
    const piece = length > SIZE ? Buffer.allocUnsafeSlow(length) : this.#take(socket, length)
    if (head !== '') piece.write(head, 'latin1')
    piece.set(bytes, head.length)
    this.#turnEnd.hold(socket)
    socket.write(piece)
  }

  #take(socket: Socket, length: number): Buffer {
    const start = this.#used
    this.#used += length
    this.#senders.push(socket)
    return this.#memory.subarray(start, this.#used)
  }

  /** What the system has not taken at once lies there until it has. */
  #reuse(): void {
    if (this.#senders.some(({ writableLength }) => writableLength > 0))
      this.#memory = Buffer.allocUnsafeSlow(SIZE)
    this.#senders = []
    this.#used = 0
  }
}
