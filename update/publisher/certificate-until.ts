/** For how long a signature is believed, as far as certificates decide it. */
import { Fault } from '../../core/fault.ts'
import { chainOf, type Trust } from '../../signing/chain.ts'
import { Refusal } from '../../signing/refusal.ts'
import type { SigningIdentity } from '../../signing/sign.ts'
import type { Signer } from './key-folder.ts'

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

/** The same of a certificate in use, with what is to be done when it cannot be used any more. @throws Fault BAD_REQUEST, Refusal */
export function usableUntil(
  signer: Signer,
  identity: Pick<SigningIdentity, 'certificate' | 'chain'>,
  trust: Trust,
  at: number,
): number {
  try {
    return certificateUntil(identity, trust, at)
  } catch (error) {
    if (!(error instanceof Refusal) || error.reason !== 'certificate-expired') throw error
    const renewal = `"ihave publish rotate --key ${signer}" puts another in its place`
    throw new Fault('BAD_REQUEST', `${error.message}; ${renewal}`, { cause: error })
  }
}
