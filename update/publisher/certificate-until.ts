/** For how long a signature is believed, as far as certificates decide it. */
import { chainOf, type Trust } from '../../signing/chain.ts'
import type { SigningIdentity } from '../../signing/sign.ts'

/**
 * When the first certificate expires of those from the signer to the one that is trusted.
 * @param at milliseconds since 1970, as what is returned. @throws Refusal where nothing leads there, or it is not valid now
 */
export function certificateUntil(
  { certificate, chain }: Pick<SigningIdentity, 'certificate' | 'chain'>,
  trust: Trust,
  at: number,
): number {
  const question = { purpose: 'codeSigning', at, isProved: false, now: at } as const
  return Math.min(...chainOf(certificate, chain, trust, question).map(({ notAfter }) => notAfter))
}
