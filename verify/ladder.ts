/**
 * The ladder of V§1: what is known of a resource is gathered from its rungs, and the decision table says what follows. Each
 * rung is a module that says which attack it stops: digest-in-url.ts (V1), apt-lists.ts and gathered-indexes.ts (V2),
 * published-digest.ts (V3), signature/ (the publisher's own, R8.2), site/attested.ts (V4, put below these by whoever starts the
 * node), retry-watch.ts (V5). Without any proof nothing comes from peers (R8.1).
 */
import type { Clock } from '../core/clock.ts'
import { decisionFor, type Facts } from '../core/decision-table.ts'
import { isWeak, type Digest, type Sha256 } from '../core/digest.ts'
import type { Policy } from '../core/policy.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Candidate, Expectation, OriginQuestion, Verdict, Verifier } from '../core/verifier.ts'
import { aptLists, type AptListsEvent } from './apt-lists.ts'
import { apt } from './apt.ts'
import { digestInUrl } from './digest-in-url.ts'
import type { Claim } from './digest-rows.ts'
import type { ListedDigest } from './digest-table.ts'
import { nothingGathered, type GatheredIndexes } from './gathered-indexes.ts'
import { machineFiles, type ListsFiles } from './lists-files.ts'
import {
  noOriginDigests,
  type OriginDigests,
  type Published,
  type PublishedDigest,
} from './origin-digests.ts'
import { runOnMachine, type Run } from './run.ts'
import { signatures, type SignatureMeans, type Signatures } from './signature/signatures.ts'
import { noIndex, type TrustedIndex } from './trusted-index.ts'

export interface VerifierSettings {
  /** The machine's own apt, none, or the path of an apt.conf that says where the lists are. */
  readonly apt: 'auto' | 'off' | (string & {})
  /** How long a request may wait for apt's lists while they are being read. */
  readonly maxWaitMs?: number
  /** Digests of apt's lists that are kept, about 200 bytes of memory each. */
  readonly maxDigests?: number
}

export interface VerifierComponents {
  readonly clock: Clock
  readonly log?: (event: AptListsEvent) => void
  /** Digests from metadata that passed through (V2). Started and stopped by whoever made it. */
  readonly gathered?: GatheredIndexes
  /** Digests that origin servers publish (V3). */
  readonly origins?: OriginDigests
  /** Publishers' signatures in files and beside them. */
  readonly signatures?: Signatures
  /** A body that proved wrong elsewhere is not delivered where nothing proves it right (V§4). */
  readonly isBadBody?: (body: Sha256) => boolean
  readonly run?: Run
  readonly files?: ListsFiles
}

const MAX_WAIT_MS = 3_000
const MAX_DIGESTS = 500_000

const NO_PROOF: Expectation = { kind: 'none', rung: 'V6' }

/** The rungs that need something to stand on. */
interface Rungs {
  readonly signed: TrustedIndex
  readonly gathered: GatheredIndexes
  readonly origins: OriginDigests
  readonly signatures: Signatures
}

/** What is known of a resource, besides a digest that is at hand. */
interface Knowledge {
  readonly uri: TargetUri
  readonly policy: Policy
  readonly published: Published | undefined
  readonly signed: SignatureMeans | Uint8Array
}

/** A digest that is at hand, and whether its name always means the same bytes. */
interface AtHand {
  readonly rung: 'V1' | 'V2'
  readonly digest: Digest
  readonly size?: number
  readonly isImmutable: boolean
  /** Whether it is in a signed list: then every machine is told the same. */
  readonly isSigned?: true
}

export function verifierLadder(settings: VerifierSettings, components: VerifierComponents): Verifier {
  const { origins = noOriginDigests, isBadBody = () => false } = components
  const indexes = {
    signed: trustedIndex(settings, components),
    gathered: components.gathered ?? nothingGathered,
  }
  const rungs: Rungs = { ...indexes, origins, signatures: components.signatures ?? signatures(components) }
  return {
    start: () => rungs.signed.start(),
    stop: () => rungs.signed.stop(),
    expect: async (uri, policy) =>
      expectation(await atHand(rungs, uri, policy), {
        uri,
        policy,
        published: publishedSoFar(rungs, uri),
        signed: rungs.signatures.means(uri, policy),
      }),
    ask: (question) => askOrigin(rungs, question),
    knownDigest(uri, policy) {
      const known = atOnce(rungs, uri, policy)
      return known?.isImmutable === true ? known.digest : undefined
    },
    bodyWith: (digest) => rungs.gathered.bodyWith(digest),
    verify: (expected, candidate) => verdict(expected, candidate, rungs, isBadBody),
  }
}

function trustedIndex(settings: VerifierSettings, components: VerifierComponents): TrustedIndex {
  if (settings.apt === 'off') return noIndex
  const { clock, log = () => {}, run = runOnMachine, files = machineFiles } = components
  const { maxWaitMs = MAX_WAIT_MS, maxDigests = MAX_DIGESTS } = settings
  const configFile = settings.apt === 'auto' ? undefined : settings.apt
  return aptLists({ maxWaitMs, maxDigests }, { clock, log, files, apt: apt(run, configFile) })
}

/** V1, then signed lists, then what passed through; waits for lists and indexes that are being read. */
async function atHand(rungs: Rungs, uri: TargetUri, policy: Policy): Promise<AtHand | undefined> {
  const named = digestInUrl(uri)
  if (named !== undefined) return { rung: 'V1', digest: named, isImmutable: true }
  const listed = await rungs.signed.find(uri)
  return listed === undefined ? gathered(await rungs.gathered.find(uri), policy) : inSignedList(listed)
}

