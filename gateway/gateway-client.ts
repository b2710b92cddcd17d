/** Asks the gateway of the site for what this machine cannot reach itself (R10.4), and the next one when it fails. */
import { sleep, type Clock, type Monotonic } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { describe, Fault, type FaultCode } from '../core/fault.ts'
import { fieldValue, withoutFields, type Fields } from '../core/fields.ts'
import { withoutSecrets } from '../core/redaction.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../core/upstream.ts'
import { HEALTH } from '../peering/peer-answer.ts'
import type { Functions, Provider } from '../providers/functions.ts'
import type { HttpSignatures } from '../site/http-signature.ts'
import type { MemberId } from '../site/keys.ts'
import { Proofs } from './proofs.ts'
import {
  GATEWAY_FUNCTION,
  GATEWAY_PATH,
  OUTCOME_FIELD,
  OWN_FIELDS,
  passedFields,
  readOutcome,
  REFUSALS,
  TARGET_FIELD,
  type Outcome,
  type Refusal,
} from './wire.ts'

export interface GatewayClientComponents {
  readonly clock: Clock
  readonly functions: Pick<Functions, 'find' | 'report'>
  readonly signatures: Pick<HttpSignatures, 'signRequest' | 'responseSigner' | 'isGood'>
  /** What this machine knows of the bytes (V1, V2); `undefined`: nothing. @param target as the application wrote it. */
  readonly knownDigest: (target: string) => Digest | undefined
  /** To other machines' ports for files. */
  readonly peers: Upstream
  readonly log: (event: GatewayEvent) => void
}

/** A response, and the gateway that gave it. */
export interface Relayed {
  readonly response: UpstreamResponse
  /** `address:port` of its port for files. */
  readonly gateway: string
}

export type GatewayEvent =
  | { readonly kind: 'gateway-used'; readonly gateway: string; readonly url: string }
  | { readonly kind: 'gateway-failed'; readonly gateway: string; readonly reason: string }

/** A gateway that sends nothing for so long is asked whether it lives, in ms. */
export const SILENCE_MS = 700
/** It says so within this, in ms… */
export const HEALTH_MS = 500
/** …when it is asked so many times: whoever had to wait for a turn at the processor, there or here, is not gone. */
const HEALTH_TRIES = 2
/** Gateways that are asked for one request. */
const MAX_TRIES = 4
/** One that failed is not believed to work again for so long, in ms. */
export const AVOIDED_MS = 10_000
/** Between two questions for another one, in ms. */
const FIND_AGAIN_MS = 200

export class GatewayClient {
  readonly #components: GatewayClientComponents
  /** Those that failed, by location. */
  readonly #failed = new Map<string, Failed>()
  readonly #proofs: Proofs
  /** The one used last. */
  current: string | undefined
  requests = 0
  bytes = 0

  constructor(components: GatewayClientComponents) {
    this.#components = components
    this.#proofs = new Proofs(components.knownDigest)
  }

  /**
   * The response of the origin server by way of a gateway; `undefined` when nobody is one.
   * @throws Fault GATEWAY_REFUSED; the origin server's faults, as the gateway tells them; RESPONSE_INCOMPLETE where a gateway lives, and
   *   none of its answers comes
   */
  async request(request: UpstreamRequest): Promise<Relayed | undefined> {
    let broken: Fault | undefined
    for (let tries = 0; tries < MAX_TRIES && !request.signal.aborted; tries++) {
      const provider = await this.#find(tries > 0, request.signal)
      if (provider === undefined) break
      const response = await this.#ask(provider, request)
      broken = response instanceof Fault ? response : undefined
      if (response !== undefined && !(response instanceof Fault))
        return { response, gateway: new URL(provider.location).host }
    }
    if (broken !== undefined) throw broken
    return undefined
  }

