/**
 * The ladder of V§1, as far as it needs no request: the strongest proof first, and without any proof nothing from
 * peers. (R8.1)
 */
import type { Clock } from '../core/clock.ts'
import type { Digest, Sha256 } from '../core/digest.ts'
import type { Policy } from '../core/policy.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Candidate, Expectation, Verdict, Verifier } from '../core/verifier.ts'
import { aptLists, type AptListsEvent } from './apt-lists.ts'
import { apt } from './apt.ts'
import { digestInUrl } from './digest-in-url.ts'
import { machineFiles, type ListsFiles } from './lists-files.ts'
import { runOnMachine, type Run } from './run.ts'
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
  /** A body that proved wrong elsewhere is not delivered where nothing proves it right (V§4). */
  readonly isBadBody?: (body: Sha256) => boolean
  readonly run?: Run
  readonly files?: ListsFiles
}

const MAX_WAIT_MS = 3_000
const MAX_DIGESTS = 500_000

const NO_PROOF: Expectation = { kind: 'none', rung: 'V6' }

/** V1, then V2, then V5 where the rule says that the application verifies for itself, else nothing from peers. */
export function verifierLadder(settings: VerifierSettings, components: VerifierComponents): Verifier {
  const index = trustedIndex(settings, components)
  const isBadBody = components.isBadBody ?? (() => false)
  return {
    start: () => index.start(),
    stop: () => index.stop(),
    expect: (uri, policy) => expectation(index, uri, policy),
    verify: (expected, candidate) => verdict(expected, candidate, isBadBody),
  }
}

function trustedIndex(settings: VerifierSettings, components: VerifierComponents): TrustedIndex {
  if (settings.apt === 'off') return noIndex
  const { clock, log = () => {}, run = runOnMachine, files = machineFiles } = components
  const { maxWaitMs = MAX_WAIT_MS, maxDigests = MAX_DIGESTS } = settings
  const configFile = settings.apt === 'auto' ? undefined : settings.apt
  return aptLists({ maxWaitMs, maxDigests }, { clock, log, files, apt: apt(run, configFile) })
}

async function expectation(index: TrustedIndex, uri: TargetUri, policy: Policy): Promise<Expectation> {
  const named = digestInUrl(uri)
  if (named) return { kind: 'digest', rung: 'V1', digest: named }
  const listed = await index.find(uri)
  if (listed) {
    const digest: Digest = { algorithm: 'sha-256', hex: listed.hex }
    return { kind: 'digest', rung: 'V2', digest, size: listed.size }
  }
  switch (policy.verify) {
    case 'updater':
      return { kind: 'updater', rung: 'V5' }
    // `strict` differs from `auto` once weaker digests (V3) are among the proofs; every digest so far is strong.
    case 'auto':
    case 'strict':
      return NO_PROOF
  }
}

/** @throws Fault STORE_FAILED when the candidate cannot be read: this node's fault, so no verdict on the peer. */
async function verdict(
  expected: Expectation,
  candidate: Candidate,
  isBadBody: (body: Sha256) => boolean,
): Promise<Verdict> {
  switch (expected.kind) {
    case 'digest':
      return digestVerdict(expected, candidate)
    case 'updater':
      return isBadBody(candidate.sha256)
        ? refused(`the body ${candidate.sha256} proved wrong before`)
        : { kind: 'verified', rung: 'V5' }
    // Known by now, or by nobody (site/attested.ts).
    case 'attestable':
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
