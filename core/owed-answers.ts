/**
 * Which answers of a server of node:http are still to go out, by connection. Node keeps its own responses in order (RFC 9112 9.3.2). What is
 * written to the connection itself, an error page or the first byte of another protocol, has to wait for them: it would land in the middle
 * of one, or in its place.
 */
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

export class OwedAnswers {
  /** In the order of the requests. */
  readonly #owed = new WeakMap<Duplex, Set<ServerResponse>>()
  readonly #ending = new WeakSet<Duplex>()
  /** Of these node:http has let go, and no other protocol has begun. */
  readonly #waiting = new Set<Duplex>()

  /** Whether nothing that comes there is a request any more. */
  isEnding(socket: Duplex): boolean {
    return this.#ending.has(socket)
  }

  /** Something malformed has come: nobody knows where the next request begins. */
  end(socket: Duplex): void {
    this.#ending.add(socket)
  }

  /** A request has come, and this will be its answer. */
  add(socket: Duplex, response: ServerResponse): void {
    const owed = this.#owed.get(socket) ?? this.#follow(socket)
    owed.add(response)
    response.once('close', () => owed.delete(response))
  }

  count(socket: Duplex): number {
    return this.#owed.get(socket)?.size ?? 0
  }

  /**
   * Calls `then` when all answers are out, at once where none is owed; never where the connection ends before. A request whose content is
   * not all here may never be answered otherwise: where its turn has come and its answer has not begun, `then` is its answer.
   */
  whenOut(socket: Duplex, then: () => void): void {
    const owed = [...(this.#owed.get(socket) ?? [])]
    const last = owed.findLast(({ req, headersSent }) => req.complete || headersSent)
    if (last !== undefined) last.once('close', () => this.whenOut(socket, then))
    else if (socket.writable) then()
    else socket.destroy()
  }

  /**
   * The same on a connection of which Node has let go for another protocol: it no longer tells a response that the connection takes more,
   * or has taken nothing for long.
   */
  beforeSwitching(socket: Duplex, then: () => void): void {
    if (this.count(socket) === 0) return then()
    const drained = () => this.#tellFirst(socket, 'drain')
    const stalled = () => this.#tellFirst(socket, 'timeout')
    socket.on('drain', drained).on('timeout', stalled)
    const left = () => this.#waiting.delete(socket)
    this.#waiting.add(socket)
    socket.on('error', () => socket.destroy()).once('close', left)
    this.whenOut(socket, () => {
      socket.off('drain', drained).off('timeout', stalled).off('close', left)
      left()
      then()
    })
  }

  /** Cuts the connections that wait to be switched; `closeAllConnections()` of their server does not see them. */
  cutWaiting(): void {
    for (const socket of this.#waiting) socket.destroy()
  }

  /** When a connection closes, Node tells the response whose turn it is; those behind it would go on for nobody. */
  #follow(socket: Duplex): Set<ServerResponse> {
    const owed = new Set<ServerResponse>()
    this.#owed.set(socket, owed)
    socket.once('close', () => {
      for (const response of owed) if (response.socket === null) response.destroy().emit('close')
    })
    return owed
  }

  #tellFirst(socket: Duplex, event: 'drain' | 'timeout'): void {
    const [first] = this.#owed.get(socket) ?? []
    first?.emit(event)
  }
}
