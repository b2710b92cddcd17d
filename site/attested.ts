/**
 * The rung of V4 (V§1): what members of the site vouch for, where nothing else proves a copy. Once a peer has the file, the
 * attestations are fetched from it, and from other members where a quorum asks for more.
 *
 * A name that can change also needs the origin server's word that it has not: its validator by HEAD. Where it has none, an
 * attestation counts as long as the response was fresh. Stops the replay of a former version; with a quorum, also one member
 * that lies about the bytes or about which version is current.
 *
 * A copy that still grows has no attestation yet. Where a member has promised one (promise.ts) the bytes may be taken, and are
 * held against it when both are there.
 */
import { LRUCache } from 'lru-cache'
import { fieldValue, type Fields } from '../core/fields.ts'
import { sleep, type Clock, type Monotonic } from '../core/clock.ts'
import { decisionFor, type Facts } from '../core/decision-table.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import type { Policy } from '../core/policy.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Upstream } from '../core/upstream.ts'
import type { AttestedQuestion, Candidate, Expectation, Verdict, Verifier } from '../core/verifier.ts'
import { lineKey, readAttestation, type Attestation } from './attestation.ts'
import { MAX_LINES, type AttestationBook } from './attestation-book.ts'
import { readPromise, type MemberPromise } from './promise.ts'
import type { Site } from './site.ts'

export interface AttestedSettings {
  readonly attest: boolean
  /** Members that must vouch for the same bytes. */
  readonly quorum: number
}

export interface AttestedComponents {
  readonly clock: Clock
  readonly site: Site
  readonly book: AttestationBook
  readonly origin: Upstream
}

/** Where members serve what they know to be vouched for, by the private name. */
export const ATTESTATIONS_PATH = '/site/attestations/'

/** Other members that are asked for a quorum. */
export const MAX_ASKED = 4
/** They may take so long together, in ms: some may have gone without a word. */
const OTHERS_MS = 400
/** The origin server may take so long over a HEAD, in ms. */
const ORIGIN_MS = 400
/** Its answer is used for so long, in ms. */
const REMEMBERED_MS = 1_000
const REMEMBERED = 256

const NO_PROOF: Expectation = { kind: 'none', rung: 'V6' }
const ATTESTABLE: Expectation = { kind: 'attestable', rung: 'V4' }

/** The verifier with this rung below its others. */
export function withAttestations(
  verifier: Verifier,
  settings: AttestedSettings,
  components: AttestedComponents,
): Verifier {
  const { site } = components
  const orAttestable = (expectation: Expectation, policy: Policy) => {
    const mayBe = settings.attest && site.membership !== undefined && policy.store
    return expectation.kind === 'none' && mayBe ? ATTESTABLE : expectation
  }
  const asking = { ...components, validatorsOf: remembering(components) }
  return {
    ...verifier,
    expect: async (uri, policy) => orAttestable(await verifier.expect(uri, policy), policy),
    ask: async (question) => orAttestable(await verifier.ask(question), question.policy),
    attested: (question) => attested(question, settings, asking),
    verify: (expectation, candidate) =>
      expectation.kind === 'promised'
        ? kept(expectation, candidate, components)
        : verifier.verify(expectation, candidate),
  }
}

interface Asking extends AttestedComponents {
  readonly validatorsOf: (question: AttestedQuestion) => Promise<Validators>
}

async function attested(
  question: AttestedQuestion,
  { quorum }: AttestedSettings,
  components: Asking,
): Promise<Expectation> {
  const { uri } = question
  const { clock, site, book } = components
  const lines: string[] = []
  const attestations = [...believed(book.of(uri), uri, components)]
  const validators = () => components.validatorsOf(question)
  const chosenWith = async (place: string) => {
    const told = await fetchLines(place, uri, components)
    lines.push(...told)
    attestations.push(...believed(told, uri, components))
    return inForce(attestations, quorum, { isImmutable: question.policy.immutable, validators, clock })
  }
  const holder = new URL(question.location).host
  const others = new Set(quorum === 1 ? [] : site.placesOfMembers(MAX_ASKED))
  others.delete(holder)
  const chosen =
    (await chosenWith(holder)) ??
    (await within(clock, OTHERS_MS, firstFound([...others].map((place) => chosenWith(place)))))
  if (chosen !== undefined) {
    keep(lines, chosen, uri, components)
    const digest = { algorithm: 'sha-256', hex: chosen.body } as const
    return { kind: 'digest', rung: 'V4', digest, size: chosen.length }
  }
  // The one that has the file has its proof, or there is none.
  return quorum === 1 && question.isGrowing === true ? promisedIn(lines, question, components) : NO_PROOF
}

