/**
 * The connections to one server. A request is not bound to a connection before one is free: it takes whichever comes
 * first, one that has just answered another request or one that has just been opened. Ten requests beside one open
 * connection so neither wait for ten handshakes nor for each other. A few connections are enough for a server that answers
 * quickly; where all of them are taken up for long (large files, answers that are held back), further ones are opened.
 */
import type { CancelTimer, Clock, Monotonic } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import { MAX_INTERIM_RESPONSES, type Call, type ResponseTaker } from '../../core/upstream.ts'
import { plainReason } from '../relay.ts'
import type { TurnEnd } from '../turn-end.ts'
import type { ResponseHead } from './response-head.ts'
import {
  ServerConnection,
  type Exchange,
  type ServerTarget,
  type ServerTimeouts,
} from './server-connection.ts'

export interface ServerSettings extends ServerTimeouts {
  /** `host:port`, for messages. */
  readonly name: string
  readonly target: ServerTarget
  readonly limits: ConnectionLimits
  readonly faultOf: (error: unknown) => Fault
  /** When requests go out. */
  readonly turnEnd: TurnEnd
  /** Nothing is left: no connection, and nobody waits for one. */
  readonly onEmpty: () => void
}

export interface ConnectionLimits {
  /** Side by side to one server, as soon as there are requests for them; idle ones are kept up to here. */
  readonly usual: number
  /** To one server in all: for requests that have waited for `PATIENCE_MS`. The rest waits. */
  readonly most: number
  /** The connections beyond `usual`, to all servers together. */
  readonly further: FurtherConnections
}

/** Counted for all servers together, so that this process does not run out of file descriptors. */
export interface FurtherConnections {
  readonly max: number
  open: number
}

/** A request that has waited for so long, in ms, waits for something slow, and gets a connection of its own. */
export const PATIENCE_MS = 100

export class ServerConnections {
  readonly #settings: ServerSettings
  readonly #clock: Clock
  readonly #all = new Set<ServerConnection>()
  /** The one used last comes last, and is taken first. */
  readonly #free: ServerConnection[] = []
  readonly #waiting: ServerCall[] = []
  #opening = 0
  /** How many count as `FurtherConnections`. */
  #further = 0
  #isPatient = false
  #endPatience: CancelTimer = () => {}
  readonly #events = {
    onOpen: (connection: ServerConnection) => {
      this.#opening -= 1
      this.#next(connection)
    },
    onFree: (connection: ServerConnection) => this.#next(connection),
    onGone: (connection: ServerConnection, error: unknown) => this.#onGone(connection, error),
  }

  constructor(settings: ServerSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
  }

  /** Makes the request as soon as a connection is free. @param text the whole of it. */
  call(text: string, method: string, taker: ResponseTaker): Call {
    const call = new ServerCall(text, method, taker, this)
    const outslept: ServerConnection[] = []
    const connection = this.#takeFree(outslept)
    if (connection !== undefined) call.sendOn(connection, true)
    else this.#wait(call)
    for (const each of outslept) each.destroy(undefined)
    return call
  }

  /** @param outslept where those go that the machine has kept for too long, as in a sleep. */
  #takeFree(outslept: ServerConnection[]): ServerConnection | undefined {
    const now = this.#clock.wall()
    for (;;) {
      const connection = this.#free.pop()
      if (connection === undefined || !connection.isOutslept(now)) return connection
      outslept.push(connection)
    }
  }

  /** A request may follow in a moment: where there is no connection at all, one is opened. When it fails, nobody is told. */
  prepare(): void {
    if (this.#all.size === 0) this.#open()
  }

  /** @param fault what those hear who wait for answers. */
  stop(fault: Fault): void {
    this.#endPatience()
    for (const call of this.#waiting.splice(0)) call.fail(fault)
    for (const connection of this.#all) connection.destroy(fault)
  }

  /** See `ServerConnection.endFrom`. */
  endFrom(address: string): void {
    for (const connection of this.#all) connection.endFrom(address)
  }

  /** See `ServerConnection.look`. A request waits for a connection no longer than it would for its answer. */
  look(now: Monotonic): void {
    for (const connection of this.#all) connection.look(now)
    const { name, headersMs } = this.#settings
    const overdue = this.#waiting.filter((call) => now - call.since >= headersMs)
    for (const call of overdue) {
      this.#waiting.splice(this.#waiting.indexOf(call), 1)
      call.fail(new Fault('RESPONSE_TIMEOUT', `all ${this.#all.size} connections to ${name} stayed busy`))
    }
  }

  faultOf(error: unknown): Fault {
    return this.#settings.faultOf(error)
  }

  /** The connection had been used before, and failed without a word: the request is made once more, on a new one. */
  again(call: ServerCall): void {
    call.since = this.#clock.monotonic()
    this.#waiting.unshift(call)
    this.#openMore()
  }

  /** Nobody waits for it any more. */
  forget(call: ServerCall): void {
    const place = this.#waiting.indexOf(call)
    if (place >= 0) this.#waiting.splice(place, 1)
    this.#noteEmpty()
  }

  #wait(call: ServerCall): void {
    call.since = this.#clock.monotonic()
    this.#waiting.push(call)
    this.#openMore()
  }

  #openMore(): void {
    const { usual } = this.#settings.limits
    while (this.#opening < this.#waiting.length && this.#all.size < usual) this.#open()
    if (this.#opening < this.#waiting.length) this.#waitPatiently()
  }

  /** One timer for all that wait. */
  #waitPatiently(): void {
    if (this.#isPatient || this.#all.size >= this.#settings.limits.most) return
    this.#isPatient = true
    this.#endPatience = this.#clock.after(PATIENCE_MS, () => {
      this.#isPatient = false
      this.#openFurther()
      this.#openMore()
    })
  }

  #openFurther(): void {
    const { most, further } = this.#settings.limits
    const waitedSince = this.#clock.monotonic() - PATIENCE_MS
    const impatient = this.#waiting.filter(({ since }) => since <= waitedSince).length
    while (this.#opening < impatient && this.#all.size < most && further.open < further.max) {
      this.#open()
      this.#countFurther()
    }
  }

  /** What is beyond the usual number is counted for all servers. */
  #countFurther(): void {
    const { usual, further } = this.#settings.limits
    const now = Math.max(0, this.#all.size - usual)
    further.open += now - this.#further
    this.#further = now
  }

  #open(): void {
    const { name, target, turnEnd } = this.#settings
    this.#opening += 1
    this.#all.add(new ServerConnection(name, target, this.#settings, this.#clock, this.#events, turnEnd))
  }

  #next(connection: ServerConnection): void {
    const at = this.#waiting.findIndex((call) => !call.needsNew || !connection.hasServed)
    const [call] = at < 0 ? [] : this.#waiting.splice(at, 1)
    if (call !== undefined) call.sendOn(connection, connection.hasServed)
    else if (this.#free.length < this.#settings.limits.usual) this.#free.push(connection)
    else connection.destroy(undefined)
  }

  #onGone(connection: ServerConnection, error: unknown): void {
    this.#all.delete(connection)
    this.#countFurther()
    const place = this.#free.indexOf(connection)
    if (place >= 0) this.#free.splice(place, 1)
    if (error !== undefined) this.#onRefused(error)
    this.#openMore()
    this.#noteEmpty()
  }

  /** An attempt was made for a request; when it fails, so does one request, unless another connection takes it. */
  #onRefused(error: unknown): void {
    this.#opening -= 1
    if (this.#waiting.length > this.#opening) this.#waiting.shift()?.fail(error)
  }

  #noteEmpty(): void {
    if (this.#all.size + this.#waiting.length > 0) return
    this.#endPatience()
    this.#isPatient = false
    this.#settings.onEmpty()
  }
}