  /** The one that is known, unless it has just failed; then who is found in its place, or is back. */
  async #find(isAgain: boolean, signal: AbortSignal): Promise<Provider | undefined> {
    const { functions, clock } = this.#components
    for (let tries = 0; tries < MAX_TRIES && !signal.aborted; tries++) {
      const fresh = isAgain || tries > 0
      const provider = await functions.find(GATEWAY_FUNCTION, { signal, fresh })
      // A stranger may offer it; nothing is asked of strangers.
      const isTrusted = provider?.member !== undefined || provider?.source === 'configured'
      if (provider === undefined || !isTrusted || provider.source === 'self') break
      if (!this.#isAvoided(provider)) return provider
      await sleep(clock, FIND_AGAIN_MS, signal)
    }
    return signal.aborted ? undefined : this.#whoIsBack()
  }

  #isAvoided({ location }: Provider): boolean {
    const failed = this.#failedLately().find(({ provider }) => provider.location === location)
    return failed !== undefined && failed.state !== 'back'
  }

  /** Where nobody else is left, one that was gone for a moment is better than none: the LAN may not know yet that it is back. */
  async #whoIsBack(): Promise<Provider | undefined> {
    const gone = this.#failedLately().filter(({ state }) => state !== 'unbelieved')
    const areBack = await Promise.all(gone.map(({ provider }) => this.#isHealthy(originOf(provider))))
    const back = gone.findLast((_, index) => areBack[index] === true)
    if (back !== undefined) this.#failed.set(back.provider.location, { ...back, state: 'back' })
    return back?.provider
  }

  #failedLately(): readonly Failed[] {
    const now = this.#components.clock.monotonic()
    for (const [location, { until }] of this.#failed) if (until <= now) this.#failed.delete(location)
    return [...this.#failed.values()]
  }

  /** A fault: it lives, and may be asked again. `undefined`: it is gone, and was reported. */
  async #ask(provider: Provider, request: UpstreamRequest): Promise<UpstreamResponse | Fault | undefined> {
    const { method, uri } = request
    const { host: authority } = new URL(provider.location)
    const wanted: Fields = [...passedFields(request.fields), [TARGET_FIELD, uri]]
    const signed = { method, authority, path: GATEWAY_PATH, fields: wanted }
    const fields = this.#components.signatures.signRequest(signed)
    if (fields === undefined) return undefined
    const end = new AbortController()
    const response = await this.#send(provider, { ...request, fields }, end)
    if (response === undefined || response instanceof Fault) return response
    const said = this.#judge(provider, response, fields)
    if (said.kind !== 'served') end.abort(NO_LONGER_NEEDED)
    switch (said.kind) {
      case 'refused':
        throw refusal(provider, said.reason)
      case 'failed':
        throw new Fault(said.code, `${new URL(uri).host}: no response, asked for by way of ${authority}`)
      case 'not-believed':
        return this.#lost(provider, said.reason)
      case 'served':
        return this.#served({ provider, member: said.member }, request, response, end)
    }
  }

  async #send(
    provider: Provider,
    request: UpstreamRequest,
    end: AbortController,
  ): Promise<UpstreamResponse | Fault | undefined> {
    const origin = originOf(provider)
    const signal = AbortSignal.any([request.signal, end.signal])
    const { method, fields } = request
    try {
      const asking = this.#components.peers.request({ method, uri: origin + GATEWAY_PATH, fields, signal })
      return await this.#alive(asking, origin, signal)
    } catch (error) {
      end.abort(NO_LONGER_NEEDED)
      if (request.signal.aborted) throw error
      const fault = await this.#onBreak(provider, error)
      // What became of the origin server it would have said.
      if (fault === undefined || isBrokenWay(error)) return fault
      throw fault
    }
  }

  #served(
    chosen: Chosen,
    request: UpstreamRequest,
    response: UpstreamResponse,
    end: AbortController,
  ): UpstreamResponse {
    const { location } = chosen.provider
    this.current = location
    this.requests += 1
    this.#components.log({ kind: 'gateway-used', gateway: location, url: withoutSecrets(request.uri) })
    return {
      ...response,
      fields: withoutFields(response.fields, OWN_FIELDS),
      body: this.#body(this.#proofs.proving(request, response), chosen, end, request.signal),
    }
  }

  /** Only the member that was asked is believed; but who does not know this machine cannot sign for it, and says so. */
  #judge(provider: Provider, response: UpstreamResponse, asked: Fields): Judged {
    const outcome = readOutcome(fieldValue(response.fields, OUTCOME_FIELD))
    const signer = this.#components.signatures.responseSigner(response, asked)
    if (signer.kind === 'refused')
      return outcome?.kind === 'refused' && isOfSigner(outcome.reason)
        ? outcome
        : { kind: 'not-believed', reason: `its answer is ${signer.reason}` }
    const { member } = signer.pass
    if (provider.member !== undefined && provider.member !== member)
      return { kind: 'not-believed', reason: 'another member answers' }
    if (outcome?.kind === 'served') return { kind: 'served', member }
    return outcome ?? { kind: 'not-believed', reason: 'its answer says nothing' }
  }

  /**
   * @throws Fault RESPONSE_INCOMPLETE where it breaks off, so that it is gone on with at the byte where it stopped (R4.4);
   *   VERIFICATION_FAILED where it is another file
   */
  async *#body(
    body: AsyncIterable<Uint8Array>,
    { provider, member }: Chosen,
    end: AbortController,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const origin = originOf(provider)
    const chunks = body[Symbol.asyncIterator]()
    try {
      for (;;) {
        const step = await this.#alive(chunks.next(), origin, signal, () => this.#mustBeGood(member))
        if (step.done === true) return
        this.#mustBeGood(member)
        this.bytes += step.value.length
        yield step.value
      }
    } catch (error) {
      if (signal.aborted) throw error
      if (error === REVOKED) {
        this.#lost(provider, REVOKED.message)
        throw incomplete(provider, error)
      }
      if (isWrong(error)) {
        this.#lost(provider, error.message)
        throw error
      }
      await this.#onBreak(provider, error)
      throw incomplete(provider, error)
    } finally {
      end.abort(NO_LONGER_NEEDED)
    }
  }

  /** Waits as long as the gateway is there. @throws GONE when it is not. */
  async #alive<T>(
    coming: Promise<T>,
    origin: string,
    signal: AbortSignal,
    look: () => void = () => {},
  ): Promise<T> {
    const { clock } = this.#components
    coming.catch(() => {}) // who waits hears of it all the same
    for (;;) {
      const over = new AbortController()
      const silence = sleep(clock, SILENCE_MS, AbortSignal.any([over.signal, signal])).then(() => SILENT)
      const first = await Promise.race([coming, silence])
      over.abort(NO_LONGER_NEEDED)
      if (first !== SILENT) return first as T
      if (signal.aborted) return coming
      look()
      const isThere = await Promise.race([coming.then(() => true), this.#isAlive(origin)])
      if (!isThere) throw GONE
    }
  }

  /** What a gateway sends counts as long as its site believes it. @throws Fault when it has been thrown out meanwhile. */
  #mustBeGood(member: MemberId): void {
    if (!this.#components.signatures.isGood(member)) throw REVOKED
  }

  async #isAlive(origin: string): Promise<boolean> {
    for (let tries = 0; tries < HEALTH_TRIES; tries++) if (await this.#isHealthy(origin)) return true
    return false
  }

  async #isHealthy(origin: string): Promise<boolean> {
    const end = new AbortController()
    const { peers, clock } = this.#components
    const asked = peers
      .request({ method: 'HEAD', uri: origin + HEALTH, fields: [], signal: end.signal })
      .then(({ status }) => status === 200)
      .catch(() => false)
    const isHealthy = await Promise.race([asked, sleep(clock, HEALTH_MS, end.signal).then(() => false)])
    end.abort(NO_LONGER_NEEDED)
    return isHealthy
  }

  /** It may have broken off because the origin server did: then it is not to blame. @returns `undefined`: it is gone, and was reported. */
  async #onBreak(provider: Provider, error: unknown): Promise<Fault | undefined> {
    // Whoever was just found gone is back, perhaps, but what was asked of it is not waited for any more.
    const lives = error !== GONE && (await this.#isHealthy(originOf(provider)))
    if (lives) return incomplete(provider, error)
    return this.#lost(provider, describe(error), 'gone')
  }

  #lost(provider: Provider, reason: string, state: Failed['state'] = 'unbelieved'): undefined {
    const { clock, functions, log } = this.#components
    const until = (clock.monotonic() + AVOIDED_MS) as Monotonic
    this.#failed.delete(provider.location)
    this.#failed.set(provider.location, { provider, until, state })
    if (this.current === provider.location) this.current = undefined
    functions.report(provider, reason)
    log({ kind: 'gateway-failed', gateway: provider.location, reason })
  }
}

