/**
 * One node's path of a resource over fakes: the real cache semantics, retrievals and inquiries, on a clock that the test
 * moves, between an origin server and peers that say what the test tells them to.
 */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { memoryStore } from '../../cache/memory-store.ts'
import type { CacheStatusEntry } from '../../cache/semantics/cache-status.ts'
import { formatHttpDate } from '../../cache/semantics/http-date.ts'
import type { Digest, Sha256 } from '../../core/digest.ts'
import { fieldValue, type Fields } from '../../core/fields.ts'
import { seededRandom } from '../../core/random.ts'
import type { MayKeep, Store, StoredResponse } from '../../core/store.ts'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import type { Address } from '../../core/transport.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { Expectation, Verifier } from '../../core/verifier.ts'
import { Inquiry, type PeerDownload, type PeerOffer } from '../../peering/inquiry.ts'
import type { LocalCopies } from '../../peering/local-copies.ts'
import type { SharedFiles } from '../../peering/file-server.ts'
import type { NodeId } from '../../peering/packets.ts'
import { UploadRate } from '../../peering/upload-rate.ts'
import { UploadSlots } from '../../peering/upload-slots.ts'
import { announcedNames } from '../../retrieval/announced-names.ts'
import type { Holder } from '../../retrieval/pieces/supplier.ts'
import { localAliases, type LocalAliases } from '../../retrieval/local-aliases.ts'
import type { Resource } from '../../retrieval/resource.ts'
import { resources, type Resources } from '../../retrieval/resources.ts'
import { retrievals, type Retrievals } from '../../retrieval/retrievals.ts'
import { compileRules, type Rule } from '../../retrieval/rules.ts'
import { sharedCopies } from '../../retrieval/shared-copies.ts'
import type { RetrievalReport } from '../../retrieval/source.ts'
import { retryWatch } from '../../verify/retry-watch.ts'
import type { ShunReason } from '../../verify/shunned-peers.ts'
import { manualClock, type ManualClock } from '../manual-clock.ts'
import { FakeUpstream, type Answering } from './upstreams.ts'

export const URL_A = 'http://updates.test/a'
export const A = parseTargetUri(URL_A) as TargetUri
export const PEER = '127.0.0.6' as Address
export const LOCATION = `http://${PEER}:6515/${'a'.repeat(64)}`

export interface Scene {
  readonly origin: Answering
  /** A way to real origin servers, instead of the scripted one. */
  readonly upstream?: Upstream
  /** Absent: nobody there answers over HTTP. */
  readonly peers?: Answering
  /** "I have", 1 ms after the first question. */
  readonly offers?: readonly PeerOffer[]
  /** "I am downloading", 1 ms after the first question. */
  readonly downloads?: readonly PeerDownload[]
  /** Who says that it has it too, when it is asked in the middle of a download. */
  readonly holders?: readonly Holder[]
  /** How fast the Internet was measured to be; absent: it was not. */
  readonly originBytesPerSecond?: number
  /** What a copy from a peer must show; absent: there is no proof, so that peers are not asked. An error: it is thrown. */
  readonly expectation?: Expectation | Error
  /** What the origin server publishes (V3), where the expectation is `askable`. */
  readonly published?: Verifier['ask']
  /** Digests that are known at once. */
  readonly known?: ReadonlyMap<TargetUri, Digest>
  readonly rule?: Partial<Rule>
  readonly store?: (clock: ManualClock) => Store
  /** How long a question waits, in ms; 0: the Internet is asked at once, and late offers are still heard. */
  readonly waitMs?: number
  /** No peer is known: whoever asks is told to go to the Internet before the call returns. */
  readonly isAlone?: boolean
  /** By the summaries of the peers; absent: it may be. */
  readonly mayBeFound?: boolean
  /** The node had to wait for its turn at the processor. */
  readonly isBusy?: boolean
}

/** What the node said of its retrievals. */
export type Told =
  | { readonly kind: 'shunned'; readonly peer: Address; readonly reason: ShunReason }
  | { readonly kind: 'stored'; readonly response: StoredResponse }
  | { readonly kind: 'ended'; readonly report: RetrievalReport }
  | { readonly kind: 'announced' | 'readable' | 'completed' | 'failed' }
  | { readonly kind: 'warning'; readonly message: string }

