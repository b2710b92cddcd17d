/**
 * The copies that come from the origin server now, one for everybody who wants bytes of the same representation (R4.6),
 * and what becomes of them: a whole one is stored, a partial one is kept for the next request, everything else goes.
 */
import { LRUCache } from 'lru-cache'
import type { Sha256 } from '../core/digest.ts'
import { NO_LONGER_NEEDED, onAbort } from '../core/ended.ts'
import { describe, Fault } from '../core/fault.ts'
import { fieldValue, hasField, SELECTING_A_PART, type Fields } from '../core/fields.ts'
import type { GrowingCopy, PartialResponse, Store } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { decide, mayAnswerWaiting, mayReuseUnasked, staleIfErrorAllows } from '../cache/semantics/decision.ts'
import { wantsNoneStored } from '../cache/semantics/storable.ts'
import { isComparing } from '../cache/semantics/preconditions.ts'
import { isSameSelection, matches, selectionBy } from '../cache/semantics/vary.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import type { Changes } from './changes.ts'
import type { CopyUse } from './copy-use.ts'
import { Leading, type Ask, type Candidate, type Direct, type Led, type Validating } from './leading.ts'
import { OriginCopy, type OriginCopyComponents, type OriginHead } from './origin-copy.ts'
import type { Brought } from './part-source.ts'
import { alone, type RetrievalRequest } from './request.ts'
import { SharedOpening } from './shared-opening.ts'
import { newReport, type RetrievalReport } from './source.ts'
import type { Unshared } from './unshared.ts'

export interface OriginCopiesComponents extends Omit<OriginCopyComponents, 'idle' | 'noRoom' | 'store'> {
  readonly store: Store
  readonly changes: Changes
  readonly unshared: Unshared
  /** Bytes that came when those who had asked for them had gone. */
  readonly ended: (report: RetrievalReport) => void
}

/** Bytes of a representation as long as somebody uses them. */
export interface OpenedCopy {
  readonly kind: 'copy'
  /** Of a copy that was just begun, that somebody else uses too, or that had been left. */
  readonly how: 'begun' | 'joined' | 'resumed' | 'validated'
  readonly of: OriginCopy
  readonly use: CopyUse
  readonly validating?: Validating
}

export type Opened = OpenedCopy | Direct

/** What is known of a representation of which some bytes are here. */
export interface Known {
  readonly fields: Fields
  /** Bytes of the whole. */
  readonly size: number
  readonly ageMs: number
  readonly ttlMs: number
}

/** A question to the origin server. */
interface Asking {
  readonly uri: TargetUri
  /** Whether others may join what comes of it; no longer where somebody has an answer before it has one. */
  mayBeJoined: boolean
  /** The resource has changed meanwhile. */
  isOutdated: boolean
}

/** Of more resources it is not remembered what varies. */
const MAX_VARYING = 1000

export class OriginCopies {
  readonly #components: OriginCopiesComponents
  /** What others may join, by what makes requests the same. */
  readonly #running = new Map<string, OriginCopy>()
  /** Requests whose response is waited for. */
  readonly #openings = new Map<string, { readonly asking: Asking; readonly waiting: SharedOpening<Led> }>()
  /** Questions to the origin server that it has not answered. */
  readonly #asking = new Set<Asking>()
  readonly #all = new Set<OriginCopy>()
  /** What resolves when no copy of the resource is on its way to the shelf any more. */
  readonly #shelving = new Map<TargetUri, Promise<unknown>>()

  /** Names of the fields that select a variant, by `representationKey`. */
  readonly #varying = new LRUCache<string, readonly string[]>({ max: MAX_VARYING })

  readonly #leading: Leading

  constructor(components: OriginCopiesComponents) {
    this.#components = components
    this.#leading = new Leading({ ...components, create: (...parts) => this.#created(...parts) })
  }

