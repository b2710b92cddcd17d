/**
 * The path of a request for a part of what is not stored whole: from a peer's copy where one may be had and proved,
 * otherwise just these bytes from the origin server, joined with what is here of the same version.
 */
import type { Answer } from '../core/answer.ts'
import type { Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED, onAbort } from '../core/ended.ts'
import { Fault } from '../core/fault.ts'
import {
  endToEndFields,
  fieldValue,
  hasField,
  SELECTING_A_PART,
  withField,
  withoutFields,
  type Fields,
} from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import type { Random } from '../core/random.ts'
import type { ByteSpan } from '../core/ranges.ts'
import type { ForwardReason } from '../cache/semantics/cache-status.ts'
import { withoutHeldBackFields } from '../cache/semantics/decision.ts'
import { currentAgeMs, remainingFreshnessMs, type Stored } from '../cache/semantics/freshness.ts'
import { dated } from '../cache/semantics/http-date.ts'
import { wantsNoneStored } from '../cache/semantics/storable.ts'
import { evaluateConditional } from '../cache/semantics/validation.ts'
import { openSpans } from './open-copy.ts'
import type { Ask, Direct } from './leading.ts'
import { isPersonal, type OpenedCopy } from './origin-copies.ts'
import type { OriginCopy } from './origin-copy.ts'
import { firstRange } from './part-source.ts'
import { mendedBody, type Mending } from './mended-body.ts'
import { comparable } from './peers-word.ts'
import { answerWith, PRECONDITION_FAILED, spansOf } from './representation.ts'
import type { RetrievalRequest } from './request.ts'
import {
  endingWith,
  fromDirect,
  fromGrowing,
  type Resource,
  type ResourceRequest,
  type Trace,
} from './resource.ts'
import type { Retrievals } from './retrievals.ts'
import { newReport, type RetrievalReport } from './source.ts'

export interface PartPathComponents {
  readonly clock: Clock
  readonly random: Random
  readonly retrievals: Retrievals
}

/**
 * Whether a GET asks for ranges of bytes, and in nobody's name. Whoever says what file it expects (`If-Range`, `If-Match`,
 * `If-Unmodified-Since`, as BITS does) wants the bytes; whoever says what it has may want to hear that it has not changed.
 */
export function isForPart({ method, received }: Pick<ResourceRequest, 'method' | 'received'>): boolean {
  const conditions = ['if-none-match', 'if-modified-since']
  const isPlain =
    method === 'GET' && !isPersonal(received) && !conditions.some((name) => hasField(received, name))
  return isPlain && firstRange(fieldValue(received, 'range') ?? '') !== undefined
}

/** @throws Fault when neither a peer nor the origin server answers. */
export async function part(
  asked: ResourceRequest,
  request: RetrievalRequest,
  reason: ForwardReason,
  components: PartPathComponents,
): Promise<Resource> {
  return (
    (await fromPeer(asked, request, reason, components)) ?? fromOrigin(asked, request, reason, components)
  )
}

/** All that is asked for, when it is here, without asking anybody. */
export function partHere(
  asked: ResourceRequest,
  request: RetrievalRequest,
  components: PartPathComponents,
): Resource | undefined {
  const ask = askOf(asked, request)
  const opened = wholly(components.retrievals.origins.here(ask), asked)
  return opened && new Part(asked, request, ask, components).answer(opened, 'hit')
}

/** All that is asked for, in place of an origin server that does not answer, or not with that. What is not expected is no answer. */
function standingIn(
  asked: ResourceRequest,
  request: RetrievalRequest,
  components: PartPathComponents,
  status?: number,
): Resource | undefined {
  const ask = askOf(asked, request)
  const opened = wholly(components.retrievals.origins.standingIn(ask, status), asked)
  if (opened === undefined) return undefined
  const { fields } = opened.of.head
  if (evaluateConditional(asked.received, fields, 200) !== 'precondition-failed')
    return new Part(asked, request, ask, components).standIn(opened, status)
  opened.use.leave()
  return undefined
}

/** The copy where all that is asked for is here. */
function wholly(opened: OpenedCopy | undefined, asked: ResourceRequest): OpenedCopy | undefined {
  if (opened === undefined) return undefined
  const { spans, isHere } = want(opened, asked)
  if (isHere) opened.use.want(spans)
  else opened.use.leave()
  return isHere ? opened : undefined
}

/**
 * A peer's copy, which is taken whole: what can be proved are whole files. Peers are asked once for many ranges of a file
 * (BITS asks for dozens), and not at all for one of which parts are here.
 */