export interface Asking {
  readonly method?: 'GET' | 'HEAD'
  readonly url?: string
  /** `undefined`: a part of the program itself. */
  readonly client?: string | undefined
}

/** One application's request. */
export interface Application {
  readonly resource: Promise<Resource>
  /** It closes its connection. */
  leave(): void
}

/** What an application was given in the end. */
export interface Given {
  readonly status: number
  readonly fields: Fields
  readonly how: string
  readonly isCollapsed: boolean
  readonly cacheStatus: CacheStatusEntry
  readonly text: string
  /** Why the body broke off; absent: it is whole. */
  readonly error?: unknown
}

export interface World {
  readonly clock: ManualClock
  readonly store: Store
  readonly origin: FakeUpstream
  readonly peers: FakeUpstream
  readonly retrievals: Retrievals
  readonly resources: Resources
  readonly inquiries: readonly Inquiry[]
  readonly told: readonly Told[]
  readonly lan: LocalCopies & SharedFiles
  readonly aliases: LocalAliases
  /** `Date` and what else every response of this moment has. */
  dated(fields?: Fields): Fields
  ask(fields?: Fields, asking?: Asking): Application
  /** Asks, and reads the answer to its end. */
  get(fields?: Fields, asking?: Asking): Promise<Given>
  /** Reads an answer to its end. */
  read(application: Application): Promise<Given>
  /** Lets time pass until `promise` is settled. @throws when it is not within `ms`: something hangs. */
  within<T>(promise: Promise<T>, ms?: number): Promise<T>
  /** Lets everything happen that does not wait for time. */
  settle(): Promise<void>
  pass(ms: number): Promise<void>
  /** Bytes that growing copies in use hold: those of stored bodies and partial copies are taken off. */
  growingBytes(): number
}

const LINGER_MS = 120_000
const NODE = 'b'.repeat(32) as NodeId
const STEP_MS = 10

