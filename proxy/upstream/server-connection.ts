/**
 * One connection to a server, for one request after the other. Node reads into memory that stays the connection's, so that
 * a response costs one call for each time that something comes, and no stream.
 */
import { connect, isIP, type OnReadOpts, type Socket, type TcpNetConnectOpts } from 'node:net'
import type * as Tls from 'node:tls'
import type { CancelTimer, Clock, EpochMs, Monotonic } from '../../core/clock.ts'
import { Fault, type FaultCode } from '../../core/fault.ts'
import { onDemand } from '../../core/on-demand.ts'
import type { TurnEnd } from '../turn-end.ts'
import { FULL_BYTES, ReadRests, WORTH_OF_LONG_BYTES } from './read-rests.ts'
import type { ResponseHead } from './response-head.ts'
import { ResponseReader } from './response-reader.ts'

/** A request under way, as its connection sees it. */
export interface Exchange {
  readonly onHead: (head: ResponseHead) => void
  /** The array is lent for the call. */
  readonly onData: (bytes: Buffer) => void
  readonly onEnd: () => void
  /** Nothing more comes. @param isUnheard whether nothing has come at all. */
  readonly onLost: (error: unknown, isUnheard: boolean) => void
}

export interface ConnectionEvents {
  /** It can be used; called once, or else `onGone`. */
  readonly onOpen: (connection: ServerConnection) => void
  /** It has answered, and can be used again. */
  readonly onFree: (connection: ServerConnection) => void
  /** It is no more. @param error why it was never open. */
  readonly onGone: (connection: ServerConnection, error?: unknown) => void
}

/** Waiting, in ms. */
export interface ServerTimeouts {
  readonly connectMs: number
  /** From the request to the response's head. */
  readonly headersMs: number
  /** Between two pieces of its body. */
  readonly bodyMs: number
  /** Idle connections are kept for this long unless the server says less. */
  readonly keepAliveMs: number
}

export interface ServerTarget extends TcpNetConnectOpts {
  readonly host: string
  /** By TLS, to a server that the machine's certificate authorities vouch for. */
  readonly isSecure: boolean
  /** Whether a slow body is read at once and gathered here (read-rests.ts); absent: the kernel gathers it. */
  readonly isReadAtOnce?: boolean
}

/** Few need it: an application asks through the library for an `https:` URL. */
const tls = onDemand('node:tls') as () => typeof Tls

/** A server's word about its patience is taken for so much less, in ms: the request needs its time to get there. */
const KEEP_ALIVE_MARGIN_MS = 2_000

export class ServerConnection {
  readonly #name: string
  readonly #socket: Socket
  readonly #events: ConnectionEvents
  readonly #turnEnd: TurnEnd
  readonly #timeouts: ServerTimeouts
  readonly #clock: Clock
  readonly #reader: ResponseReader
  #exchange: Exchange | undefined
  #state: 'connecting' | 'open' | 'gone' = 'connecting'
  /** Whether a byte of the response that is waited for has come. */
  #isHeard = false
  #hasHead = false
  #isPaused = false
  /** Of the body that comes. */
  #rests: ReadRests | undefined
  #endRest: CancelTimer = () => {}
  /** What is read goes here; what of it has not been handed on yet begins at `#from`. */
  readonly #memory = Buffer.allocUnsafeSlow(FULL_BYTES)
  #from = 0
  #gathered = 0
  #gathersUntil = 0 as Monotonic
  #fault: unknown
  #hasServed = false
  #keepAliveMs: number
  /** When something came last, or the last request went out. */
  #since: Monotonic
  /** When it became free, on the clock that goes on while the machine sleeps. */
  #freeSince: EpochMs

