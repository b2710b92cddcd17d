/** The retrievals that run: requests for the same are collapsed into one (R4.6, RFC 9111 4), uncacheable ones are not. */
import { fieldValue, hasField, withoutFields, type Fields } from '../core/fields.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Monotonic } from '../core/clock.ts'
import { SELECTING_A_PART } from './origin-source.ts'
import {
  Retrieval,
  type RetrievalComponents,
  type RetrievalEvents,
  type RetrievalSettings,
} from './retrieval.ts'
import type { RetrievalRequest } from './request.ts'
import type { Joined } from './resource.ts'

export interface Retrievals {
  join(request: RetrievalRequest, received: Fields): Joined
  /** For one application only. */
  alone(request: RetrievalRequest): Joined
  /** The retrieval whose growing copy may be read. */
  running(uri: TargetUri): Retrieval | undefined
  /** What is on its way for this URI is older than a change of it (RFC 9111 4.4): it is for those that wait, and no others. */
  outdate(uri: TargetUri): void
  /** What is being stored for this URI, when the request cannot read along; it is stored, or not, when this resolves. */
  storing(uri: TargetUri, received: Fields): Promise<void> | undefined
  /** Whether the origin server has been asked for it, on behalf of the LAN too, and has not answered. */
  isFetching(uri: TargetUri): boolean
  all(): readonly Retrieval[]
  /** Whether wrong bytes of this were delivered lately: then the origin server answers the next request (V§2). */
  isPoisoned(uri: TargetUri): boolean
  stop(): void
}

/** For this long a resource of which wrong bytes were delivered comes from the origin server, in ms. */
export const POISONED_MS = 600_000

const MAX_POISONED = 1000

export type RetrievalsEvents = Omit<RetrievalEvents, 'over' | 'poisoned'>

export function retrievals(
  settings: RetrievalSettings,
  components: Omit<RetrievalComponents, 'events'> & {
    readonly events: RetrievalsEvents
  },
): Retrievals {
  const running = new Map<string, Retrieval>()
  const everyone = new Set<Retrieval>()
  const poisoned = new Map<TargetUri, Monotonic>()
  const events: RetrievalEvents = {
    ...components.events,
    poisoned: (uri) => {
      poisoned.set(uri, components.clock.monotonic())
      if (poisoned.size > MAX_POISONED) poisoned.delete([...poisoned.keys()][0] ?? uri)
    },
    stored: (response, unverified) => {
      // What the origin server alone has sent is right: the name is clean again.
      if (response.source === 'internet') poisoned.delete(response.uri)
      components.events.stored(response, unverified)
    },
    over: (retrieval) => {
      everyone.delete(retrieval)
      const key = keyOf(retrieval.request)
      if (running.get(key) === retrieval) running.delete(key)
    },
  }
  const begin = (request: RetrievalRequest): Joined => {
    const retrieval = new Retrieval(request, settings, { ...components, events })
    everyone.add(retrieval)
    const leave = retrieval.join()
    void retrieval.start()
    return { retrieval, isCollapsed: false, leave }
  }
  return {
    join(request, received) {
      if (isPersonal(received)) return begin(request)
      const key = keyOf(request)
      const known = running.get(key) ?? wholeOf(running, request)
      if (known?.mayBeJoined(received)) return { retrieval: known, isCollapsed: true, leave: known.join() }
      const joined = begin(request)
      running.set(key, joined.retrieval)
      return joined
    },
    alone: begin,
    outdate(uri) {
      for (const each of everyone) if (each.request.uri === uri) each.outdate()
    },
    running: (uri) => [...everyone].find((each) => each.request.uri === uri && each.copy !== undefined),
    storing(uri, received) {
      const retrieval = [...everyone].find((each) => each.request.uri === uri && each.storing !== undefined)
      const isForPart = SELECTING_A_PART.some((name) => hasField(received, name))
      const joins = !isForPart && !isPersonal(received) && retrieval?.mayBeJoined(received) === true
      return joins ? undefined : retrieval?.storing
    },
    isFetching: (uri) => [...everyone].some((each) => each.request.uri === uri && each.isFetching),
    all: () => [...everyone],
    isPoisoned: (uri) => components.clock.monotonic() - (poisoned.get(uri) ?? -Infinity) < POISONED_MS,
    stop: () => everyone.forEach((retrieval) => retrieval.stop()),
  }
}

/** Requests in somebody's name are nobody else's. */
function isPersonal(fields: Fields): boolean {
  return ['authorization', 'cookie'].some((name) => hasField(fields, name))
}

/** What makes two requests the same before the origin server has said what varies. */
function keyOf({ uri, fields, mayAskPeers }: RetrievalRequest): string {
  const parts = ['accept-encoding', ...SELECTING_A_PART].map(
    (name) => `${name}=${fieldValue(fields, name) ?? ''}`,
  )
  return [uri, `peers=${mayAskPeers}`, ...parts].join('\n')
}

/** A range of what is already on its way is read from there, when it comes soon. */
function wholeOf(running: Map<string, Retrieval>, request: RetrievalRequest): Retrieval | undefined {
  const from = /^bytes=(\d{1,15})-/.exec(fieldValue(request.fields, 'range') ?? '')?.[1]
  if (from === undefined) return undefined
  const fields = withoutFields(request.fields, SELECTING_A_PART)
  const whole = running.get(keyOf({ ...request, fields }))
  const held = whole?.progress().receivedBytes ?? 0
  return whole?.copy?.size !== undefined && Number(from) <= held + SOON_BYTES ? whole : undefined
}

/** A range that begins this close behind what is held is waited for, in bytes. */
const SOON_BYTES = 4 * 1024 * 1024