async function fromPeer(
  asked: ResourceRequest,
  request: RetrievalRequest,
  reason: ForwardReason,
  components: PartPathComponents,
): Promise<Resource | undefined> {
  const { retrievals } = components
  const { signal, received: fields } = asked
  const isPointless = retrievals.isAbsent(request.uri) || retrievals.origins.has(request)
  if (!request.mayAskPeers || isPointless) return undefined
  const whole = { ...request, fields: withoutFields(request.fields, SELECTING_A_PART) }
  const joined = retrievals.join(whole, fields, 'part')
  onAbort(signal, joined.leave)
  const head = await joined.retrieval.peerHead()
  if (head !== undefined) {
    const source = joined.retrieval.isOriginsWord ? 'internet' : 'peer'
    const wanted = { method: 'GET', fields: comparable(fields, source, request.policy), signal }
    return fromGrowing(head, joined, reason, wanted, components)
  }
  joined.leave()
  return undefined
}

async function fromOrigin(
  asked: ResourceRequest,
  request: RetrievalRequest,
  reason: ForwardReason,
  components: PartPathComponents,
): Promise<Resource> {
  const { unshared } = components.retrievals
  const goesAlone = unshared.lacksRoom(request.uri) || wantsNoneStored(request.fields)
  const here = goesAlone ? partHere(asked, request, components) : undefined
  if (here !== undefined) return here
  const stop = new AbortController()
  onAbort(asked.signal, () => stop.abort(NO_LONGER_NEEDED))
  const ask = askOf({ ...asked, signal: stop.signal }, request)
  const path = new Part(asked, request, ask, components)
  let found: ForwardReason | 'hit' | undefined
  const opening = openSpans(components.retrievals.origins, ask, (copy) => {
    const { spans, isHere, isBegun } = want(copy, asked)
    // What had to be asked for once more was first asked for because of this.
    found ??= copy.validating ?? foundIn(copy, isHere, isBegun) ?? reason
    return spans
  })
  const opened = await opening.catch((error: unknown) => {
    const isUnanswered = error instanceof Fault && error.blame === 'origin-server'
    const instead = isUnanswered ? standingIn(asked, request, components) : undefined
    if (instead === undefined) throw error
    return instead
  })
  if (!('kind' in opened)) return opened
  if (opened.kind === 'copy') return path.answer(opened, found ?? reason)
  const instead =
    standingIn(asked, request, components, opened.response.status) ??
    path.refusal(opened, opened.validating ?? reason)
  if (instead !== undefined) stop.abort(NO_LONGER_NEEDED)
  return instead ?? path.passOn(opened, opened.validating ?? reason)
}

/** @returns `undefined` where nothing of it was here. */
function foundIn({ how }: OpenedCopy, isHere: boolean, isBegun: boolean): 'hit' | 'partial' | undefined {
  if (how === 'begun') return undefined
  if (isHere) return 'hit'
  return isBegun || how === 'resumed' ? 'partial' : undefined
}

function askOf({ signal }: ResourceRequest, request: RetrievalRequest): Ask {
  return { request, want: 'part', signal, report: newReport() }
}

/** What is asked for of a copy, and whether all or some of it is here. */
function want(opened: OpenedCopy, { received }: ResourceRequest) {
  const { copy, head } = opened.of
  const spans = spansOf(
    { status: 200, fields: head.fields, size: copy.size },
    { method: 'GET', fields: received },
  )
  const holes = spans.flatMap((span) => copy.missing(span))
  return { spans, isHere: holes.length === 0, isBegun: bytesOf(holes) < bytesOf(spans) }
}

function bytesOf(spans: readonly ByteSpan[]): number {
  return spans.reduce((sum, { start, end }) => sum + end - start, 0)
}

/** One application's part of a copy. */
class Part {
  readonly #asked: ResourceRequest
  readonly #request: RetrievalRequest
  readonly #policy: Policy
  readonly #report: RetrievalReport
  readonly #components: PartPathComponents
  #hasEnded = false

  constructor(asked: ResourceRequest, request: RetrievalRequest, ask: Ask, components: PartPathComponents) {
    this.#asked = asked
    this.#request = request
    this.#policy = request.policy
    this.#report = ask.report
    this.#components = components
  }

