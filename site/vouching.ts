/** A member vouches for what it fetched from origin servers itself, and tells others what it knows to be vouched for. */
import { isContentName } from '../core/content-name.ts'
import { fieldValue } from '../core/fields.ts'
import { sleep, type Clock, type EpochMs } from '../core/clock.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { attest, lineKey } from './attestation.ts'
import type { AttestationBook } from './attestation-book.ts'
import { ATTESTATIONS_PATH, believed, fetchLines } from './attested.ts'
import { promise } from './promise.ts'
import type { Site } from './site.ts'

/** A response on its way here from the origin server alone, that will be stored and may be shared. */
export type Fetching = Pick<StoredResponse, 'status' | 'fields' | 'requestTime' | 'responseTime' | 'size'>

export interface VouchingComponents {
  readonly site: Site
  readonly store: Store
  readonly book: AttestationBook
  readonly clock: Clock
  /** The gateway by which this came, `address:port`: that one vouches for it, because two words for one look are one too many. */
  readonly relayedBy?: (uri: TargetUri) => string | undefined
  /** What is on its way here under this name. */
  readonly fetching: (uri: TargetUri) => Fetching | undefined
  /** For how long a response is fresh, in ms (RFC 9111 4.2). */
  readonly freshForMs: (response: Fetching & Pick<StoredResponse, 'uri'>) => number
}

/** Begins. @returns what ends it. */
export function vouch(components: VouchingComponents): () => void {
  const { site, store, book } = components
  site.onDocument = (path) => (path.startsWith(ATTESTATIONS_PATH) ? linesAt(components, path) : undefined)
  const unsubscribe = store.subscribe(({ kind, response }) => {
    const own = site.membership
    const isOurs = kind === 'stored' && response.source === 'internet' && response.shareable
    // What a name of content must be needs nobody's word.
    if (isContentName(response.uri)) return
    const isPlain = response.status === 200 && fieldValue(response.fields, 'content-encoding') === undefined
    if (own === undefined || own.isDenied(own.id) || !isOurs || !isPlain) return
    const gateway = components.relayedBy?.(response.uri)
    if (gateway !== undefined) return void passOn(response, gateway, components)
    const { uri, digest: body, size: length, responseTime: fetchedAt } = response
    const freshUntil = freshUntilOf(response, components)
    const [etag, modified] = ['etag', 'last-modified'].map((name) => fieldValue(response.fields, name))
    const line = attest({ uri, body, length, etag, modified, fetchedAt, freshUntil }, own)
    book.add(uri, lineKey(line) ?? '', line)
  })
  return () => {
    unsubscribe()
    site.onDocument = () => undefined
  }
}

/** The gateway vouches for it a moment after its last byte, when it has stored it; asked after so long each time, in ms. */
const ASKED_AFTER_MS = [20, 200, 1000, 5000]

/** Keeps what a gateway says of a body that it has got for this machine, to pass the proof on with the copy. Never fails. */
async function passOn(
  { uri, digest }: StoredResponse,
  gateway: string,
  { site, book, clock }: VouchingComponents,
): Promise<void> {
  for (const afterMs of ASKED_AFTER_MS) {
    await sleep(clock, afterMs)
    const lines = await fetchLines(gateway, uri, { site })
    const about = lines.filter((line) =>
      believed([line], uri, { site, clock }).some(({ body }) => body === digest),
    )
    for (const line of about) book.add(uri, lineKey(line) ?? '', line)
    if (about.length > 0) return
  }
}

function linesAt(components: VouchingComponents, path: string): string | undefined {
  const { site, book, store } = components
  const name = path.slice(ATTESTATIONS_PATH.length)
  const uri = site.names.uriOf(name) as TargetUri | undefined
  // A clear URL stands for itself elsewhere; here it would tell a stranger what is held.
  if (uri === undefined || uri === name) return undefined
  const bodies = new Set(store.lookup(uri).map(({ digest }) => digest as string))
  const lines = book.of(uri).filter((line) => bodies.has(lineKey(line)?.split(' ')[0] ?? ''))
  const all = [...promisesOf(uri, components), ...lines]
  return all.length === 0 ? undefined : all.join('\n')
}

function freshUntilOf(
  response: Fetching & Pick<StoredResponse, 'uri'>,
  { freshForMs }: VouchingComponents,
): EpochMs {
  return (response.responseTime + Math.round(freshForMs(response))) as EpochMs
}

/** What this member will vouch for when it is whole. */
function promisesOf(uri: TargetUri, components: VouchingComponents): string[] {
  const { site, clock, fetching, relayedBy } = components
  const own = site.membership
  const coming = fetching(uri)
  if (own === undefined || own.isDenied(own.id) || coming === undefined || isContentName(uri)) return []
  const { fields, size: length } = coming
  if (relayedBy?.(uri) !== undefined || fieldValue(fields, 'content-encoding') !== undefined) return []
  const [etag, modified] = ['etag', 'last-modified'].map((name) => fieldValue(fields, name))
  const freshUntil = freshUntilOf({ ...coming, uri }, components)
  return [promise({ uri, length, etag, modified, freshUntil }, own, clock.wall())]
}
