/** What the machines of a simulation know about the origin server's files before any peer is asked. */
import type { Clock } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Expectation, Verifier } from '../core/verifier.ts'
import { verifierLadder } from '../verify/ladder.ts'
import type { ShunnedPeers } from '../verify/shunned-peers.ts'

/** `digest`: a trusted index lists every file (V2). `updater`: applications verify (V5). `none`: nothing is known (V6). */
export type Proof = 'digest' | 'updater' | 'none'

/** An index that the machine trusts, such as apt's. */
export type TrustedTable = (uri: TargetUri) => { readonly sha256: Sha256; readonly size: number } | undefined

/** The product's own verdicts on expectations that come from the table. */
export function tableVerifier(
  proof: Proof,
  table: TrustedTable,
  clock: Clock,
  shunned: ShunnedPeers,
): Verifier {
  const isBadBody = (body: Sha256) => shunned.isBadBody(body)
  const ladder = verifierLadder({ apt: 'off' }, { clock, isBadBody })
  return { ...ladder, expect: async (uri) => expectation(proof, table(uri)) }
}

function expectation(proof: Proof, listed: ReturnType<TrustedTable>): Expectation {
  switch (proof) {
    case 'digest': {
      if (listed === undefined) return { kind: 'none', rung: 'V6' }
      const digest = { algorithm: 'sha-256', hex: listed.sha256 } as const
      return { kind: 'digest', rung: 'V2', digest, size: listed.size, isSigned: true }
    }
    case 'updater':
      return { kind: 'updater', rung: 'V5' }
    case 'none':
      return { kind: 'none', rung: 'V6' }
  }
}
