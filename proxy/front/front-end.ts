/** The connections that the proxy reads itself, and their time limits; node:http's server keeps those handed to it. */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { bodyBuffers } from './body-buffers.ts'
import { Connection, type ConnectionParts, type Patience } from './connection.ts'
import { HotAnswers } from './hot-answers.ts'
import { PlainRequests, type PlainRequestSettings } from './plain-requests.ts'
import { requestReader } from './request-reader.ts'
import { MAX_PAUSE_MS } from '../server-options.ts'
import { TurnEnd } from '../turn-end.ts'
import { HandedOver } from './handed-over.ts'
import { RepeatedRequests } from './repeated-requests.ts'
import { SendMemory } from './send-memory.ts'

export type FrontEndSettings = PlainRequestSettings & { readonly patience?: Partial<Patience> }

export type FrontEndComponents = Pick<ConnectionParts, 'clock' | 'resources' | 'log' | 'handOver' | 'tooLate'>

/** The same as node:http is given for the others (server-options.ts). */
const PATIENCE: Patience = { headMs: 30_000, keepAliveMs: 60_000, stallMs: 30_000, pauseMs: MAX_PAUSE_MS }

/** How often all connections are looked at, in ms: a limit may be exceeded by so much. */
const LOOK_EVERY_MS = 5_000

export class FrontEnd {
  readonly #parts: ConnectionParts
  readonly #connections = new Set<Connection>()
  readonly #handedOver: HandedOver
  #isLooking = false
  #isStopping = false

  constructor(settings: FrontEndSettings, components: FrontEndComponents) {
    this.#handedOver = new HandedOver(components.clock)
    const turnEnd = new TurnEnd()
    this.#parts = {
      ...components,
      handOver: (socket) => {
        this.#handedOver.add(socket)
        if (!this.#isLooking) this.#lookLater()
        components.handOver(socket)
      },
      patience: { ...PATIENCE, ...settings.patience },
      pseudonym: settings.pseudonym,
      reader: requestReader(),
      requests: new PlainRequests(settings),
      repeated: new RepeatedRequests(),
      hot: new HotAnswers(settings.pseudonym),
      turnEnd,
      buffers: bodyBuffers(),
      sending: new SendMemory(turnEnd),
      closed: (connection) => this.#connections.delete(connection),
      isStopping: () => this.#isStopping,
    }
  }

  take(socket: Socket): void {
    this.#connections.add(new Connection(socket, this.#parts))
    if (!this.#isLooking) this.#lookLater()
  }

  /** Closes what is idle; the others are closed when their answers are out. */
  closeIdle(): void {
    this.#isStopping = true
    for (const connection of this.#connections) connection.endIfIdle()
  }

  /**
   * Ends a connection from this address that costs nobody an answer: one on which nothing is asked, else the one whose request began to come first and
   * is not there yet, else one that takes nothing of its answer, else the one at node:http that has been silent longest.
   * @returns whether there was one.
   */
  makeRoom(address: string): boolean {
    const connections = [...this.#connections].filter((each) => each.address === address)
    const least =
      connections.find((each) => each.isIdle) ??
      connections.find((each) => each.isHalfAsked) ??
      connections.find((each) => each.isStalled)
    least?.destroy()
    return least !== undefined || this.#handedOver.endSilent(address)
  }

  closeAll(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  readonly #look = (): void => {
    const now = this.#parts.clock.monotonic()
    for (const connection of this.#connections) connection.look(now)
    this.#handedOver.look()
    this.#isLooking = false
    if (this.#connections.size + this.#handedOver.size > 0) this.#lookLater()
  }

  #lookLater(): void {
    this.#isLooking = true
    this.#parts.clock.after(LOOK_EVERY_MS, this.#look)
  }
}

/**
 * Makes a server listen for somebody else: it still accepts connections, and counts and ends those that it is given.
 * @returns gives it a connection, with what was unread already.
 */
export function withoutConnections(server: Server): (socket: Socket) => void {
  const listeners = server.listeners('connection') as ((this: Server, socket: Socket) => void)[]
  server.removeAllListeners('connection')
  return (socket) => {
    for (const listener of listeners) listener.call(server, socket)
  }
}
