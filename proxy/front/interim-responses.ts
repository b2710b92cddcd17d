/** The interim responses of one exchange (RFC 9110 15.2), in their place between the answers of a connection. */
import type { Socket } from 'node:net'
import { endToEndFields, type Fields } from '../../core/fields.ts'
import { MAX_INTERIM_RESPONSES } from '../../core/upstream.ts'
import { canBeSent, statusAndFields } from './message-head.ts'

export class InterimResponses {
  readonly #socket: Socket
  readonly #giveUp: () => void
  /** What came before its turn. */
  #waiting = ''
  #count = 0
  #turn: 'not-yet' | 'now' | 'over' = 'not-yet'

  /** @param giveUp called when there is no end of them. */
  constructor(socket: Socket, giveUp: () => void) {
    this.#socket = socket
    this.#giveUp = giveUp
  }

  add(status: number, fields: Fields): void {
    this.#count += 1
    if (this.#count > MAX_INTERIM_RESPONSES) return this.#giveUp()
    const head = { status, fields: endToEndFields(fields) }
    if (this.#turn === 'over' || !canBeSent(head)) return
    this.#waiting += `${statusAndFields(head)}\r\n`
    if (this.#turn === 'now') this.#write()
  }

  /** The answers before are out. */
  begin(): void {
    this.#turn = 'now'
    this.#write()
  }

  /** The final response follows. */
  end(): void {
    this.#turn = 'over'
  }

  #write(): void {
    const text = this.#waiting
    this.#waiting = ''
    if (text !== '' && this.#socket.writable) this.#socket.write(text, 'latin1')
  }
}