  /** Joins what comes already, goes on with what was left, or asks the origin server. @throws Fault when it does not answer. */
  async open(ask: Ask): Promise<Opened> {
    const { request, want, signal, unstorable = this.#unstorable(request) } = ask
    const { unshared } = this.#components
    if (unstorable !== undefined) return this.alone({ ...ask, unstorable })
    const isOwn = isPersonal(request.fields) || (want === 'whole' && isSelecting(request.fields))
    if (unshared.has(request.uri)) return this.alone(ask)
    // What it is sent in place of the version that it holds is anybody's.
    if (isOwn) return this.alone(ask, !isPersonal(request.fields) && isComparing(request.fields))
    if (!isAnswered(ask)) await this.#shelving.get(request.uri)
    const key = this.#keyOf(request)
    const leadsItself = isAnswered(ask) || unshared.isForEach(request.uri)
    const opening = leadsItself ? undefined : this.#openings.get(key)
    if (opening !== undefined) {
      const led = await opening.waiting.wait(signal).catch(unlessLeft(signal))
      if (led?.kind === 'direct') return this.alone(ask)
      if (led === undefined || led.copy.isOver) return this.open(ask)
      // Of another variant: now that it is known what varies, those who want the same one can be told.
      const isOther = !isFor(led.copy, request) && this.#keyOf(request) !== key
      return isOther ? this.open(ask) : this.#join(led.copy, ask)
    }
    const candidate = this.#candidate(key, request)
    const copy = candidate?.mayBeUsed === true ? candidate.take() : undefined
    return copy === undefined ? this.#lead(key, ask, candidate) : used(copy, hereAs(copy), ask)
  }

  /** What comes already is not joined, nor is this joined by others, unless `mayBeJoined` once it has come. */
  async alone(ask: Ask, mayBeJoined = false): Promise<Opened> {
    const led = await this.#question(ask, undefined, askingOf(ask, mayBeJoined)).wait(ask.signal)
    return led.kind === 'direct' ? led : usedAs(led, ask)
  }

  /** What is here and fresh, without asking anybody. */
  here(ask: Ask): OpenedCopy | undefined {
    const candidate = this.#candidate(this.#keyOf(ask.request), ask.request)
    const copy = candidate?.mayBeUsed === true ? candidate.take() : undefined
    return copy && used(copy, hereAs(copy), ask)
  }

  /** What is here, in place of an answer that is none; `status`: absent where nobody answered (RFC 5861 4, RFC 9111 4.2.4). */
  standingIn(ask: Ask, status?: number): OpenedCopy | undefined {
    const { fields, policy } = ask.request
    const candidate = this.#candidate(this.#keyOf(ask.request), ask.request)
    const now = this.#components.clock.wall()
    const mayStandIn =
      candidate !== undefined && staleIfErrorAllows({ fields }, candidate.head, policy, now, status)
    const copy = mayStandIn ? candidate.take() : undefined
    return copy && used(copy, hereAs(copy), ask)
  }

  /** The head of a representation of which some bytes are here, where it may be told without asking. */
  known(request: RetrievalRequest): Known | undefined {
    const { decision, size } = this.#candidate(this.#keyOf(request), request) ?? {}
    if (decision?.kind !== 'hit' || !size) return undefined
    return { fields: decision.response.fields, size, ageMs: decision.ageMs, ttlMs: decision.ttlMs }
  }

  /** Whether bytes of this are here, or come from the origin server. */
  has(request: RetrievalRequest): boolean {
    const key = this.#keyOf(request)
    const isComing = this.#running.has(key) || this.#openings.has(key) || this.#shelving.has(request.uri)
    return isComing || this.#candidate(key, request) !== undefined
  }

  /** Whether anything of this is on its way from the origin server, or to the store's partial copies. */
  isBusyWith(uri: TargetUri): boolean {
    if (this.#openings.size + this.#all.size + this.#shelving.size === 0) return false
    for (const { asking } of this.#openings.values()) if (asking.uri === uri) return true
    for (const copy of this.#all) if (copy.request.uri === uri) return true
    return this.#shelving.has(uri)
  }

  /** Parts that applications wait for, for people who watch: with the speed at which bytes of the copy come. */
  parts(): readonly { readonly uri: TargetUri; shown(): DownloadProgress }[] {
    return [...this.#all].flatMap((copy) =>
      copy.parts().map((use) => ({
        uri: copy.request.uri,
        shown: () => ({ ...use.progress(), bytesPerSecond: copy.rate.bytesPerSecond() }),
      })),
    )
  }

  /** The origin server has another version: nobody begins to read this copy any more, and nothing of it is kept. */
  abandon(copy: OriginCopy): void {
    copy.refuse()
    this.#unlist(copy)
  }

  /** The copy for somebody else to fill, who alone has it then; `undefined` when others have bytes of it. */
  detach(copy: OriginCopy): GrowingCopy | undefined {
    const detached = copy.detach()
    if (detached !== undefined) this.#forget(copy)
    return detached
  }

  /** What is on its way is older than a change of the resource (RFC 9111 4.4): it is for those that wait, and no others. */
  outdate(uri: TargetUri): void {
    for (const asking of this.#asking) if (asking.uri === uri) asking.isOutdated = true
    for (const [key, { asking }] of this.#openings) if (asking.uri === uri) this.#openings.delete(key)
    for (const copy of this.#all) {
      if (copy.request.uri !== uri) continue
      copy.outdate()
      this.#unlist(copy)
    }
  }

  /** Everything ends; what may be gone on with later is kept. */
  async stop(): Promise<void> {
    for (const copy of this.#all) {
      copy.end(new Fault('STOPPING', 'the node is stopping'))
      this.#close(copy)
    }
    await Promise.all(this.#shelving.values())
  }

  /** Why no byte of the response may come into a copy that is kept. */
  #unstorable({ uri, fields }: RetrievalRequest): string | undefined {
    if (this.#components.unshared.lacksRoom(uri)) return 'the disk took no more of it lately'
    return wantsNoneStored(fields) ? 'the request says no-store' : undefined
  }

  #join(copy: OriginCopy, ask: Ask): Opened | Promise<Opened> {
    const { request } = ask
    const mayWait = mayAnswerWaiting(copy.head, request.policy, this.#components.clock.wall())
    return isFor(copy, request) && mayWait ? used(copy, 'joined', ask) : this.alone(ask)
  }

  /** Asks the origin server on behalf of everybody who comes before it has answered. */
  async #lead(key: string, ask: Ask, candidate: Candidate | undefined): Promise<Opened> {
    const before = this.#openings.get(key)
    if (before !== undefined && isAnswered(ask)) before.asking.mayBeJoined = false
    const asking = askingOf(ask, true)
    const waiting = this.#question(ask, candidate, asking)
    const opening = { asking, waiting }
    this.#openings.set(key, opening)
    void waiting.settled.then(() => this.#openings.get(key) === opening && this.#openings.delete(key))
    const led = await waiting.wait(ask.signal)
    return led.kind === 'direct' ? led : usedAs(led, ask)
  }

  #question(ask: Ask, candidate: Candidate | undefined, asking: Asking): SharedOpening<Led> {
    return new SharedOpening(
      async (stop) => {
        this.#asking.add(asking)
        const isFirst = asking.mayBeJoined && candidate === undefined
        const led = await this.#leading
          .ask(ask, stop, candidate, isFirst)
          .finally(() => this.#asking.delete(asking))
        // What is not kept is nobody's but this application's.
        if (led.kind === 'direct') onAbort(ask.signal, () => stop.abort(NO_LONGER_NEEDED))
        else this.#register(led.copy, asking)
        return led
      },
      (led) => led.kind === 'copy' && led.copy.unclaimed(),
    )
  }

  async #created(
    request: RetrievalRequest,
    brought: Brought,
    head: OriginHead,
  ): Promise<OriginCopy | string> {
    const { start, end, size } = brought
    try {
      const copy = await this.#components.store.create(size === undefined ? undefined : end - start, size)
      return this.#made(request, copy, head, false)
    } catch (error) {
      return describe(error)
    }
  }

  #made(request: RetrievalRequest, copy: GrowingCopy, head: OriginHead, isSparse: boolean): OriginCopy {
    const idle = (each: OriginCopy) => this.#close(each)
    const noRoom = () => this.#components.unshared.noRoom(request.uri)
    const made = new OriginCopy(request, copy, head, isSparse, { ...this.#components, idle, noRoom })
    this.#all.add(made)
    return made
  }

  /** From now on it is joined by those who want the same, instead of what was there before. */
  #register(copy: OriginCopy, { mayBeJoined, isOutdated }: Asking): void {
    if (isOutdated) copy.outdate()
    if (!mayBeJoined || isOutdated) return
    const before = this.#list(copy)
    const isNewer =
      before !== undefined &&
      before !== copy &&
      isSameSelection(before.head.admission.selecting, copy.head.admission.selecting)
    if (isNewer) before.refuse()
  }

  /** Those who want the same variant find it from now on. @returns what they found before. */
  #list(copy: OriginCopy): OriginCopy | undefined {
    const { request, head } = copy
    const names = head.admission.selecting.map(([name]) => name)
    const base = representationKey(request)
    if (names.length > 0) this.#varying.set(base, names)
    else this.#varying.delete(base)
    const key = this.#keyOf(request)
    const before = this.#running.get(key)
    this.#running.set(key, copy)
    return before
  }

  /**
   * Under which those who want the same bytes find each other: with what selects a variant, once a response has told what does
   * (RFC 9111 4.1).
   */
  #keyOf(request: RetrievalRequest): string {
    const base = representationKey(request)
    const selection = selectionBy(this.#varying.get(base) ?? [], request.fields)
    return [base, ...selection.map(([name, value]) => `${name}: ${value}`)].join('\n')
  }

  /** Bytes of what is asked for that are here, and nobody adds to: fresh, or to be validated first. */
  #candidate(key: string, request: RetrievalRequest): Candidate | undefined {
    const running = this.#running.get(key)
    const coming = running?.isOver === false ? [this.#asFound(running)] : []
    const found = [...coming, ...this.#onShelf(request)]
    const now = this.#components.clock.wall()
    const stored = found.map(({ head }) => ({ ...head, digest: '' as Sha256 }))
    const decision = decide({ method: 'GET', fields: request.fields }, stored, request.policy, now)
    if (!('response' in decision)) return undefined
    const { id } = decision.response
    return found.flatMap(({ head, take }) => {
      const mayBeUsed = mayReuseUnasked({ fields: request.fields }, head, request.policy, now)
      return head.id === id ? [{ decision, mayBeUsed, head, size: head.size, take }] : []
    })[0]
  }

  #asFound(copy: OriginCopy): {
    readonly head: PartialResponse
    readonly take: () => OriginCopy | undefined
  } {
    const head = { ...copy.storedHead, id: 0, size: copy.copy.size ?? 0 }
    return { head, take: () => (copy.isOver ? undefined : copy) }
  }

  #onShelf(request: RetrievalRequest) {
    return this.#components.store.partials(request.uri).map((head) => ({
      head,
      take: () => this.#resumed(request, head),
    }))
  }

  #resumed(request: RetrievalRequest, partial: PartialResponse): OriginCopy | undefined {
    const copy = this.#components.store.resume(partial)
    if (copy === undefined) return undefined
    const { status, fields, selecting, shareable: isShareable, requestTime, responseTime } = partial
    const admission = { kind: 'admitted', fields, selecting, isShareable } as const
    const head = { status, fields, admission, requestTime, responseTime }
    const made = this.#made(request, copy, head, true)
    this.#list(made)
    return made
  }

