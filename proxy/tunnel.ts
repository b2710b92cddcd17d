/** CONNECT (RFC 9110 9.3.6): a blind tunnel to an authority that the guard allows (R6.1, V§9). */
import type { IncomingMessage } from 'node:http'
import { connect, type LookupFunction, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { answerFaultRaw, messageHead } from './answer-fault.ts'
import { connectionFault } from './connection-fault.ts'
import { holdBytes, splice } from './splice.ts'
import { type GuardSettings, guardedLookup, mayConnect } from './target-guard.ts'

export interface TunnelSettings {
  readonly guard: GuardSettings
  /** Until the connection stands, resolution included. */
  readonly connectTimeoutMs?: number
  /** Without a byte in either direction; browsers keep idle connections for five minutes. */
  readonly idleTimeoutMs?: number
  readonly maxTunnels?: number
}

export interface TunnelComponents {
  readonly clock: Clock
  /** Told about each CONNECT that was refused or failed before it stood. */
  readonly onFault?: (fault: Fault, authority: string) => void
  /** Stands in for the system's resolver. */
  readonly resolve?: LookupFunction
}

/** Where a CONNECT goes; `checkRequest` gives it. */
interface Authority {
  /** Without brackets. */
  readonly host: string
  readonly port: number
}

export interface Tunnels {
  /**
   * For the server's `connect` event, after `checkRequest`. Nothing here throws, whatever comes.
   * @param onEnd is told when the tunnel is closed, or why it never stood.
   */
  open(
    request: IncomingMessage,
    client: Duplex,
    head: Buffer,
    authority: Authority,
    onEnd?: (fault: Fault | undefined) => void,
  ): void
  /** Cuts all tunnels; later requests get 503. Resolves when all are closed. */
  stop(): Promise<void>
}

const DEFAULTS = { connectTimeoutMs: 10_000, idleTimeoutMs: 600_000, maxTunnels: 1_024 } as const

export function tunnel(settings: TunnelSettings, components: TunnelComponents): Tunnels {
  const { guard, connectTimeoutMs, idleTimeoutMs, maxTunnels } = { ...DEFAULTS, ...settings }
  const { clock, onFault = () => {}, resolve } = components
  const open = new Map<Duplex, Promise<void>>()
  let isStopping = false

  const refusalOf = ({ host, port }: Authority): Fault | undefined => {
    if (isStopping) return new Fault('STOPPING', 'the proxy is being stopped')
    if (open.size >= maxTunnels) return new Fault('OVERLOADED', `${open.size} tunnels at once`)
    return mayConnect(host, port, guard)
  }

  /** Resolves when the tunnel is closed, or with the fault that kept it from standing. */
  const run = async (client: Duplex, head: Buffer, authority: Authority): Promise<Fault | undefined> => {
    const release = holdBytes(client, head, () => client.destroy())
    const dialling = dial(authority, client, guardedLookup(guard, authority.port, resolve))
    const late = new Fault('CONNECT_TIMEOUT', `${nameOf(authority)} took no connection in time`)
    const cancel = clock.after(connectTimeoutMs, () => dialling.upstream.destroy(late))
    const fault = await dialling.outcome
    cancel()
    release()
    if (fault) return fault
    client.write(messageHead(200, 'Connection Established', []))
    await splice(client, dialling.upstream, idleTimeoutMs, clock)
    return undefined
  }

  return {
    open(request, client, head, authority, onEnd = () => {}) {
      const refuse = (fault: Fault) => {
        onEnd(fault)
        answerFaultRaw(client, fault, nameOf(authority), request.headers.accept)
        onFault(fault, nameOf(authority))
      }
      const serve = async () => {
        const fault = await run(client, head, authority)
        open.delete(client)
        if (fault) refuse(fault)
        else onEnd(undefined)
      }
      const refusal = refusalOf(authority)
      if (refusal) return refuse(refusal)
      client.on('error', () => client.destroy())
      open.set(client, serve())
    },
    async stop() {
      isStopping = true
      const all = [...open]
      for (const [client] of all) client.destroy()
      await Promise.all(all.map(([, done]) => done))
    },
  }
}

interface Dialling {
  readonly upstream: Socket
  /** `undefined` when the connection stands. */
  readonly outcome: Promise<Fault | undefined>
}

function dial(authority: Authority, client: Duplex, lookup: LookupFunction): Dialling {
  const upstream = connect({ ...authority, lookup, allowHalfOpen: true, noDelay: true })
  const { promise: outcome, resolve } = Promise.withResolvers<Fault | undefined>()
  const onClientClosed = () => upstream.destroy(new Fault('ABORTED', 'the user agent left'))
  client.once('close', onClientClosed)
  upstream.once('connect', () => {
    client.off('close', onClientClosed)
    resolve(undefined)
  })
  upstream.on('error', (thrown) => resolve(connectionFault(thrown, nameOf(authority))))
  upstream.once('close', () => resolve(new Fault('RESPONSE_INCOMPLETE', `${nameOf(authority)} hung up`)))
  return { upstream, outcome }
}

function nameOf({ host, port }: Authority): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