  /** @param name of the server, for messages. @param turnEnd when requests go out. */
  constructor(
    name: string,
    target: ServerTarget,
    timeouts: ServerTimeouts,
    clock: Clock,
    events: ConnectionEvents,
    turnEnd: TurnEnd,
  ) {
    this.#turnEnd = turnEnd
    this.#name = name
    this.#events = events
    this.#timeouts = timeouts
    this.#clock = clock
    this.#keepAliveMs = timeouts.keepAliveMs
    this.#since = clock.monotonic()
    this.#freeSince = clock.wall()
    this.#reader = new ResponseReader({
      onHead: (head) => this.#onHead(head),
      onData: (bytes) => this.#exchange?.onData(bytes),
      onEnd: (mayReuse) => this.#onEnd(mayReuse),
      onFlaw: ({ flaw }) => this.#fail(this.#faultOf('RESPONSE_INVALID', `sent ${flaw}`)),
    })
    this.#socket = open({ ...target, noDelay: true, onread: this.#onread(target.isReadAtOnce === true) })
    this.#socket.once(target.isSecure ? 'secureConnect' : 'connect', () => this.#onOpen())
    this.#socket.once('end', () => this.#onServerClosed())
    this.#socket.on('error', (error) => (this.#fault ??= error))
    this.#socket.once('close', () => this.#onClose())
  }

  /** Whether it has answered a request: its server may close it just when it is used again (RFC 9112 9.3.1). */
  get hasServed(): boolean {
    return this.#hasServed
  }

  /** Whether a request can be sent. */
  get isFree(): boolean {
    return this.#state === 'open' && this.#exchange === undefined
  }

  /** Whether it has been free for too long, of a free one: a machine that slept meanwhile did not look, and its server may have forgotten it. */
  isOutslept(now: EpochMs): boolean {
    return now - this.#freeSince >= this.#keepAliveMs
  }

  /** Sends a request that has no content. To be called when free. */
  send(text: string, method: string, exchange: Exchange): void {
    this.#exchange = exchange
    this.#isHeard = false
    this.#hasHead = false
    this.#since = this.#clock.monotonic()
    this.#reader.expect(method)
    this.#turnEnd.hold(this.#socket)
    this.#socket.write(text, 'latin1')
  }

  /** What has been sent of the body is enough for now. */
  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#endRest()
    this.#since = this.#clock.monotonic()
    this.#socket.resume()
    if (this.#gathered > 0) this.#handOnIn(0)
  }

  /** Ends it; who waits for a response is told so. */
  destroy(reason: unknown): void {
    this.#fail(reason)
  }

  /** Ends it where it was made from this address, which the machine has no longer: nothing would come by it, and nobody would say so. */
  endFrom(address: string): void {
    if (this.#state === 'open' && this.#socket.localAddress === address)
      this.#fail(this.#faultOf('RESPONSE_INCOMPLETE', 'cannot reach this machine at its former address'))
  }

  /** Ends what takes too long; to be called every now and then. */
  look(now: Monotonic): void {
    if (this.#state === 'gone' || this.#isPaused) return
    const waitedMs = now - this.#since
    if (this.#state === 'connecting') {
      if (waitedMs >= this.#timeouts.connectMs)
        this.#fail(this.#faultOf('CONNECT_TIMEOUT', 'took no connection in time'))
    } else if (this.#exchange === undefined) {
      if (waitedMs >= this.#keepAliveMs) this.#fail(undefined)
    } else if (waitedMs >= (this.#hasHead ? this.#timeouts.bodyMs : this.#timeouts.headersMs))
      this.#fail(this.#faultOf('RESPONSE_TIMEOUT', 'sent nothing in time'))
  }

  #onOpen(): void {
    if (this.#state !== 'connecting') return
    this.#state = 'open'
    this.#since = this.#clock.monotonic()
    this.#freeSince = this.#clock.wall()
    this.#events.onOpen(this)
  }

  #onread(isReadAtOnce: boolean): OnReadOpts {
    return isReadAtOnce
      ? { buffer: () => this.#free(), callback: (length) => this.#gather(length) }
      : { buffer: this.#memory, callback: (length) => this.#onRead(length) }
  }

  #onRead(length: number): boolean {
    const memory = this.#memory
    this.#isHeard = true
    this.#since = this.#clock.monotonic()
    this.#reader.push(length === memory.length ? memory : memory.subarray(0, length))
    const restMs = this.#restMs(length)
    if (restMs === 0) return true
    this.#socket.pause()
    this.#endRest = this.#clock.after(restMs, () => !this.#isPaused && this.#socket.resume())
    return true
  }

  #restMs(bytes: number): number {
    const { leftBytes } = this.#reader
    if (leftBytes === 0 || this.#isPaused || this.#state !== 'open') return 0
    this.#rests ??= new ReadRests(this.#since)
    return this.#rests.after(bytes, this.#since, leftBytes)
  }

  /** Where the next read goes: behind what is still to be handed on. */
  #free(): Buffer {
    if (this.#gathered === 0) this.#from = 0
    return this.#memory.subarray(this.#from + this.#gathered)
  }

  #gather(length: number): boolean {
    this.#isHeard = true
    this.#since = this.#clock.monotonic()
    this.#gathered += length
    const isFull = this.#from + this.#gathered === this.#memory.length
    const isWorthIt = this.#gathered >= Math.min(WORTH_OF_LONG_BYTES, this.#reader.leftBytes)
    if (isFull || isWorthIt || this.#since >= this.#gathersUntil) this.#handOn()
    else if (this.#gathered === length) this.#handOnIn(this.#gathersUntil - this.#since)
    return true
  }

  #handOnIn(ms: number): void {
    this.#endRest = this.#clock.after(ms, () => {
      this.#since = this.#clock.monotonic()
      if (!this.#isPaused) this.#handOn()
    })
  }

  /** What has been gathered, if anything. */
  #handOn(): void {
    if (this.#gathered === 0) return
    this.#endRest()
    const length = this.#gathered
    const from = this.#from
    this.#from += length
    this.#gathered = 0
    this.#reader.push(this.#memory.subarray(from, from + length))
    this.#gathersUntil = (this.#since + this.#restMs(length)) as Monotonic
  }

  #onHead(head: ResponseHead): void {
    const { keepAliveMs } = this.#timeouts
    if (head.status >= 200) {
      this.#hasHead = true
      const told = head.keepAliveSeconds
      this.#keepAliveMs =
        told === undefined ? keepAliveMs : Math.min(keepAliveMs, told * 1000 - KEEP_ALIVE_MARGIN_MS)
    }
    this.#exchange?.onHead(head)
  }

  #onEnd(mayReuse: boolean): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#rests = undefined
    this.#hasServed = true
    if (this.#isPaused) this.resume()
    const stays = mayReuse && this.#keepAliveMs > 0 && this.#state === 'open'
    if (!stays) this.#fail(undefined)
    exchange?.onEnd()
    if (!stays || this.#state !== 'open') return
    this.#freeSince = this.#clock.wall()
    this.#events.onFree(this)
  }

  #onServerClosed(): void {
    this.#handOn()
    this.#reader.close()
    this.#fail(this.#faultOf('RESPONSE_INCOMPLETE', 'closed the connection'))
  }

  #onClose(): void {
    if (this.#state === 'open') this.#handOn()
    this.#fail(this.#faultOf('RESPONSE_INCOMPLETE', 'broke off'))
  }

  #faultOf(code: FaultCode, what: string): Fault {
    return new Fault(code, `${this.#name} ${what}`)
  }

  /** Once, whatever happens: the connection goes, and whoever waits for it hears of it. */
  #fail(error: unknown): void {
    if (this.#state === 'gone') return
    const wasConnecting = this.#state === 'connecting'
    this.#state = 'gone'
    this.#endRest()
    this.#reader.stop()
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#socket.destroy()
    const reason = this.#fault ?? error
    // A request that is made once more is waiting by the time that nothing else may be left of its server's connections.
    exchange?.onLost(reason, !this.#isHeard)
    this.#events.onGone(this, wasConnecting ? reason : undefined)
  }
}

function open(target: ServerTarget): Socket {
  if (!target.isSecure) return connect(target)
  return tls().connect({ ...target, servername: isIP(target.host) === 0 ? target.host : '' })
}