/** A gateway that serves, and the member that it is. */
interface Chosen {
  readonly provider: Provider
  readonly member: MemberId
}

/** A gateway that has failed. */
interface Failed {
  readonly provider: Provider
  /** Until when that counts. */
  readonly until: Monotonic
  /** `unbelieved`: it is not asked. `gone`: only where nobody else is left, and it lives. `back`: it was found to. */
  readonly state: 'unbelieved' | 'gone' | 'back'
}

const REVOKED = new Fault('RESPONSE_INCOMPLETE', 'it has been revoked')
const GONE = new Fault('PEER_STALLED', 'it is silent, and does not say that it lives')

type Judged =
  | Exclude<Outcome, { readonly kind: 'served' }>
  | { readonly kind: 'served'; readonly member: MemberId }
  | { readonly kind: 'not-believed'; readonly reason: string }

/** Of its port for files. */
function originOf({ location }: Provider): string {
  return new URL(location).origin
}

/** Refusals for which a gateway has no member to sign for. */
function isOfSigner(reason: Refusal): boolean {
  return REFUSALS[reason] === 401
}

const SILENT = Symbol('silent')

function isWrong(error: unknown): error is Fault {
  return error instanceof Fault && error.code === 'VERIFICATION_FAILED'
}

/** No connection, or none that lasted: the next one may. */
const BROKEN_WAY: readonly FaultCode[] = [
  'CONNECT_TIMEOUT',
  'CONNECT_REFUSED',
  'UNREACHABLE',
  'PEER_LOST',
  'RESPONSE_INCOMPLETE',
]

