/**
 * The rung of the file's own signature (R8.2, R8.3): which means there is for a file, and what comes of it. Whose signatures
 * count, the configuration says; without it there is no such rung.
 */
import type { Clock } from '../../core/clock.ts'
import type { Policy } from '../../core/policy.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Candidate, Expectation, OriginQuestion, Verdict } from '../../core/verifier.ts'
import { Refusal, type SignatureRefusal } from '../../signing/refusal.ts'
import { noDetachedSignatures, type DetachedSignatures } from './asked-signatures.ts'
import { noSigners, type Signers } from './signers.ts'

export interface SignaturesComponents {
  readonly clock: Clock
  readonly signers?: Signers
  readonly detached?: DetachedSignatures
}

/** Endings of files that may carry a signature; others are not asked for on this ground. */
const KINDS = /\.(?:cab|exe|dll|sys|ocx|cpl|scr|efi|mui)$/i

/** How a file could be proved by a signature. */
export type SignatureMeans =
  | 'none'
  /** It carries one, or is not believed. */
  | 'embedded'
  /** The origin server may have one beside it. */
  | 'unasked'

/** What signatures proved and did not prove since the start. */
export interface SignatureCounts {
  readonly verified: number
  readonly refused: Readonly<Partial<Record<SignatureRefusal, number>>>
}

type Signature = Extract<Expectation, { kind: 'signature' }>

export interface Signatures {
  means(uri: TargetUri, policy: Policy): SignatureMeans
  /** The detached signature that the origin server has now. */
  ask(question: OriginQuestion): Promise<Uint8Array | undefined>
  /** @throws Fault STORE_FAILED when the candidate cannot be read */
  verify(expected: Signature, candidate: Candidate): Promise<Verdict>
  counts(): SignatureCounts
}

export function signatures(components: SignaturesComponents): Signatures {
  const { clock, signers = noSigners, detached = noDetachedSignatures } = components
  const refused: Partial<Record<SignatureRefusal, number>> = {}
  let verified = 0

  const check = async ({ uri, policy, detached: beside }: Signature, candidate: Candidate) => {
    const trust = signers.trustFor(policy)
    if (trust === undefined) throw new Refusal('wrong-signer', 'nobody’s signature counts here any more')
    // Loaded when the first signature is to be judged: most nodes judge none.
    if (beside === undefined) {
      const { checkEmbedded } = await import('./embedded.ts')
      await checkEmbedded(candidate, uri, trust, clock.wall())
    } else {
      const { checkDetached } = await import('./detached.ts')
      await checkDetached(candidate, beside, trust, clock.wall())
    }
  }

  return {
    means(uri, policy) {
      if (signers.trustFor(policy) === undefined) return 'none'
      const { signature = 'embedded' } = policy
      if (signature === 'embedded') return KINDS.test(new URL(uri).pathname) ? 'embedded' : 'none'
      return detached.mayAsk(uri) ? 'unasked' : 'none'
    },
    ask: (question) => detached.ask(question),
    async verify(expected, candidate) {
      try {
        await check(expected, candidate)
        verified++
        return { kind: 'verified', rung: 'signature' }
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        const { reason, message } = error
        refused[reason] = (refused[reason] ?? 0) + 1
        return { kind: 'refused', reason: `signature ${reason}: ${message}` }
      }
    },
    counts: () => ({ verified, refused: { ...refused } }),
  }
}
