/** The retrievals that run: requests for the same are collapsed into one (R4.6, RFC 9111 4), uncacheable ones are not. */
import { fieldValue, hasField, SELECTING_A_PART, withoutFields, type Fields } from '../core/fields.ts'
import type { StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Monotonic } from '../core/clock.ts'
import { ChangeQuestions } from './change-questions.ts'
import { Changes } from './changes.ts'
import { COMPARISONS, isComparing } from '../cache/semantics/preconditions.ts'
import { isPersonal, OriginCopies, representationKey } from './origin-copies.ts'
import { LineUse } from './line-use.ts'
import { RangeSupport } from './range-support.ts'
import { OriginTrials } from './origin-trial.ts'
import { PassedOn } from './passed-on.ts'
import { PlainMisses } from './plain-misses.ts'
import { Retrieval } from './retrieval.ts'
import type { RetrievalComponents, RetrievalEvents, RetrievalSettings } from './retrieval-parts.ts'
import type { RetrievalRequest } from './request.ts'
import type { Joined } from './resource.ts'
import type { RetrievalReport } from './source.ts'
import { Unshared } from './unshared.ts'

/** The stored response, by its id, that is to be validated. */
export interface ForValidation {
  readonly validates: number
}

export interface Retrievals {
  /** What comes from the origin server alone, whole or in parts. */
  readonly origins: OriginCopies
  /** What comes from there on the shortest way. */
  readonly plain: PlainMisses
  /** What is not kept. */
  readonly passedOn: PassedOn
  /** When resources were changed by unsafe requests. */
  readonly changes: Changes
  /** Names for which nobody waits for what somebody else has asked for. */
  readonly unshared: Unshared
  /** Whether a change of a file is asked for before the file. */
  readonly changeQuestions: ChangeQuestions
  /** Whether peers are known. */
  readonly isAnybodyThere: () => boolean
  /** @param purpose what it is for: a 304 to a validation is for everybody who asked about the same stored response. */
  join(request: RetrievalRequest, received: Fields, purpose?: 'whole' | 'part' | ForValidation): Joined
  /** For one application only. */
  alone(request: RetrievalRequest): Joined
  /** The retrieval whose growing copy may be read. */
  running(uri: TargetUri): Retrieval | undefined
  /**
   * What is on its way for this URI is older than a change of it (RFC 9111 4.4): it is for those that wait, and no others. What is stored
   * is the caller's to remove.
   */
  outdate(uri: TargetUri): void
  /** What is being stored for this URI, when the request cannot read along; it is stored, or not, when this resolves. */
  storing(uri: TargetUri, received: Fields): Promise<void> | undefined
  /** Whether the origin server has been asked for it, on behalf of the LAN too, and has not answered, or with what is soon whole. */
  isFetching(uri: TargetUri): boolean
  /** Whether it comes from a peer, or is about to. */
  isRelayed(uri: TargetUri): boolean
  all(): readonly Retrieval[]
  /** Whether wrong bytes of this were delivered lately: then the origin server answers the next request (V§2). */
  isPoisoned(uri: TargetUri): boolean
  /** Whether anything is under way for this URI, but for plain misses. */
  isBusyWith(uri: TargetUri): boolean
  /** Bytes came from the origin server that no retrieval accounts for. */
  ended(report: RetrievalReport): void
  /** A response came from the origin server, and was stored, that no retrieval accounts for. */
  stored(response: StoredResponse): void
  log(message: string, detail: Record<string, unknown>): void
  /** Whether peers were asked lately, and none had it. */
  isAbsent(uri: TargetUri): boolean
  stop(): Promise<void>
}

/** For this long a resource of which wrong bytes were delivered comes from the origin server, in ms. */
export const POISONED_MS = 600_000

/** For this long peers are not asked again for a resource of which parts are wanted, in ms. */
export const ABSENT_MS = 60_000

const MAX_REMEMBERED = 1000

export type RetrievalsEvents = Omit<RetrievalEvents, 'over' | 'poisoned' | 'absent'>