/** The first that is found, as soon as it is; `undefined` when nothing is. */
function firstFound<Found>(searches: readonly Promise<Found | undefined>[]): Promise<Found | undefined> {
  const found = searches.map(async (each) => (await each) ?? Promise.reject(new Error('nothing found')))
  return Promise.any(found).catch(() => undefined)
}

/** What a member that is fetching it promises, where it is fetching what the origin server has now. */
async function promisedIn(
  lines: readonly string[],
  question: AttestedQuestion,
  components: Asking,
): Promise<Expectation> {
  const own = components.site.membership
  const now = components.clock.wall()
  const { uri, policy } = question
  const promises = own === undefined ? [] : lines.map((line) => readPromise(line, uri, own, now))
  const promised = promises.find((each) => each !== undefined)
  if (promised === undefined) return NO_PROOF
  const isNow = policy.immutable || isCurrent(promised, await components.validatorsOf(question), now)
  if (!isNow) return NO_PROOF
  return { kind: 'promised', rung: 'V4', question, version: versionOf(promised), size: promised.length }
}

/** What has no validator is told from a former version, for which the same member has vouched, by when it came. */
function versionOf({ etag, modified, freshUntil }: Omit<MemberPromise, 'member' | 'length'>): string {
  if (etag === undefined && modified === undefined) return `until ${freshUntil}`
  return `${etag ?? ''} ${modified ?? ''}`
}

/** Who promised is asked so often, each time after so long, in ms: it vouches when it has stored the whole. */
const KEPT_AFTER_MS = [0, 20, 80, 200, 400]

/** Whether the body is what the member who promised has got, now that it has it too. */
async function kept(
  { question, version, size }: Extract<Expectation, { kind: 'promised' }>,
  candidate: Candidate,
  components: AttestedComponents,
): Promise<Verdict> {
  if (candidate.size !== size)
    return { kind: 'refused', reason: `expected ${size} bytes, got ${candidate.size}` }
  const { uri, location } = question
  for (const afterMs of KEPT_AFTER_MS) {
    if (afterMs > 0) await sleep(components.clock, afterMs)
    const lines = await fetchLines(new URL(location).host, uri, components)
    const ofIt = believed(lines, uri, components).filter((each) => versionOf(each) === version)
    const same = ofIt.find(({ body, length }) => body === candidate.sha256 && length === size)
    if (same !== undefined) {
      keep(lines, same, uri, components)
      return { kind: 'verified', rung: 'V4' }
    }
    const [other] = ofIt
    if (other !== undefined)
      return { kind: 'refused', reason: `expected sha-256 ${other.body}, got ${candidate.sha256}` }
  }
  return { kind: 'refused', reason: 'nobody vouched for it as was promised', isUnproved: true }
}

/** What these lines say of this URI, as far as a member may believe it. */
export function believed(
  lines: readonly string[],
  uri: TargetUri,
  { site, clock }: Pick<AttestedComponents, 'site' | 'clock'>,
): readonly Attestation[] {
  const own = site.membership
  if (own === undefined) return []
  return lines.flatMap((line) => {
    const read = readAttestation(line, uri, own, clock.wall())
    return read.kind === 'attestation' ? [read.attestation] : []
  })
}

/** The latest attestation of each body for which enough different members vouch. */
export function agreed(attestations: readonly Attestation[], quorum: number): readonly Attestation[] {
  const latestFirst = attestations.toSorted((one, other) => other.fetchedAt - one.fetchedAt)
  return latestFirst.filter((each, at) => {
    const isSame = ({ body, length }: Attestation) => body === each.body && length === each.length
    const isLatest = latestFirst.findIndex(isSame) === at
    return isLatest && new Set(latestFirst.filter(isSame).map(({ member }) => member)).size >= quorum
  })
}

/**
 * The attestation that counts. Of a name that can change it takes the quorum to say that a body is the current one, too: else
 * one member that lies could have a former version taken, for which others have honestly vouched in its time.
 */
async function inForce(
  attestations: readonly Attestation[],
  quorum: number,
  {
    isImmutable,
    validators,
    clock,
  }: { readonly isImmutable: boolean; readonly validators: () => Promise<Validators>; readonly clock: Clock },
): Promise<Attestation | undefined> {
  const candidates = agreed(attestations, quorum)
  if (candidates.length === 0) return undefined
  if (isImmutable) return isTaken({ isImmutable, attested: 'for-good' }) ? candidates[0] : undefined
  const origin = await validators()
  const now = clock.wall()
  return agreed(
    attestations.filter((each) => isCurrent(each, origin, now)),
    quorum,
  )[0]
}

