/**
 * What this node offers its peers (R3.4): stored responses that may be shared and are fresh, and its own running
 * downloads. It follows from the store and from the retrievals that run; nothing has to be told to it.
 */
import { LRUCache } from 'lru-cache'
import type { Clock, EpochMs } from '../core/clock.ts'
import { namedSha256 } from '../core/content-name.ts'
import { fieldValue, hasContentCoding, withField, type Fields } from '../core/fields.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import { ageField, currentAgeMs, isFresh, type Stored } from '../cache/semantics/freshness.ts'
import type { SharedFile, SharedFiles } from '../peering/file-server.ts'
import type { LocalCopies, LocalOffer } from '../peering/local-copies.ts'
import type { Located } from '../peering/machines/answer.ts'
import type { LocalAlias } from '../peering/packets.ts'
import type { UploadRate } from '../peering/upload-rate.ts'
import type { Slot, UploadSlots } from '../peering/upload-slots.ts'
import { RETRY_WINDOW_MS } from '../verify/retry-watch.ts'
import type { AnnouncedNames } from './announced-names.ts'
import type { LocalAliases } from './local-aliases.ts'
import type { Retrieval } from './retrieval.ts'
import type { Rules } from './rules.ts'

export interface SharedCopiesComponents {
  readonly clock: Clock
  readonly store: Store
  readonly rules: () => Rules
  readonly aliases: LocalAliases
  readonly announced: Pick<AnnouncedNames, 'contentOf'>
  /** The retrieval that runs for this URI. */
  readonly running: (uri: TargetUri) => Retrieval | undefined
  /** Whether the origin server has been asked for it, on behalf of the LAN too, and has not answered, or with what is soon whole. */
  readonly isFetching: (uri: TargetUri) => boolean
  /** Whether a retrieval of it comes from a peer, or is about to. */
  readonly isRelayed: (uri: TargetUri) => boolean
  /** Who reads what now. */
  readonly slots: UploadSlots
  /** How fast. */
  readonly rate: UploadRate
}

export function sharedCopies(components: SharedCopiesComponents): LocalCopies & SharedFiles {
  const uriOf = remembering(parseTargetUri)
  return {
    locate(resource) {
      const uri = uriOf(resource)
      const isShared = uri !== undefined && components.rules().policyFor(uri).share
      const response = (isShared ? offeredAs(components, uri) : undefined) ?? announced(components, resource)
      // Others have it too, or will be told by whoever reads it here: at its limit the node stays silent (R3.5).
      if (response)
        return components.slots.areTakenForLong
          ? ABSENT
          : { kind: 'complete', offer: offerOf(components, response) }
      if (!isShared) return ABSENT
      const retrieval = readable(components, uri)
      // Who only passes it on is found by way of the fetcher.
      if (retrieval?.isFetcher) return { kind: 'downloading', offer: growingOffer(components, retrieval) }
      return components.isFetching(uri) ? PROMISED : ABSENT
    },
    open(alias) {
      const uri = components.aliases.uriOf(alias)
      if (uri === undefined) return undefined
      const response = offered(components, uri)
      if (response) return storedFile(components, response, alias)
      const retrieval = readable(components, uri)
      if (retrieval) return growingFile(components, retrieval, alias)
      return components.isRelayed(uri) ? COMING : undefined
    },
  }
}

/** What one machine asks for is what the others ask for: the same few names, again and again. */
function remembering(parse: typeof parseTargetUri): typeof parseTargetUri {
  const known = new LRUCache<string, TargetUri>({ max: REMEMBERED_NAMES })
  return (name) => {
    const remembered = known.get(name)
    if (remembered !== undefined) return remembered
    const uri = parse(name)
    if (uri !== undefined) known.set(name, uri)
    return uri
  }
}

const REMEMBERED_NAMES = 64

const ABSENT: Located<LocalOffer> = { kind: 'absent' }

/** The origin server has been asked and has not answered yet, or with what has no length and is soon whole: who asks now had better wait for that. */
const PROMISED: Located<LocalOffer> = {
  kind: 'downloading',
  offer: {
    alias: undefined,
    size: undefined,
    digest: undefined,
    sentCopies: 0,
    etag: undefined,
    lastModified: undefined,
    ageSeconds: undefined,
  },
}