function isBrokenWay(error: unknown): boolean {
  return error instanceof Fault && BROKEN_WAY.includes(error.code)
}

function incomplete({ location }: Provider, error: unknown): Fault {
  const { host } = new URL(location)
  return new Fault('RESPONSE_INCOMPLETE', `${host} (gateway): ${describe(error)}`, { cause: error })
}

const REASONS: Partial<Record<Refusal, string>> = {
  'not-shared': 'none of the gateway’s rules calls this an update',
  'unknown-member': 'the gateway does not know this machine as a member of its site',
  'another-time': 'the clocks of the two machines differ by more than two minutes',
  'internal-address': 'the address is not one of the Internet',
  'internal-redirect': 'the server redirects to an address that is not one of the Internet',
  port: 'the port is not among those that a gateway connects to',
  credentials: 'the request may be somebody’s own',
  https: 'a gateway cannot get https',
  'too-many-requests': 'this machine has asked too often in this minute',
  'too-many-bytes': 'this machine has had its share of this hour',
  'too-many-at-once': 'this machine asks for too much at once',
}

function refusal({ location }: Provider, reason: Refusal): Fault {
  const why = REASONS[reason] ?? reason
  return new Fault('GATEWAY_REFUSED', `${why} (${reason}), so ${new URL(location).host} does not get it`)
}
