/**
 * The function `internet-gateway` (R10.4): gets updates from the Internet for members of the site whose machines cannot.
 *
 * Never a general proxy. The ancestor of this product was switched off because its port relayed for anybody; each step below
 * names what it stops. What is allowed goes the node's own way of a resource (cache, growing copies), so that many wishes cost
 * one copy, and comes as it is downloaded. Redirects are the answer; nobody follows them here, and one that leads into a private
 * network is not passed on.
 */
import { bodyOf, type Answer } from '../core/answer.ts'
import type { Clock } from '../core/clock.ts'
import { counted } from '../core/counted-body.ts'
import { asFault, Fault, FAULTS } from '../core/fault.ts'
import { fieldValue, hasField, type FieldLine, type Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import { withoutSecrets } from '../core/redaction.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { FileRequest } from '../peering/peer-answer.ts'
import { endingBody } from '../retrieval/body-end.ts'
import { contentLength } from '../retrieval/peer-source.ts'
import type { Resource, ResourceRequest } from '../retrieval/resource.ts'
import type { HttpSignatures } from '../site/http-signature.ts'
import type { Pass } from '../site/pass.ts'
import { permission } from './allowed.ts'
import type { Audit, GatewayUse } from './audit.ts'
import type { Confinement } from './confined-upstream.ts'
import type { Limits, Permit } from './limits.ts'
import { OUTCOME_FIELD, passedFields, printOutcome, REFUSALS, TARGET_FIELD, type Refusal } from './wire.ts'

export interface GatewayComponents {
  readonly clock: Clock
  readonly signatures: HttpSignatures
  readonly limits: Limits
  readonly audit: Audit
  /** Whether this node does it at all at present. */
  readonly isServing: () => boolean
  readonly policyFor: (uri: TargetUri) => Policy
  /** Whether something speaks against connecting there, with its name resolved; a name that does not resolve is none's. */
  readonly guard: (target: URL) => Promise<Fault | undefined>
  /** From now on this is connected to at addresses of the Internet only. @returns what ends it. */
  readonly confine: Confinement['confine']
  /** The node's way of a resource. @throws Fault when there is no answer. */
  readonly get: (request: ResourceRequest) => Promise<Resource>
  /** This node's line of `Via`. */
  readonly via: () => FieldLine
}

/** A request on its way, as far as it came. */
interface Visit {
  readonly request: FileRequest
  readonly startedAt: number
  readonly target: string
  readonly pass: Pass | undefined
}

export class GatewayServer {
  readonly #components: GatewayComponents

  constructor(components: GatewayComponents) {
    this.#components = components
  }

  /** @param authority this node's own `address:port`, as the request was made to it. Never fails. */
  async answer(request: FileRequest, authority: string): Promise<Answer> {
    const { clock, signatures, limits, isServing } = this.#components
    const { method, target: path, fields } = request
    const target = fieldValue(fields, TARGET_FIELD) ?? ''
    // Whoever looks whether the provider is there (providers/contact.ts) wants nothing got.
    if (method === 'HEAD' && target === '' && !hasField(fields, 'signature'))
      return { status: isServing() ? 204 : 503, fields: [] }
    const stranger = { request, startedAt: clock.monotonic(), target, pass: undefined }
    if (!isServing()) return this.#refuse(stranger, 'no-gateway')
    if (method !== 'GET' && method !== 'HEAD') return this.#refuse(stranger, 'method')
    // Strangers, and members' requests that were changed, sent again, or meant for another machine.
    const signer = signatures.requestSigner({ method, authority, path, fields })
    if (signer.kind === 'refused') return this.#refuse(stranger, signer.reason)
    const visit = { ...stranger, pass: signer.pass }
    // A member that would take all.
    const admission = limits.admit(signer.pass.member)
    if (admission.kind === 'refused') return this.#refuse(visit, admission.reason)
    try {
      return await this.#admitted(visit, admission.permit)
    } catch (error) {
      admission.permit.end()
      return request.signal.aborted ? this.#withdrawn(visit) : this.#failed(visit, error)
    }
  }

  async #admitted(visit: Visit, permit: Permit): Promise<Answer> {
    const { policyFor, guard, confine, get, via } = this.#components
    const { request, target, pass } = visit
    const refuse = (reason: Refusal, detail?: string) => {
      permit.end()
      return this.#refuse(visit, reason, detail)
    }
    // Any URL: only what the rules of this node name as updates.
    const passed = passedFields(request.fields)
    const allowed = permission(target, passed, policyFor)
    if (allowed.kind === 'refused') return refuse(allowed.reason, allowed.detail)
    // Mail servers, machines of this network, this machine, clouds' metadata: also behind a name, at the connection too.
    const fault = await guard(allowed.url)
    if (fault !== undefined) return refuse(refusalOf(allowed.url, fault), fault.message)
    const release = confine(allowed.uri, 'member')
    try {
      const resource = await get({
        method: request.method === 'HEAD' ? 'HEAD' : 'GET',
        uri: allowed.uri,
        target,
        received: passed,
        forwarded: [...passed, via()],
        client: `member ${pass?.name}`,
        signal: request.signal,
        // Who asks has asked them, and waits for this answer: it would be waited for in a circle.
        mayAskPeers: false,
      })
      // A redirect into the network of whoever asks: that program would be this one's hand there.
      const trap = await this.#internalRedirect(allowed.url, resource)
      if (trap === undefined) return this.#served(visit, resource, permit, release)
      giveUp(resource)
      release()
      return refuse('internal-redirect', trap)
    } catch (error) {
      release()
      throw error
    }
  }

  /** Where it leads, and why that is refused; a redirect to another port is judged when it is followed. */
  async #internalRedirect(from: URL, { answer }: Resource): Promise<string | undefined> {
    const to = redirectTarget(from, answer)
    if (to === undefined) return undefined
    const place = new URL(to)
    place.port = ''
    const fault = await this.#components.guard(place)
    return fault === undefined || refusalOf(place, fault) === 'port'
      ? undefined
      : `it redirects to ${to.host}: ${fault.message}`
  }

  #served(visit: Visit, { answer }: Resource, permit: Permit, release: () => void): Answer {
    const { status } = answer
    const { pass } = visit
    let bytes = 0
    let isOver = false
    const end = () => {
      if (isOver) return
      isOver = true
      release()
      permit.end()
      this.#note(visit, { outcome: 'served', status, bytes })
    }
    const length = contentLength(answer.fields) ?? 0
    if (answer.body !== undefined && !permit.reserve(length)) {
      giveUp({ answer })
      release()
      permit.end()
      return this.#refuse(visit, 'too-many-bytes')
    }
    const fields = this.#signed(visit, status, [
      ...answer.fields,
      [OUTCOME_FIELD, printOutcome({ kind: 'served' })],
    ])
    if (answer.body === undefined) {
      end()
      return { ...answer, fields }
    }
    // Whoever goes before the first byte never begins to read.
    visit.request.signal.addEventListener('abort', end, { once: true })
    const passed = counted(answer.body, (chunk) => {
      // Whoever is thrown out in the middle gets no more.
      if (pass !== undefined && !this.#components.signatures.isGood(pass.member))
        throw new Fault('ABORTED', 'the member has been revoked')
      bytes += chunk
      if (!permit.spend(chunk)) throw new Fault('ABORTED', 'the member has had its bytes for this hour')
    })
    return { ...answer, fields, body: endingBody(passed, end) }
  }

  /** Whoever asked needs it no longer, and reads no answer. */
  #withdrawn(visit: Visit): Answer {
    const { status } = FAULTS.ABORTED
    this.#note(visit, { outcome: 'withdrawn', status, bytes: 0 })
    return { status, fields: [] }
  }

  #failed(visit: Visit, error: unknown): Answer {
    const fault = asFault(error, 'RESPONSE_INCOMPLETE')
    if (fault.code === 'FORBIDDEN_TARGET' || fault.code === 'LOOP_DETECTED')
      return this.#refuse(visit, 'internal-address', fault.message)
    const { status } = FAULTS[fault.code]
    this.#note(visit, { outcome: 'failed', reason: fault.code, status, bytes: 0 })
    const outcome = printOutcome({ kind: 'failed', code: fault.code })
    return this.#plain(visit, status, outcome, fault.message)
  }

  #refuse(visit: Visit, reason: Refusal, detail: string = reason): Answer {
    const status = REFUSALS[reason]
    const more = detail === reason ? {} : { detail }
    this.#note(visit, { outcome: 'refused', reason, ...more, status, bytes: 0 })
    return this.#plain(visit, status, printOutcome({ kind: 'refused', reason }), detail)
  }

  #plain(visit: Visit, status: number, outcome: string, text: string): Answer {
    const bytes = Buffer.from(`${text.slice(0, 300)}\n`)
    const more: Fields = status === 429 ? [['Retry-After', '60']] : []
    const fields: Fields = [
      ['Content-Type', 'text/plain; charset=utf-8'],
      ['Content-Length', String(bytes.length)],
      ['Cache-Control', 'no-store'],
      ['Cross-Origin-Resource-Policy', 'same-origin'],
      [OUTCOME_FIELD, outcome],
      ...more,
    ]
    const head = { status, fields: this.#signed(visit, status, fields) }
    return visit.request.method === 'HEAD' ? head : { ...head, body: bodyOf(bytes) }
  }

  /** Strangers are given no signature: it costs, and they could make this node sign as much as they like. */
  #signed({ pass, request }: Visit, status: number, fields: Fields): Fields {
    if (pass === undefined) return fields
    return this.#components.signatures.signResponse({ status, fields }, request.fields)
  }

  #note(
    { request, startedAt, target, pass }: Visit,
    said: Pick<GatewayUse, 'outcome' | 'status' | 'bytes' | 'reason' | 'detail'>,
  ): void {
    const { audit, clock } = this.#components
    audit.note({
      ...(pass === undefined ? {} : { member: pass.name }),
      from: request.peer,
      method: request.method.slice(0, 20),
      url: withoutSecrets(target).slice(0, 300),
      ms: Math.round(clock.monotonic() - startedAt),
      ...said,
    })
  }
}

/** Where a redirect leads by http or https. */
function redirectTarget(from: URL, { status, fields }: Answer): URL | undefined {
  const location = status >= 300 && status < 400 ? fieldValue(fields, 'location') : undefined
  const to =
    location !== undefined && URL.canParse(location, from.href) ? new URL(location, from.href) : undefined
  return to !== undefined && /^https?:$/.test(to.protocol) ? to : undefined
}

function giveUp({ answer }: Pick<Resource, 'answer'>): void {
  void answer.body?.[Symbol.asyncIterator]().return?.()
}

/** A port is told apart from an address: whoever configured it can change that. */
function refusalOf({ port }: URL, { code, message }: Fault): Refusal {
  return code === 'FORBIDDEN_TARGET' && message.startsWith(`port ${port || '80'} `)
    ? 'port'
    : 'internal-address'
}
