/** Who has a resource, without getting it (R11.1): this machine, and what peers say of themselves. */
import { contentName } from '../../core/content-name.ts'
import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import { fieldValue } from '../../core/fields.ts'
import type { Store, StoredResponse } from '../../core/store.ts'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import { currentAgeMs } from '../../cache/semantics/freshness.ts'
import { mayNameToLan } from '../../cache/semantics/sharing-gate.ts'
import type { PeerOffer } from '../../peering/inquiry.ts'
import type { Found } from '../../peering/survey.ts'
import type { Rules } from '../../retrieval/rules.ts'
import type { Lan } from '../assembly.ts'
import { digestText, isUri, namedContent, sha256From } from './content-uri.ts'
import { LineQueue } from './line-queue.ts'

export interface FindQuestion {
  /** Any URL or URI. */
  readonly uri: string
  /** What is asked for in the place of the URI, where it is known. */
  readonly digest?: string
  /** How long to listen to peers, in ms, at most 10,000; absent: as long as the node waits for them now. */
  readonly waitMs?: number
  /** Whether the LAN may be told that this machine looks for it. Absent: the rules decide for URLs; other names are told. */
  readonly share?: boolean
}

/** One who has it, or is getting it. What a peer says is its own claim: `get` proves it, or does not take it. */
export interface Holder {
  readonly where: 'here' | 'peer'
  readonly state: 'complete' | 'downloading'
  /** A peer's address. */
  readonly address?: string
  /** A peer's node ID; absent: it speaks only the patents' packets. */
  readonly node?: string
  /** Bytes in all. */
  readonly size?: number
  /** Bytes that are there, of a running download. */
  readonly receivedBytes?: number
  /** `sha-256:` and hexadecimal digits. */
  readonly digest?: string
  readonly etag?: string
  readonly lastModified?: string
  /** Seconds since the origin server vouched for it. */
  readonly ageSeconds?: number
}

/** How looking for it ended. */
export interface FindOutcome {
  /** Whether the LAN was asked. */
  readonly asked: boolean
  /** Why it was not. */
  readonly reason?: string
}

export type FindLine = ({ readonly kind: 'holder' } & Holder) | ({ readonly kind: 'done' } & FindOutcome)

export interface FindingComponents {
  readonly clock: Clock
  readonly store: Store
  readonly rules: () => Rules
  readonly lan: Lan
}

const MAX_WAIT_MS = 10_000

interface Sought {
  /** What the LAN is asked for. */
  readonly uri: string
  readonly waitMs: number | undefined
  readonly share: boolean | undefined
}

/** @throws Fault BAD_REQUEST */
export async function* find(
  question: unknown,
  signal: AbortSignal,
  components: FindingComponents,
): AsyncGenerator<FindLine> {
  const sought = soughtBy(question)
  for (const response of heldHere(sought.uri, components))
    yield { kind: 'holder', ...here(response, components.clock) }
  const reason = withheld(sought, components)
  if (reason !== undefined) return yield { kind: 'done', asked: false, reason }
  const answers = new LineQueue<FindLine>(() => ({ kind: 'done', asked: true }))
  const onOver = () => answers.end()
  const onFound = (found: Found) => answers.push({ kind: 'holder', ...there(found) })
  const survey = components.lan.survey(sought.uri, { onFound, onOver }, sought.waitMs)
  if (survey === undefined) return yield { kind: 'done', asked: false, reason: 'the node asks no peers' }
  const abandon = () => survey.abandon()
  signal.addEventListener('abort', abandon, { once: true })
  try {
    yield* answers
  } finally {
    signal.removeEventListener('abort', abandon)
    abandon()
  }
  yield { kind: 'done', asked: true }
}

function soughtBy(question: unknown): Sought {
  const { uri, digest, waitMs, share } = (question ?? {}) as Partial<Record<keyof FindQuestion, unknown>>
  if (typeof uri !== 'string' || !isUri(uri))
    throw new Fault('BAD_REQUEST', 'expected { "uri": an absolute URI of at most 1000 characters }')
  if (share !== undefined && typeof share !== 'boolean')
    throw new Fault('BAD_REQUEST', 'share: expected true or false')
  const sha256 = sha256From(digest) ?? namedContent(uri)?.sha256
  const name = sha256 === undefined ? (parseTargetUri(uri) ?? uri) : contentName(sha256)
  return { uri: name, waitMs: waitFrom(waitMs), share }
}

function waitFrom(waitMs: unknown): number | undefined {
  const isWait = typeof waitMs === 'number' && waitMs >= 0 && waitMs <= MAX_WAIT_MS
  if (waitMs === undefined || isWait) return waitMs
  throw new Fault('BAD_REQUEST', `waitMs: expected 0 to ${MAX_WAIT_MS}`)
}

function heldHere(uri: string, { store, lan }: FindingComponents): readonly StoredResponse[] {
  const name = lan.announced(uri) ?? (uri as TargetUri)
  const held = store.lookup(name).filter(({ status }) => status === 200)
  const sha256 = namedContent(name)?.sha256
  const body = held.length > 0 || sha256 === undefined ? undefined : store.findByDigest(sha256)
  return body === undefined ? held : [body]
}

/** Why the LAN is not asked (V§3); `undefined`: it may be. */
function withheld({ uri, share }: Sought, { rules }: FindingComponents): string | undefined {
  if (share === false) return 'share is false'
  const url = parseTargetUri(uri)
  // What is no URL was made to be told.
  if (url === undefined || namedContent(url) !== undefined) return undefined
  const policy = share === true ? { share } : rules().policyFor(url)
  const gate = mayNameToLan({ method: 'GET', uri, fields: [] }, policy, false)
  return gate.kind === 'share' ? undefined : gate.reason
}

function here({ size, digest, fields, ...response }: StoredResponse, clock: Clock): Holder {
  const ageSeconds = Math.round(currentAgeMs({ ...response, fields }, clock.wall()) / 1000)
  const hex = { algorithm: 'sha-256', hex: digest } as const
  const [etag, lastModified] = ['etag', 'last-modified'].map((name) => fieldValue(fields, name))
  return {
    where: 'here',
    state: 'complete',
    ageSeconds,
    ...claims({ size, digest: hex, etag, lastModified }),
  }
}

function there(found: Found): Holder {
  switch (found.kind) {
    case 'complete': {
      const { peer: address, node } = found.offer
      return { where: 'peer', state: 'complete', address, ...claims({ ...found.offer, node }) }
    }
    case 'downloading': {
      const { peer: address, node, receivedBytes, totalBytes: size } = found.download
      return { where: 'peer', state: 'downloading', address, receivedBytes, ...claims({ node, size }) }
    }
  }
}

type Claims = Partial<
  Pick<PeerOffer, 'node' | 'size' | 'digest'> & { etag: string | undefined; lastModified: string | undefined }
>

/** What is known of it, and nothing of what is not. */
function claims({ node, size, digest, etag, lastModified }: Claims): Partial<Holder> {
  return {
    ...(node === undefined ? {} : { node }),
    ...(size === undefined ? {} : { size }),
    ...(digest === undefined ? {} : { digest: digestText(digest) }),
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
  }
}