/** One request. */
class ServerCall implements Call, Exchange {
  readonly #text: string
  readonly #method: string
  readonly #taker: ResponseTaker
  readonly #connections: ServerConnections
  #connection: ServerConnection | undefined
  #isReused = false
  #interimResponses = 0
  #isOver = false
  /** It was made already, on a connection that was closed just then. */
  needsNew = false
  /** When it began to wait for a connection. */
  since = 0

  constructor(text: string, method: string, taker: ResponseTaker, connections: ServerConnections) {
    this.#text = text
    this.#method = method
    this.#taker = taker
    this.#connections = connections
  }

  /** @param wasIdle whether its server may have closed it just now, for want of requests. */
  sendOn(connection: ServerConnection, wasIdle: boolean): void {
    this.#connection = connection
    this.#isReused = wasIdle
    connection.send(this.#text, this.#method, this)
  }

  fail(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#taker.onFailure(this.#connections.faultOf(error))
  }

  pause(): void {
    this.#connection?.pause()
  }

  resume(): void {
    this.#connection?.resume()
  }

  giveUp(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#connection === undefined) this.#connections.forget(this)
    else this.#connection.destroy(undefined)
  }

  onHead({ status, reason, fields }: ResponseHead): void {
    if (this.#isOver) return
    if (status >= 200) return this.#taker.onHead({ status, reason: plainReason(reason), fields })
    this.#interimResponses += 1
    if (this.#interimResponses <= MAX_INTERIM_RESPONSES) return this.#taker.onInformation(status, fields)
    this.fail(new Fault('RESPONSE_INVALID', 'too many interim responses'))
    this.#connection?.destroy(undefined)
  }

  onData(bytes: Buffer): void {
    if (!this.#isOver) this.#taker.onData(bytes)
  }

  onEnd(): void {
    this.#connection = undefined
    if (this.#isOver) return
    this.#isOver = true
    this.#taker.onEnd()
  }

  onLost(error: unknown, isUnheard: boolean): void {
    this.#connection = undefined
    if (this.#isOver) return
    const mayTryAgain = isUnheard && this.#isReused && !this.needsNew && !isOwn(error)
    if (!mayTryAgain) return this.fail(error)
    this.needsNew = true
    this.#connections.again(this)
  }
}

/** This node ended it itself: the server took too long, or the node stops. */
function isOwn(error: unknown): boolean {
  return error instanceof Fault && (error.code === 'RESPONSE_TIMEOUT' || error.code === 'STOPPING')
}