/** The same, without waiting. */
function atOnce(rungs: Rungs, uri: TargetUri, policy: Policy): AtHand | undefined {
  const named = digestInUrl(uri)
  if (named !== undefined) return { rung: 'V1', digest: named, isImmutable: true }
  const listed = rungs.signed.known(uri)
  return listed === undefined ? gathered(rungs.gathered.known(uri), policy) : inSignedList(listed)
}

/** What passed through says what the name meant when it came. */
function gathered(claim: Claim | undefined, { immutable: isImmutable }: Policy): AtHand | undefined {
  return claim && { ...claim, rung: 'V2', isImmutable }
}

/** Archives refuse a second upload of a version, whatever the rule says about the name. */
function inSignedList({ hex, size }: ListedDigest): AtHand {
  return { rung: 'V2', digest: { algorithm: 'sha-256', hex }, size, isImmutable: true, isSigned: true }
}

function publishedSoFar({ origins }: Rungs, uri: TargetUri): Published | undefined {
  return origins.known(uri) ?? (origins.mayAsk(uri) ? undefined : 'none')
}

/** For a digest and for a signature at the same time, as far as either may be had. */
async function askOrigin(rungs: Rungs, question: OriginQuestion): Promise<Expectation> {
  const { uri, policy } = question
  const means = rungs.signatures.means(uri, policy)
  const [published, beside] = await Promise.all([
    // A server that publishes no digests is left alone with that, and may have a signature all the same.
    (means === 'unasked' ? publishedSoFar(rungs, uri) : undefined) ?? rungs.origins.ask(question),
    means === 'unasked' ? rungs.signatures.ask(question) : undefined,
  ])
  const signed = beside ?? (means === 'unasked' ? 'none' : means)
  // An index may have come meanwhile.
  return expectation(atOnce(rungs, uri, policy), { uri, policy, published, signed })
}

function expectation(known: AtHand | undefined, knowledge: Knowledge): Expectation {
  const { uri, policy, published, signed } = knowledge
  switch (decisionFor(factsOf(known, knowledge)).action) {
    case 'verify':
      return known === undefined ? NO_PROOF : expectedAtHand(known)
    case 'verify-published':
      return typeof published === 'object' ? expectedAsPublished(published) : NO_PROOF
    case 'verify-signature': {
      const bySigner = { kind: 'signature', rung: 'signature', uri, policy } as const
      return typeof signed === 'object' ? { ...bySigner, detached: signed } : bySigner
    }
    case 'ask-origin':
      return { kind: 'askable', rung: 'V3' }
    case 'deliver-and-watch':
      return { kind: 'updater', rung: 'V5' }
    // What members attest is known once a peer has the file, and decided then by the same table (site/attested.ts).
    case 'verify-attested':
    case 'internet-only':
      return NO_PROOF
  }
}

function expectedAsPublished({ size, ...digest }: PublishedDigest): Expectation {
  return { kind: 'digest', rung: 'V3', digest, ...(size === undefined ? {} : { size }) }
}

function factsOf(known: AtHand | undefined, { policy, published, signed }: Knowledge): Facts {
  return {
    isImmutable: known?.isImmutable ?? policy.immutable,
    hasDigest: known !== undefined,
    published: strengthOf(published),
    signed: typeof signed === 'object' ? 'beside' : signed,
    attested: 'nothing',
    isStorable: policy.store,
    verify: policy.verify,
  }
}

function strengthOf(published: Published | undefined): Facts['published'] {
  if (published === undefined) return 'unasked'
  if (published === 'none') return 'none'
  return isWeak(published.algorithm) ? 'weak' : 'strong'
}

function expectedAtHand({ rung, digest, size, isSigned }: AtHand): Expectation {
  return {
    kind: 'digest',
    rung,
    digest,
    ...(size !== undefined && { size }),
    ...(isSigned === true && { isSigned }),
  }
}

/** @throws Fault STORE_FAILED when the candidate cannot be read: this node's fault, so no verdict on the peer. */
async function verdict(
  expected: Expectation,
  candidate: Candidate,
  rungs: Rungs,
  isBadBody: (body: Sha256) => boolean,
): Promise<Verdict> {
  switch (expected.kind) {
    case 'digest':
      return digestVerdict(expected, candidate)
    case 'signature':
      return rungs.signatures.verify(expected, candidate)
    case 'updater':
      return isBadBody(candidate.sha256)
        ? refused(`the body ${candidate.sha256} proved wrong before`)
        : { kind: 'verified', rung: 'V5' }
    case 'askable':
    // Known by now, or by nobody (site/attested.ts).
    case 'attestable':
    case 'promised':
    case 'none':
      return refused('nothing here proves what the body should be')
  }
}

async function digestVerdict(
  { digest, rung, size }: Extract<Expectation, { kind: 'digest' }>,
  candidate: Candidate,
): Promise<Verdict> {
  if (size !== undefined && candidate.size !== size) {
    return refused(`expected ${size} bytes, got ${candidate.size}`)
  }
  const { algorithm, hex } = digest
  const actual = algorithm === 'sha-256' ? candidate.sha256 : await candidate.digest(algorithm)
  return actual === hex ? { kind: 'verified', rung } : refused(`expected ${algorithm} ${hex}, got ${actual}`)
}

function refused(reason: string): Verdict {
  return { kind: 'refused', reason }
}