export function world(scene: Scene): World {
  const clock = manualClock()
  const store = scene.store?.(clock) ?? memoryStore({ maxBytes: 1_000_000_000, clock })
  const random = seededRandom(1)
  const rules = compileRules([{ ...RULE, ...scene.rule }], [])
  const told: Told[] = []
  const inquiries: Inquiry[] = []
  const origin = new FakeUpstream(scene.origin)
  const upstream = scene.upstream ?? origin
  const peers = new FakeUpstream(scene.peers ?? nobody)
  const watch = retryWatch()
  const unverifiedPeers = new Map<Sha256, Address>()
  const aliases = localAliases(seededRandom(2))
  const shun = (peer: Address, reason: ShunReason) => void told.push({ kind: 'shunned', peer, reason })
  const tell = (kind: 'announced' | 'readable' | 'completed' | 'failed') => void told.push({ kind })
  const verifier = verifierFor(scene)
  const running = retrievals(
    { self: { node: NODE }, verifyFirstUpTo: 64_000_000, lingerMs: LINGER_MS },
    {
      clock,
      store,
      verifier,
      origin: upstream,
      peers,
      servesFiles: () => true,
      meet: () => {},
      relay: () => [],
      isAnybodyThere: () => scene.isAlone !== true,
      originBytesPerSecond: () => scene.originBytesPerSecond,
      isShunned: (peer) => told.some((each) => each.kind === 'shunned' && each.peer === peer),
      findHolders: (_, found, over) => {
        for (const each of scene.holders ?? []) found(each)
        over()
        return () => {}
      },
      isBusy: () => scene.isBusy === true,
      inquire: (_, waitForDownloads, owner) => {
        const prospect = scene.mayBeFound === false ? 'none' : 'possible'
        const isBusy = () => scene.isBusy === true
        const inquiry = new Inquiry({ clock, isBusy }, SILENT, owner, () => {}, prospect)
        const isFirst = inquiries.push(inquiry) === 1
        const waitMs = scene.isAlone ? 0 : (scene.waitMs ?? 20)
        inquiry.start({ waitMs, holdersMs: waitMs, waitForDownloads, silenceMs: 3000 }, () => [])
        if (isFirst) clock.after(1, () => answerQuestion(inquiry, scene))
        return inquiry
      },
      events: {
        announce: () => {
          tell('announced')
          return {
            readable: () => tell('readable'),
            complete: () => tell('completed'),
            failed: () => tell('failed'),
          }
        },
        shun,
        contradicted: () => {},
        stored(response, unverified) {
          told.push({ kind: 'stored', response })
          if (unverified === undefined) return
          const { uri, digest: body } = response
          const { peer, clients } = unverified
          unverifiedPeers.set(body, peer)
          for (const client of clients) watch.delivered({ client, uri, peer, body, at: clock.monotonic() })
        },
        ended: (report) => void told.push({ kind: 'ended', report }),
        log: (message) => void told.push({ kind: 'warning', message }),
      },
    },
  )
  const paths = resources({
    clock,
    random,
    store,
    origin: upstream,
    rules: () => rules,
    retrievals: running,
    retryWatch: watch,
    unverifiedPeer: (body) => unverifiedPeers.get(body),
    shun,
    verifier,
  })
  const lan = sharedCopies({
    clock,
    store,
    rules: () => rules,
    aliases,
    announced: announcedNames(),
    running: (uri) => running.running(uri),
    isFetching: (uri) => running.isFetching(uri),
    isRelayed: (uri) => running.isRelayed(uri),
    slots: new UploadSlots({ perFile: 3, inAll: 16 }, clock),
    rate: new UploadRate(clock, Infinity),
  })

  const ask = (fields: Fields = [], { method = 'GET', url = URL_A, ...asking }: Asking = {}) => {
    const client = 'client' in asking ? asking.client : '127.0.0.1'
    const gone = new AbortController()
    const resource = paths.get({
      method,
      uri: parseTargetUri(url) ?? A,
      target: url,
      received: fields,
      forwarded: fields,
      client,
      signal: gone.signal,
    })
    resource.catch(() => {}) // whoever waits for it says so
    return { resource, leave: () => gone.abort() }
  }
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= STEP_MS) {
      await settle()
      clock.advance(Math.min(left, STEP_MS))
    }
    await settle()
  }
  const within = async <T>(promise: Promise<T>, ms = 10_000): Promise<T> => {
    const settled = new AbortController()
    const note = () => settled.abort()
    promise.then(note, note)
    await settle()
    for (let at = 0; at < ms && !settled.signal.aborted; at += STEP_MS) await pass(STEP_MS)
    if (!settled.signal.aborted) throw new Error(`nothing came of it within ${ms} ms: it hangs`)
    return promise
  }
  const read = (application: Application) => within(delivered(application.resource))
  return {
    clock,
    store,
    origin,
    peers,
    retrievals: running,
    resources: paths,
    inquiries,
    told,
    lan,
    aliases,
    dated: (fields = []) => [['Date', formatHttpDate(clock.wall())], ...fields],
    ask,
    get: (fields, asking) => read(ask(fields, asking)),
    read,
    within,
    settle,
    pass,
    growingBytes: () => store.usage().bytes - store.usage().partialBytes - storedBytes(store),
  }
}

/** A peer's "I have". */
export function offer(size: number, peer: Address = PEER): PeerOffer {
  return { peer, node: undefined, location: LOCATION, size, digest: undefined }
}

/** A peer's "I am downloading", with a growing copy that can be read. */
/** Of one that was heard to ask for it before, as whoever fetches is. */
export function download(size: number, peer: Address = PEER): PeerDownload {
  return {
    hasAsked: true,
    peer,
    node: undefined,
    location: LOCATION,
    readable: true,
    isAhead: false,
    receivedBytes: 0,
    totalBytes: size,
    bytesPerSecond: undefined,
  }
}

/** The proof that only `bytes` fulfil. */
export function digestOf(bytes: Uint8Array | string, size?: number): Expectation {
  const digest = { algorithm: 'sha-256', hex: sha256(bytes) } as const
  return { kind: 'digest', rung: 'V2', digest, ...(size === undefined ? {} : { size }) }
}

export function sha256(bytes: Uint8Array | string): Sha256 {
  return createHash('sha256').update(bytes).digest('hex') as Sha256
}

/** Only the application can tell (V5). */
export const BY_UPDATER: Expectation = { kind: 'updater', rung: 'V5' }

/** The reports of the retrievals that have ended. */
export function ended({ told }: World): readonly RetrievalReport[] {
  return told.flatMap((each) => (each.kind === 'ended' ? [each.report] : []))
}

