/** A head and bytes behind it in one write, out of memory that is used again and again. */
import type { Socket } from 'node:net'

const SIZE = 65_536

export class SendMemory {
  #memory = Buffer.allocUnsafeSlow(SIZE)

  /** @param head as Latin-1. @param bytes are copied. */
  send(socket: Socket, head: string, bytes: Uint8Array): void {
    const length = head.length + bytes.length
    const isShort = length <= SIZE
    const memory = isShort ? this.#memory : Buffer.allocUnsafeSlow(length)
    if (head !== '') memory.write(head, 'latin1')
    memory.set(bytes, head.length)
    socket.write(memory.subarray(0, length))
    // What the system has not taken at once lies there until it has.
    if (isShort && socket.writableLength > 0) this.#memory = Buffer.allocUnsafeSlow(SIZE)
  }
}
