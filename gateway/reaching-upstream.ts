/**
 * The way to origin servers: direct where this machine reaches the Internet, through the gateway of its site where it does not
 * (R10.4; patent A, FIG. 1). A decorator of `Upstream`: what is above it, with its ranges, validations and resumptions, does not
 * know the difference. machines/reach.ts decides; this runs it.
 */
import { sleep, type Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { Fault, type FaultCode } from '../core/fault.ts'
import type { Fields } from '../core/fields.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import type { CallingUpstream, Upstream, UpstreamRequest, UpstreamResponse } from '../core/upstream.ts'
import type { Permission } from './allowed.ts'
import type { GatewayClient } from './gateway-client.ts'
import { isDoubtful, REACH_START, step, type ReachEvent, type ReachState } from './machines/reach.ts'

export interface ReachingComponents {
  readonly clock: Clock
  readonly direct: CallingUpstream
  readonly gateways: Pick<GatewayClient, 'request'>
  /** Whether there could be a gateway: this machine belongs to a site. */
  readonly mayHaveGateway: () => boolean
  /** Whether a server is on this machine's own networks, which says nothing about the Internet. Never fails. */
  readonly isNear: (host: string) => Promise<boolean>
  readonly hasRoute: () => boolean
  /** What this machine's own rules say, before anybody is told what is wanted. */
  readonly permission: (target: string, fields: Fields) => Permission
  readonly changed: (to: 'direct' | 'isolated') => void
}

/** The direct way is waited for so long where it is not known to work, in ms; it may still win after that. */
export const TRY_MS = 2000

/**
 * The same where it is known that it did not work, in ms. Its try is not to cost an application a head start: who begins two
 * seconds after the others, when their gateway has just died, has all fetched once more.
 */
export const TRY_AGAIN_MS = 300

/** URLs that are remembered as come by way of a gateway. */
const MAX_REMEMBERED = 4096

/** No connection came about, whoever is to blame. */
const OUT_OF_REACH: readonly FaultCode[] = ['UNREACHABLE', 'CONNECT_TIMEOUT', 'DNS_FAILED', 'DNS_TIMEOUT']

export class ReachingUpstream implements CallingUpstream {
  readonly #components: ReachingComponents
  #state: ReachState = REACH_START
  /** By which gateway something came last. */
  readonly #relayed = new Map<TargetUri, string>()

  constructor(components: ReachingComponents) {
    this.#components = components
  }

  get state(): ReachState {
    return this.#state
  }

  /** Another direct way: what becomes of its requests is noticed here too, and none of them takes another way. */
  observed(direct: Upstream): Upstream {
    return {
      request: async (request) => {
        try {
          return await this.#reached(request, await direct.request(request))
        } catch (error) {
          this.#noteFailure(request, error)
          throw error
        }
      },
    }
  }

  /** The gateway by which this came last, `address:port`; then this machine cannot vouch for it itself. */
  relayedBy(uri: TargetUri): string | undefined {
    return this.#relayed.get(uri)
  }

  /** The same choice of ways, with another direct one. */
  by(direct: Upstream): Upstream {
    const observed = this.observed(direct)
    const { mayHaveGateway } = this.#components
    return {
      request: (request) => (mayHaveGateway() ? this.#choose(request, direct) : observed.request(request)),
    }
  }

  async request(request: UpstreamRequest): Promise<UpstreamResponse> {
    const { direct, mayHaveGateway } = this.#components
    return mayHaveGateway() ? this.#choose(request, direct) : direct.request(request)
  }

  async #choose(request: UpstreamRequest, direct: Upstream): Promise<UpstreamResponse> {
    switch (this.#way()) {
      case 'direct':
        return this.#direct(request, direct)
      case 'try':
        return this.#try(request, direct)
      case 'gateway': {
        const isNear = await this.#components.isNear(hostOf(request))
        return isNear ? direct.request(request) : this.#isolated(request, direct)
      }
    }
  }

  /** Where there could be a gateway, each request may need it, and is made by `request`. */
  get mayCall(): boolean {
    return !this.#components.mayHaveGateway()
  }

  call(...asked: Parameters<CallingUpstream['call']>): ReturnType<CallingUpstream['call']> {
    return this.#components.direct.call(...asked)
  }

  /** Only where the direct way is the one that will be taken. */
  prepare(uri: string): void {
    const { direct, mayHaveGateway } = this.#components
    const isDirect = this.#state.kind === 'direct' && this.#state.failures.length === 0
    if (isDirect || !mayHaveGateway()) direct.prepare?.(uri)
  }

  #way(): 'direct' | 'try' | 'gateway' {
    const commands = this.#step({ kind: 'asked', ...this.#now() })
    return commands.find((command) => command.kind === 'go')?.way ?? 'direct'
  }

  /** Through the gateway at once; what it may not be asked for is at least tried. */
  async #isolated(request: UpstreamRequest, direct: Upstream): Promise<UpstreamResponse> {
    const { permission } = this.#components
    const allowed = permission(request.uri, request.fields)
    const response = allowed.kind === 'allowed' ? await this.#through(request) : undefined
    return response ?? this.#direct(request, direct)
  }

  async #direct(request: UpstreamRequest, direct: Upstream): Promise<UpstreamResponse> {
    try {
      return await this.#reached(request, await direct.request(request))
    } catch (error) {
      return this.#instead(request, error)
    }
  }

  /** The direct way has not led there. @throws `error`, said more clearly where there is no other way. */
  async #instead(request: UpstreamRequest, error: unknown): Promise<UpstreamResponse> {
    const { clock, isNear, permission } = this.#components
    const server = hostOf(request)
    if (!isOutOfReach(error) || request.signal.aborted || (await isNear(server))) throw error
    const isNews = isDoubtful(this.#state, clock.monotonic())
    this.#step({ kind: 'failed', server, ...this.#now() })
    if (!isNews) throw error
    const allowed = permission(request.uri, request.fields)
    if (allowed.kind === 'refused') {
      if (this.#state.kind === 'direct') throw error
      const why = `the site’s gateway gets updates only, and ${allowed.detail}; this machine itself seems to have no Internet access: ${error.message}`
      throw new Fault('GATEWAY_REFUSED', why, { cause: error })
    }
    const response = await this.#through(request)
    if (response !== undefined) return response
    if (this.#state.kind === 'direct') throw error
    throw new Fault(
      error.code,
      `no machine of the site offers to get it from the Internet, and this one cannot: ${error.message}`,
      {
        cause: error,
      },
    )
  }

  async #through(request: UpstreamRequest): Promise<UpstreamResponse | undefined> {
    const relayed = await this.#components.gateways.request(request)
    if (relayed === undefined) return undefined
    this.#step({ kind: 'bypassed', server: hostOf(request), ...this.#now() })
    this.#remember(request.uri, relayed.gateway)
    return relayed.response
  }

  /** Direct, but a gateway is asked when that takes long. Whoever answers first is taken, and a late success still counts. */
  async #try(request: UpstreamRequest, direct: Upstream): Promise<UpstreamResponse> {
    const { clock, permission, isNear } = this.#components
    const waitMs = this.#state.kind === 'isolated' ? TRY_AGAIN_MS : TRY_MS
    const end = new AbortController()
    const signal = AbortSignal.any([request.signal, end.signal])
    const attempt = direct.request({ ...request, signal })
    attempt.catch(() => {}) // whoever waits for it hears of it all the same
    const settled = attempt.then(
      () => true,
      () => true,
    )
    const isSettled = await Promise.race([settled, sleep(clock, waitMs, signal).then(() => false)])
    const mayHelp = permission(request.uri, request.fields).kind === 'allowed'
    if (isSettled || !mayHelp || (await isNear(hostOf(request)))) return this.#outcome(request, attempt)
    // What a gateway has got meanwhile is out of reach here, until the direct way shows that it was only slow.
    this.#step({ kind: 'failed', server: hostOf(request), ...this.#now() })
    const response = await this.#through(request).catch(() => undefined)
    if (response === undefined) return this.#outcome(request, attempt)
    void attempt
      .then((late) => this.#reached(request, late))
      .catch((error: unknown) => this.#noteFailure(request, error))
      .finally(() => end.abort(NO_LONGER_NEEDED))
    return response
  }

  async #outcome(request: UpstreamRequest, attempt: Promise<UpstreamResponse>): Promise<UpstreamResponse> {
    try {
      return await this.#reached(request, await attempt)
    } catch (error) {
      return this.#instead(request, error)
    }
  }

  #noteFailure(request: UpstreamRequest, error: unknown): void {
    if (isOutOfReach(error) && !request.signal.aborted)
      this.#step({ kind: 'failed', server: hostOf(request), ...this.#now() })
  }

  /** A server of this machine's own networks is no sign of the Internet; that is looked into where it matters. */
  async #reached(request: UpstreamRequest, response: UpstreamResponse): Promise<UpstreamResponse> {
    const uri = parseTargetUri(request.uri)
    if (uri !== undefined) this.#relayed.delete(uri)
    const isSure =
      this.#state.kind === 'direct' &&
      this.#state.reachedAt !== undefined &&
      this.#state.failures.length === 0
    if (isSure || !(await this.#components.isNear(hostOf(request))))
      this.#step({ kind: 'reached', at: this.#components.clock.monotonic() })
    return response
  }

  #remember(target: string, gateway: string): void {
    const uri = parseTargetUri(target)
    if (uri === undefined) return
    this.#relayed.delete(uri)
    this.#relayed.set(uri, gateway)
    const [oldest] = this.#relayed.keys()
    if (this.#relayed.size > MAX_REMEMBERED && oldest !== undefined) this.#relayed.delete(oldest)
  }

  #now(): Pick<Extract<ReachEvent, { kind: 'asked' }>, 'at' | 'hasRoute'> {
    return { at: this.#components.clock.monotonic(), hasRoute: this.#components.hasRoute() }
  }

  #step(event: ReachEvent): ReturnType<typeof step>[1] {
    const [state, commands] = step(this.#state, event)
    this.#state = state
    for (const command of commands) if (command.kind === 'changed') this.#components.changed(command.to)
    return commands
  }
}

function isOutOfReach(error: unknown): error is Fault {
  return error instanceof Fault && OUT_OF_REACH.includes(error.code)
}

function hostOf({ uri }: UpstreamRequest): string {
  return new URL(uri).hostname
}