/** Who was shunned, and why. */
export function shunned({ told }: World): readonly (readonly [Address, ShunReason])[] {
  return told.flatMap((each) => (each.kind === 'shunned' ? [[each.peer, each.reason] as const] : []))
}

/** A body's bytes, one character each. @throws what reading them throws. */
export async function textOf(body: AsyncIterable<Uint8Array> | undefined): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body ?? []) chunks.push(chunk)
  return Buffer.concat(chunks).toString('latin1')
}

/** The bodies that are stored for a URI, the most recent first. */
export function storedTexts({ store }: World, uri = A): Promise<string[]> {
  return Promise.all(
    store.lookup(uri).map((response) => textOf(store.read(response, { start: 0, end: response.size }))),
  )
}

/** A whole copy waits for `written` before it is stored. */
export function storingAfter({ store }: World, written: Promise<unknown>): void {
  const commit = store.commit.bind(store)
  const late = async (...[copy, head, mayKeep]: Parameters<typeof commit>) => {
    await written
    return commit(copy, head, mayKeep)
  }
  store.commit = late as Store['commit']
}

/** A resource is changed by an unsafe request as its response is about to become a row of the store. */
export function changedAtTheLastMoment({ store, retrievals: running }: World): void {
  const changing =
    (uri: TargetUri, mayKeep: MayKeep = () => true) =>
    () => {
      running.outdate(uri)
      store.remove(uri)
      return mayKeep()
    }
  const commit = store.commit.bind(store)
  const commitChanged = (...[copy, head, mayKeep]: Parameters<typeof commit>) =>
    commit(copy, head, changing(head.uri, mayKeep))
  store.commit = commitChanged as Store['commit']
  const reserve = store.reserve.bind(store)
  store.reserve = (size) => {
    const room = reserve(size)
    return (
      room && {
        keep: (bytes, head, mayKeep) => room.keep(bytes, head, changing(head.uri, mayKeep)),
        giveBack: () => room.giveBack(),
      }
    )
  }
}

export function field(given: Pick<Given, 'fields'>, name: string): string | undefined {
  return fieldValue(given.fields, name)
}

const RULE: Rule = {
  match: 'http://updates.test/**',
  rule: 'updates',
  share: true,
  immutable: false,
  store: true,
  verify: 'auto',
  waitForDownloads: true,
}

const SILENT = { request() {}, directedRequest() {}, endRequest() {} }

const NO_PROOF: Expectation = { kind: 'none', rung: 'V6' }

const nobody: Answering = () => {
  throw new Error('nobody is there')
}

function answerQuestion(inquiry: Inquiry, { downloads = [], offers = [] }: Scene): void {
  for (const each of downloads) inquiry.heardDownloading(each)
  for (const each of offers) inquiry.heardResponse(each)
}

function verifierFor({
  expectation = NO_PROOF,
  published: answering = async () => NO_PROOF,
  known: knownDigests = new Map(),
}: Scene): Verifier {
  return {
    start: async () => {},
    stop: async () => {},
    expect: async () => {
      if (expectation instanceof Error) throw expectation
      return expectation
    },
    ask: async (question) => answering(question),
    knownDigest: (uri) => knownDigests.get(uri),
    bodyWith: ({ hex }) => hex as Sha256,
    verify: async (expected, { sha256: hex }) => {
      if (expected.kind === 'updater') return { kind: 'verified', rung: 'V5' }
      const isRight = expected.kind === 'digest' && expected.digest.hex === hex
      return isRight ? { kind: 'verified', rung: 'V2' } : { kind: 'refused', reason: 'wrong bytes' }
    },
  }
}

async function delivered(asked: Promise<Resource>): Promise<Given> {
  const { answer, trace } = await asked
  const { cacheStatus, how } = trace
  const isCollapsed = cacheStatus.kind === 'forward' && cacheStatus.isCollapsed === true
  const head = { status: answer.status, fields: answer.fields, how, isCollapsed, cacheStatus }
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of answer.body ?? []) chunks.push(chunk)
    return { ...head, text: Buffer.concat(chunks).toString('latin1') }
  } catch (error) {
    return { ...head, text: Buffer.concat(chunks).toString('latin1'), error }
  }
}

function storedBytes(store: Store): number {
  const bodies = new Map([...store.list()].map(({ digest, size }) => [digest, size]))
  return [...bodies.values()].reduce((sum, size) => sum + size, 0)
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await setImmediate()
}
