/**
 * Holds back what is written to connections until the event loop has handed out all that came in this turn. Then it leaves at
 * once, one connection after the other: each write that wakes a program which sleeps costs as much as the answer, and while
 * one is woken the others' answers come to one that is awake.
 */
import type { Socket } from 'node:net'

export class TurnEnd {
  #held: Socket[] = []
  /** All that was held has gone to the system, or waits until that takes it. */
  onReleased: () => void = () => {}

  hold(socket: Socket): void {
    if (this.#held.length === 0) setImmediate(this.release)
    this.#held.push(socket)
    socket.cork()
  }

  /** Lets everything go now. */
  readonly release = (): void => {
    const held = this.#held
    this.#held = []
    for (const socket of held) socket.uncork()
    this.onReleased()
  }
}
