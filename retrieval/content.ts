/**
 * Content by its name (RFC 6920): from this machine, from peers, or from a place of which its user says that it has it. No
 * byte of it is given that is not proved, whoever sends it: a small file is proved before its first byte, a large one before
 * its last block (V§2), and one for which the cache has no room is not given at all.
 *
 * What is stored for a name serves who asks by that name, and never by the URL where it happened to be: an application's
 * word proves what the bytes are, and not what that server would send to others.
 */
import type { Clock } from '../core/clock.ts'
import { contentName } from '../core/content-name.ts'
import type { Sha256 } from '../core/digest.ts'
import { Fault } from '../core/fault.ts'
import { fieldValue, hasContentCoding, type Fields } from '../core/fields.ts'
import type { Random } from '../core/random.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import { currentAgeMs } from '../cache/semantics/freshness.ts'
import { formatHttpDate } from '../cache/semantics/http-date.ts'
import { mayNameToLan } from '../cache/semantics/sharing-gate.ts'
import { inertType } from './peer-fields.ts'
import type { RetrievalRequest } from './request.ts'
import { begun, fromGrowing, fromStore, type Joined, type Resource } from './resource.ts'
import type { Retrievals } from './retrievals.ts'
import type { Rules } from './rules.ts'

export interface ContentRequest {
  readonly sha256: Sha256
  /** URLs that may have it, in the order in which they are tried; none: whoever holds it. */
  readonly places: readonly string[]
  /** What goes to such a place. */
  readonly fields: Fields
  /** Whether the LAN may be asked for it, and the copy offered to it. */
  readonly share: boolean
  readonly from: 'anywhere' | 'lan' | 'cache'
  readonly signal: AbortSignal
}

export interface ContentComponents {
  readonly clock: Clock
  readonly random: Random
  readonly store: Store
  readonly retrievals: Retrievals
  readonly rules: () => Rules
}

/** @throws Fault when it cannot be had: NOT_FOUND, VERIFICATION_FAILED, or what the last place says. */
export async function content(request: ContentRequest, components: ContentComponents): Promise<Resource> {
  const here = await held(request, components)
  if (here !== undefined) return here
  if (request.from === 'cache') throw new Fault('NOT_FOUND', 'it is not here')
  const name = contentName(request.sha256)
  const [first = name, ...others] = request.from === 'lan' ? [] : request.places
  let isNext = others.length > 0
  try {
    return await retrieved(first, request, components)
  } catch (error) {
    isNext &&= !request.signal.aborted
    if (!isNext) throw error
  }
  return content({ ...request, places: others }, components)
}

/** What is stored, under its name or another one; a body that turns out damaged is fetched again (R7.3). */
async function held(request: ContentRequest, components: ContentComponents): Promise<Resource | undefined> {
  const response = stored(request, components)
  if (response === undefined) return undefined
  const ageMs = currentAgeMs(response, components.clock.wall())
  const resource = fromStore({ response, ageMs, ttlMs: Infinity }, undefined, PLAIN, components)
  try {
    return { ...resource, answer: await begun(resource.answer) }
  } catch {
    return undefined
  }
}

const PLAIN = { method: 'GET', fields: [] } as const

/**
 * Under another name only what is for everybody: that an application knows a digest does not make it the one that a response
 * was for. What was not to be shared stays so, whoever asks for it later.
 */
function stored(
  { sha256, share }: ContentRequest,
  components: ContentComponents,
): StoredResponse | undefined {
  const { store } = components
  const known = store.lookup(contentName(sha256)).find(({ digest }) => digest === sha256)
  if (known !== undefined) return known
  const body = store.findByDigest(sha256)
  const isForAll = body?.shareable === true && body.status === 200
  if (!isForAll || hasContentCoding(body.fields)) return undefined
  return linkContent(body, share, components) ?? body
}

/**
 * A stored body under the name of its content, so that it is found by that.
 * @returns `undefined` when it has gone meanwhile, or there is no room for another row.
 */
export function linkContent(
  body: StoredResponse,
  shareable: boolean,
  { store, clock }: Pick<ContentComponents, 'store' | 'clock'>,
): StoredResponse | undefined {
  const now = clock.wall()
  const uri = contentName(body.digest)
  const type = fieldValue(body.fields, 'content-type')
  const described: Fields = type === undefined ? [] : [['Content-Type', inertType(type)]]
  try {
    return store.link(body, {
      uri,
      selecting: [],
      status: 200,
      fields: [...described, ['Date', formatHttpDate(now)]],
      requestTime: now,
      responseTime: now,
      source: body.source,
      shareable,
    })
  } catch {
    return undefined
  }
}

async function retrieved(
  target: string,
  request: ContentRequest,
  components: ContentComponents,
): Promise<Resource> {
  const { sha256, fields, share } = request
  const uri = contentName(sha256)
  const policy = components.rules().policyFor(uri)
  // Who says who it is, is not heard by the LAN, not even by a hash (V§3).
  const gate = mayNameToLan({ method: 'GET', uri, fields }, policy, true)
  const isNameable = share && gate.kind === 'share'
  const asked = { uri, target, fields, policy, isNameable, mayAskPeers: isNameable }
  const joined = components.retrievals.join(asked, fields)
  try {
    return await answered(joined, request, components)
  } catch (error) {
    // Whoever began it knew no place, or another one.
    if (!joined.isCollapsed || request.signal.aborted) throw error
    return answered(components.retrievals.alone(asked satisfies RetrievalRequest), request, components)
  }
}

async function answered(
  joined: Joined,
  { signal }: ContentRequest,
  components: ContentComponents,
): Promise<Resource> {
  const { retrieval, leave } = joined
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    const head = await retrieval.head()
    if (head.kind === 'growing')
      return fromGrowing(head, joined, 'uri-miss', { ...PLAIN, signal }, components)
    throw new Fault('STORE_FULL', `it cannot be stored until it is proved: ${head.reason}`)
  } catch (error) {
    leave()
    throw error
  }
}