  #forget(copy: OriginCopy): void {
    this.#all.delete(copy)
    this.#unlist(copy)
    if (copy.unclaimedBytes === 0) return
    const report = newReport()
    report.bytes.internet = copy.unclaimedBytes
    this.#components.ended(report)
  }

  #unlist(copy: OriginCopy): void {
    for (const [key, each] of this.#running) if (each === copy) this.#running.delete(key)
  }

  /** Nobody uses it any more. */
  #close(copy: OriginCopy): void {
    const { store, changes } = this.#components
    this.#forget(copy)
    if (!copy.isWorthKeeping) return void copy.copy.discard()
    const { uri } = copy.request
    // It is in no list on its way there.
    const began = changes.now()
    const mayKeep = () => !changes.hasChangedSince(uri, began)
    const shelved = store.shelve(copy.copy, copy.storedHead, mayKeep).catch(() => copy.copy.discard())
    const shelving = Promise.all([shelved, this.#shelving.get(uri)])
    this.#shelving.set(uri, shelving)
    void shelving.finally(() => this.#shelving.get(uri) === shelving && this.#shelving.delete(uri))
  }
}

/** Whether the answer has come already: then nobody else's is waited for, and others join this one from now on. */
function isAnswered({ request }: Ask): boolean {
  return request.begun?.isTaken === false
}

function askingOf({ request }: Ask, mayBeJoined: boolean): Asking {
  return { uri: request.uri, mayBeJoined, isOutdated: request.begun?.isOutdated === true }
}

function used(of: OriginCopy, how: OpenedCopy['how'], ask: Ask): OpenedCopy {
  const { request, asker = alone(request), report, want } = ask
  return { kind: 'copy', how, of, use: of.use(asker, report, want === 'part') }
}

function usedAs({ copy, how, validating }: Exclude<Led, Direct>, ask: Ask): OpenedCopy {
  return { ...used(copy, how, ask), validating }
}

function hereAs({ flights, uses }: OriginCopy): OpenedCopy['how'] {
  return flights.length > 0 || uses > 0 ? 'joined' : 'resumed'
}

/** Requests in somebody's name are nobody else's. */
export function isPersonal(fields: Fields): boolean {
  return ['authorization', 'cookie'].some((name) => hasField(fields, name))
}

function isSelecting(fields: Fields): boolean {
  return SELECTING_A_PART.some((name) => hasField(fields, name))
}

/** What makes two requests the same before the origin server has said what varies. */
export function representationKey({ uri, fields }: Pick<RetrievalRequest, 'uri' | 'fields'>): string {
  const codings = fieldValue(fields, 'accept-encoding') ?? ''
  return `${uri}\n${UNCODED.test(codings) ? '' : codings}`
}

/** Who takes no coding asks for what is sent to those who say nothing of codings: wget does, and curl says nothing (RFC 9110 12.5.3). */
const UNCODED = /^[ \t]*identity[ \t]*(?:;[ \t]*q=1(?:\.0{0,3})?[ \t]*)?$/i

function isFor({ head }: OriginCopy, { fields }: RetrievalRequest): boolean {
  return matches(head.admission.selecting, fields)
}

/** Work was given up because everybody had left who waited for it: somebody who came a moment later begins anew. */
function unlessLeft(signal: AbortSignal): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof Fault && error.code === 'ABORTED' && !signal.aborted) return undefined
    throw error
  }
}