export function retrievals(
  settings: RetrievalSettings,
  components: Omit<
    RetrievalComponents,
    'events' | 'origins' | 'trials' | 'rangeSupport' | 'lineUse' | 'passedOn'
  > & {
    readonly events: RetrievalsEvents
  },
): Retrievals {
  const running = new Map<string, Retrieval>()
  /** With the key under which others may join it. */
  const everyone = new Map<Retrieval, string | undefined>()
  const byUri = new Map<TargetUri, Set<Retrieval>>()
  const of = (uri: TargetUri): Iterable<Retrieval> => byUri.get(uri) ?? NOBODY
  const find = (uri: TargetUri, is: (retrieval: Retrieval) => boolean) => {
    for (const each of of(uri)) if (is(each)) return each
    return undefined
  }
  const poisoned = new Map<TargetUri, Monotonic>()
  const absent = new Map<TargetUri, Monotonic>()
  const note = (times: Map<TargetUri, Monotonic>, uri: TargetUri) => {
    times.delete(uri)
    times.set(uri, components.clock.monotonic())
    if (times.size > MAX_REMEMBERED) times.delete([...times.keys()][0] ?? uri)
  }
  const isWithin = (times: Map<TargetUri, Monotonic>, uri: TargetUri, ms: number) => {
    const at = times.get(uri)
    return at !== undefined && components.clock.monotonic() - at < ms
  }
  const events: RetrievalEvents = {
    ...components.events,
    poisoned: (uri) => note(poisoned, uri),
    absent: (uri) => note(absent, uri),
    stored: (response, unverified) => {
      // What the origin server alone has sent is right: the name is clean again.
      if (response.source === 'internet') poisoned.delete(response.uri)
      components.events.stored(response, unverified)
    },
    over: (retrieval) => {
      const key = everyone.get(retrieval)
      everyone.delete(retrieval)
      unlist(byUri, retrieval)
      if (key !== undefined && running.get(key) === retrieval) running.delete(key)
    },
  }
  const changes = new Changes()
  const unshared = new Unshared(components.clock)
  const rangeSupport = new RangeSupport(components)
  const lineUse = new LineUse(components.clock)
  const passedOn = new PassedOn(components.clock)
  // What the trials ask for is to be measured beside the use of the line.
  const trials = new OriginTrials({ ...components, origin: rangeSupport.of(components.origin) })
  const origin = rangeSupport.of(lineUse.of(components.origin))
  const origins = new OriginCopies({
    ...components,
    origin,
    changes,
    unshared,
    stored: (response) => events.stored(response, undefined),
    contradicted: (uri, body) => events.contradicted(uri, body),
    ended: (report) => events.ended(report),
    log: (message, detail) => events.log(message, detail),
  })
  const begin = (request: RetrievalRequest, want: 'whole' | 'part' = 'whole', key?: string): Joined => {
    const retrieval = new Retrieval(request, settings, {
      ...components,
      origin,
      origins,
      trials,
      rangeSupport,
      lineUse,
      passedOn,
      events,
    })
    everyone.set(retrieval, key)
    list(byUri, retrieval)
    // Listed before it starts: with nobody to ask it may be over before `start` returns.
    if (key !== undefined) running.set(key, retrieval)
    const leave = retrieval.join(want)
    void retrieval.start()
    return { retrieval, isCollapsed: false, leave }
  }
  const plain = new PlainMisses()
  return {
    origins,
    plain,
    passedOn,
    changes,
    unshared,
    changeQuestions: new ChangeQuestions(components),
    isAnybodyThere: components.isAnybodyThere,
    join(request, received, purpose = 'whole') {
      const want = purpose === 'part' ? 'part' : 'whole'
      const isValidation = typeof purpose === 'object'
      const isForEach = isValidation ? unshared.has(request.uri) : unshared.isForEach(request.uri)
      if (isPersonal(received) || isForEach) return begin(request, want)
      const key = isValidation ? validationKey(request, purpose) : requestKey(request)
      const known = running.get(key)
      if (known?.mayBeJoined(received) && mayWaitFor(known, request))
        return { retrieval: known, isCollapsed: true, leave: known.join(want, request) }
      return begin(request, want, key)
    },
    alone: (request) => begin(request),
    outdate(uri) {
      changes.note(uri)
      for (const each of of(uri)) each.outdate()
      origins.outdate(uri)
      plain.outdate(uri)
    },
    running: (uri) => find(uri, (each) => each.copy !== undefined),
    storing(uri, received) {
      const retrieval = find(uri, (each) => each.storing !== undefined)
      const isForPart = SELECTING_A_PART.some((name) => hasField(received, name))
      const joins = !isForPart && !isPersonal(received) && retrieval?.mayBeJoined(received) === true
      return joins ? undefined : retrieval?.storing
    },
    isFetching: (uri) => find(uri, (each) => each.isFetching) !== undefined,
    isRelayed: (uri) => find(uri, (each) => each.isRelay) !== undefined,
    all: () => [...everyone.keys()],
    isBusyWith: (uri) => byUri.has(uri) || origins.isBusyWith(uri),
    ended: (report) => events.ended(report),
    stored: (response) => events.stored(response, undefined),
    log: (message, detail) => events.log(message, detail),
    isPoisoned: (uri) => isWithin(poisoned, uri, POISONED_MS),
    isAbsent: (uri) => isWithin(absent, uri, ABSENT_MS),
    stop() {
      for (const retrieval of everyone.keys()) retrieval.stop()
      return origins.stop()
    },
  }
}

const NOBODY: readonly Retrieval[] = []

function list(byUri: Map<TargetUri, Set<Retrieval>>, retrieval: Retrieval): void {
  const { uri } = retrieval.request
  const known = byUri.get(uri)
  if (known === undefined) byUri.set(uri, new Set([retrieval]))
  else known.add(retrieval)
}

function unlist(byUri: Map<TargetUri, Set<Retrieval>>, retrieval: Retrieval): void {
  const { uri } = retrieval.request
  const known = byUri.get(uri)
  known?.delete(retrieval)
  if (known?.size === 0) byUri.delete(uri)
}

/**
 * A 304 that another one is answered with is no answer to who holds nothing, and would have kept it waiting. Who holds another version
 * waits: it is answered from what comes instead, whatever that is.
 */
function mayWaitFor(known: Retrieval, { fields }: RetrievalRequest): boolean {
  return known.isAnswered || isComparing(fields) || !isComparing(known.request.fields)
}

/**
 * What makes two requests one retrieval: the representation, the part of it, and who may be asked. What an application holds of it makes no
 * difference where that is all that it says: it is held against what comes (RFC 9111 4.3.2).
 */
function requestKey(request: RetrievalRequest): string {
  const { fields } = request
  return isComparing(fields)
    ? conditionalKey({ ...request, fields: withoutFields(fields, COMPARISONS) })
    : conditionalKey(request)
}

/** The same for validations: variants may have the same date, and a 304 about one tells nothing of another (RFC 9111 4.1, 4.3.4). */
function validationKey(request: RetrievalRequest, { validates }: ForValidation): string {
  return `${conditionalKey(request)}\nvalidates=${validates}`
}

function conditionalKey({ uri, fields, mayAskPeers }: RetrievalRequest): string {
  const parts = SELECTING_A_PART.map((name) => `${name}=${fieldValue(fields, name) ?? ''}`)
  return [representationKey({ uri, fields }), `peers=${mayAskPeers}`, ...parts].join('\n')
}