  answer(opened: OpenedCopy, found: ForwardReason | 'hit'): Resource {
    const answer = this.#answer(opened)
    const { how, of } = opened
    const stored = { ...of.head, status: 200 }
    const { hasMissed } = opened.use
    // The origin server was asked, and had nothing to send (RFC 9211 2.2).
    if (how === 'validated' && !hasMissed) return { answer, trace: validated(found) }
    if (found === 'hit' && !hasMissed) return { answer, trace: this.#hit(stored) }
    const status = of.sentStatus ?? answer.status
    return { answer, trace: this.#forwarded(found === 'hit' ? 'partial' : found, status, how, of) }
  }

  /** @param status absent: there was no answer at all. */
  standIn(opened: OpenedCopy, status?: number): Resource {
    const { head } = opened.of
    const stored = withoutHeldBackFields({ ...head, fields: head.admission.fields, status: 200 })
    const ttlMs = this.#ttlMs(stored)
    const said = { kind: 'forward', reason: 'stale', ttlMs } as const
    const cacheStatus =
      status === undefined
        ? ({ ...said, detail: 'unreachable' } as const)
        : ({ ...said, status, detail: 'stale-if-error' } as const)
    return { answer: this.#answer(opened, stored.fields), trace: { how: 'hit', cacheStatus } }
  }

  /** @param told absent: all fields where this application has begun it, else those that are stored. */
  #answer({ use, how, of }: OpenedCopy, told?: Fields): Answer {
    const { received, signal } = this.#asked
    const { clock, random } = this.#components
    const { copy, head } = of
    const stored = { ...head, status: 200 }
    const age = String(Math.floor(currentAgeMs(stored, clock.wall()) / 1000))
    const described = dated(
      endToEndFields(told ?? (how === 'begun' ? head.fields : head.admission.fields)),
      head.responseTime,
    )
    const fields = how === 'begun' ? described : withField(described, 'Age', age)
    const response = { ...stored, size: copy.size ?? Infinity }
    const read = (span: ByteSpan) =>
      mendedBody(use.read(span, signal), span, this.#mending(response), isOfOrigin)
    const representation = { status: 200, fields, size: copy.size, read }
    const answer = answerWith(representation, { method: 'GET', fields: received }, random)
    const leave = () => {
      use.leave()
      this.#end()
    }
    onAbort(signal, leave)
    return endingWith(answer, leave)
  }

  /**
   * The origin server is asked without the application's expectations (RFC 9110 13.1.1, 13.1.4), for others read along: what it sends may
   * be none of what is expected. @returns a 412 then.
   */
  refusal({ response }: Direct, reason: ForwardReason): Resource | undefined {
    const { status, fields } = response
    if (evaluateConditional(this.#asked.received, fields, status) !== 'precondition-failed') return undefined
    const cacheStatus = { kind: 'forward', reason, status, detail: 'internet' } as const
    return { answer: PRECONDITION_FAILED, trace: { how: 'internet', cacheStatus, retrieval: this.#report } }
  }

  /** What is lost of the copy, or has no room in it, the origin server sends instead. */
  #mending(response: Mending['response']): Mending {
    const { fields } = this.#request
    const question = (range: string): RetrievalRequest => ({
      ...this.#request,
      fields: withField(withoutFields(fields, SELECTING_A_PART), 'Range', range),
      mayAskPeers: false,
      begun: undefined,
    })
    return { response, request: this.#asked, question, retrievals: this.#components.retrievals }
  }

  /** What is not kept goes to its application as the origin server sent it. */
  passOn({ response }: Direct, reason: ForwardReason): Resource {
    this.#report.source = 'internet'
    const note = (bytes: number) => void (this.#report.bytes.internet += bytes)
    const body = this.#components.retrievals.passedOn.body(this.#request.uri, response, note)
    const noted = { response: { ...response, body } }
    return fromDirect(noted, this.#report, () => this.#end(), reason)
  }

  #hit(stored: Stored): Trace {
    return { how: 'hit', cacheStatus: { kind: 'hit', ttlMs: this.#ttlMs(stored) } }
  }

  #ttlMs(stored: Stored): number {
    return remainingFreshnessMs(stored, this.#policy, this.#components.clock.wall())
  }

  #forwarded(
    reason: ForwardReason,
    status: number,
    how: OpenedCopy['how'],
    { isWorthKeeping }: OriginCopy,
  ): Trace {
    this.#report.source = 'internet'
    const cacheStatus = {
      kind: 'forward',
      reason,
      status,
      isStored: isWorthKeeping,
      isCollapsed: how === 'joined',
      detail: 'internet',
    } as const
    return { how: 'internet', cacheStatus, retrieval: this.#report }
  }

  /** Told once, and not of what caused no request. */
  #end(): void {
    if (this.#hasEnded || this.#report.source === undefined) return
    this.#hasEnded = true
    this.#components.retrievals.ended(this.#report)
  }
}

/** All bytes of such a copy are the origin server's. */
const isOfOrigin = () => true

function validated(found: ForwardReason | 'hit'): Trace {
  const reason = found === 'hit' ? 'stale' : found
  return { how: 'validated', cacheStatus: { kind: 'forward', reason, status: 304, detail: 'validated' } }
}