/** Of a resource that members are asked about: nothing else proves it, and it may be stored. */
const UNPROVED = {
  isImmutable: false,
  hasDigest: false,
  published: 'none',
  signed: 'none',
  isStorable: true,
  verify: 'auto',
} as const

function isTaken(facts: Pick<Facts, 'attested'> & Partial<Facts>): boolean {
  return decisionFor({ ...UNPROVED, ...facts }).action === 'verify-attested'
}

/** What the origin server says the resource is now; all `undefined` where it says nothing. */
interface Validators {
  readonly isAnswer: boolean
  readonly etag?: string | undefined
  readonly modified?: string | undefined
  readonly length?: string | undefined
}

type Attested = Pick<Attestation, 'length' | 'etag' | 'modified' | 'freshUntil'>

/** Whether it counts for a name that can change. */
export function isCurrent(each: Attested, origin: Validators, now: number): boolean {
  return isTaken({ attested: howAttested(each, origin, now) })
}

function howAttested(each: Attested, origin: Validators, now: number): Facts['attested'] {
  const isOther = origin.length !== undefined && origin.length !== String(each.length)
  if (!origin.isAnswer || isOther) return 'nothing'
  if (origin.etag !== undefined) return origin.etag === each.etag ? 'by-validator' : 'nothing'
  if (origin.modified === undefined) return now < each.freshUntil ? 'for-a-time' : 'nothing'
  return origin.modified === each.modified && origin.length !== undefined ? 'by-validator' : 'nothing'
}

/** Each of those who have a file, or fetch it, is looked at in a moment, some again and again: what the origin server has is asked once. */
function remembering(components: AttestedComponents): Asking['validatorsOf'] {
  const { clock } = components
  const told = new LRUCache<string, { readonly at: Monotonic; readonly validators: Promise<Validators> }>({
    max: REMEMBERED,
  })
  return (question) => {
    const at = clock.monotonic()
    const key = `${question.target} ${fieldValue(question.fields, 'accept-encoding') ?? ''}`
    const before = told.get(key)
    if (before !== undefined && at - before.at < REMEMBERED_MS) return before.validators
    const validators = askOrigin(question, components)
    told.set(key, { at, validators })
    return validators
  }
}

async function askOrigin(
  { target, fields }: AttestedQuestion,
  { clock, origin }: AttestedComponents,
): Promise<Validators> {
  const ending = new AbortController()
  const whole: Fields = fields.filter(([name]) => !CONDITIONS.test(name))
  const request = { method: 'HEAD', uri: target, fields: whole, signal: ending.signal } as const
  try {
    const asked = origin.request(request).catch(() => undefined)
    const response = await within(clock, ORIGIN_MS, asked)
    if (response?.status !== 200) return { isAnswer: false }
    const of = (name: string) => fieldValue(response.fields, name)
    return { isAnswer: true, etag: of('etag'), modified: of('last-modified'), length: of('content-length') }
  } finally {
    ending.abort(NO_LONGER_NEEDED)
  }
}

const CONDITIONS = /^(range|if-.*)$/i

/** What comes of it in so many ms; `undefined` when it takes longer. */
async function within<Value>(clock: Clock, ms: number, work: Promise<Value>): Promise<Value | undefined> {
  const ending = new AbortController()
  try {
    return await Promise.race([work, sleep(clock, ms, ending.signal).then(() => undefined)])
  } finally {
    ending.abort(NO_LONGER_NEEDED)
  }
}

/** What a member tells about this URI, unverified. */
export async function fetchLines(
  place: string,
  uri: TargetUri,
  { site }: Pick<AttestedComponents, 'site'>,
): Promise<readonly string[]> {
  const text = await site.fetch(`http://${place}${ATTESTATIONS_PATH}${site.names.privateNameOf(uri)}`)
  return text?.split('\n').slice(0, MAX_LINES) ?? []
}

/** So that this node can pass the proof on with the copy; what no member has said would only take its place. */
function keep(
  lines: readonly string[],
  chosen: Attestation,
  uri: TargetUri,
  components: AttestedComponents,
): void {
  for (const line of lines) {
    const key = lineKey(line)
    const isOfIt = key?.startsWith(chosen.body) === true && believed([line], uri, components).length > 0
    if (isOfIt) components.book.add(uri, key, line)
  }
}