/** The stored response that may be offered now: shareable by its fields and its rule, one variant, fresh. */
function offered(components: SharedCopiesComponents, uri: TargetUri): StoredResponse | undefined {
  const policy = components.rules().policyFor(uri)
  const now = components.clock.wall()
  if (!policy.share) return undefined
  return components.store.lookup(uri).find((response) => {
    const isPlain = response.shareable && response.status === 200 && !hasContentCoding(response.fields)
    // What only its application can verify (V5) is passed on when nobody has come back to complain.
    const isOnTrial =
      response.source === 'peer' &&
      policy.verify === 'updater' &&
      now - response.responseTime < RETRY_WINDOW_MS
    return isPlain && !isOnTrial && isFresh(response, policy, now)
  })
}

function offeredAs(components: SharedCopiesComponents, uri: TargetUri): StoredResponse | undefined {
  return offered(components, uri) ?? offeredContent(components, uri)
}

/** What an application has announced under this name, which may be any URI. */
function announced(components: SharedCopiesComponents, name: string): StoredResponse | undefined {
  const content = components.announced.contentOf(name)
  return content && offeredAs(components, content)
}

/** What is asked for by its digest may be here under any name that may be told. */
function offeredContent(components: SharedCopiesComponents, name: TargetUri): StoredResponse | undefined {
  const sha256 = namedSha256(name)
  const body = sha256 && components.store.findByDigest(sha256)
  const response = body && offered(components, body.uri)
  return response?.digest === sha256 ? response : undefined
}

function readable(components: SharedCopiesComponents, uri: TargetUri): Retrieval | undefined {
  const retrieval = components.running(uri)
  return retrieval?.isShareable && retrieval.copy && !hasContentCoding(retrieval.fields)
    ? retrieval
    : undefined
}

function offerOf(components: SharedCopiesComponents, response: StoredResponse): LocalOffer {
  const alias = components.aliases.aliasOf(response.uri)
  return {
    alias,
    sentCopies: components.slots.begun(alias),
    size: response.size,
    digest: { algorithm: 'sha-256', hex: response.digest },
    etag: fieldValue(response.fields, 'etag'),
    lastModified: fieldValue(response.fields, 'last-modified'),
    ageSeconds: Math.round(currentAgeMs(response, components.clock.wall()) / 1000),
  }
}

function growingOffer(components: SharedCopiesComponents, retrieval: Retrieval): LocalOffer {
  return {
    alias: components.aliases.aliasOf(retrieval.request.uri),
    size: retrieval.copy?.size,
    digest: undefined,
    sentCopies: 0,
    etag: fieldValue(retrieval.fields, 'etag'),
    lastModified: fieldValue(retrieval.fields, 'last-modified'),
    ageSeconds: undefined,
  }
}

/** Whoever gets it does not take it for newer than it is (R3.4). */
function aged(response: Stored, now: EpochMs): Fields {
  return withField(response.fields, 'Age', ageField(response, now))
}

function storedFile(
  { store, slots, rate, clock }: SharedCopiesComponents,
  response: StoredResponse,
  alias: LocalAlias,
): SharedFile {
  return {
    size: response.size,
    fields: aged(response, clock.wall()),
    pieces: () => store.pieces(response),
    admit: (reader) => slots.take(alias, reader),
    read: (span, signal) => rate.paced(store.read(response, span), signal),
    close: () => {},
  }
}

/** While a peer reads it, the retrieval goes on even if this node's own applications have gone. */
function growingFile(
  { slots, rate, clock }: SharedCopiesComponents,
  retrieval: Retrieval,
  alias: LocalAlias,
): SharedFile | undefined {
  const { copy, response, path } = retrieval
  if (!copy) return undefined
  const admit: SharedFile['admit'] = (reader, from) => {
    // Where two would feed each other, nobody is ahead of the other.
    const isAhead = retrieval.isFetcher || from === 0 || retrieval.heldBytes > from
    return isAhead ? slots.take(alias, reader, retrieval.isFetcher) : FULL
  }
  const open = retrieval.openForPeers()
  const read: SharedFile['read'] = (span, signal) => rate.paced(open(span, signal), signal)
  const fields = aged(response, clock.wall())
  return { size: copy.size, fields, path, admit, read, close: retrieval.join() }
}

const FULL: Slot = { kind: 'full', relays: [] }

/** A copy that is about to come from a peer: in a moment it can be read. */
const COMING: SharedFile = {
  size: undefined,
  fields: [],
  admit: () => FULL,
  async *read() {},
  close() {},
}
