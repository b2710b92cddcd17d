/** From a signer's certificate to one that is trusted, at the time that counts (RFC 5280 6, in small). */
import { checkKey } from './algorithms.ts'
import { isIssuedBy, type Certificate } from './certificate.ts'
import { OID } from './oids.ts'
import { demand, Refusal } from './refusal.ts'
import { checkRevocation, type RevocationList } from './revocation.ts'

export interface Trust {
  /** What is believed without another proof: authorities, or signers' own certificates. */
  readonly certificates: readonly Certificate[]
  readonly revocations: readonly RevocationList[]
}

export type Purpose = 'codeSigning' | 'timeStamping'

export interface ChainQuestion {
  readonly purpose: Purpose
  /** The time of signing where it is proved, else now; milliseconds since 1970. */
  readonly at: number
  /** Whether `at` is proved: then a later revocation does not count. */
  readonly isProved: boolean
  /** For the age of revocation lists; milliseconds since 1970. */
  readonly now: number
}

const MAX_LENGTH = 6

/**
 * The certificates from `signer` up to a trusted one, both included.
 * @param others certificates that came with the signature
 * @throws Refusal wrong-signer where no path leads to a trusted one, and whatever is wrong with the path.
 */
export function chainOf(
  signer: Certificate,
  others: readonly Certificate[],
  trust: Trust,
  question: ChainQuestion,
): readonly Certificate[] {
  const path = pathFrom([signer], others, trust.certificates)
  if (path === undefined)
    throw new Refusal('wrong-signer', `signed by "${signer.name}", to whom no trusted certificate leads`)
  checkSuitability(signer, question.purpose)
  for (const [above, certificate] of path.entries()) {
    checkKey(certificate.key)
    checkValidity(certificate, question)
    if (above > 0) checkAuthority(certificate, above)
    const issuer = path[above + 1]
    if (issuer) checkRevocation(certificate, issuer, trust.revocations, question)
  }
  return path
}

function pathFrom(
  path: readonly Certificate[],
  others: readonly Certificate[],
  trusted: readonly Certificate[],
): readonly Certificate[] | undefined {
  const last = path.at(-1)
  if (last === undefined || path.length > MAX_LENGTH) return undefined
  if (trusted.some(({ fingerprint }) => fingerprint === last.fingerprint)) return path
  const top = trusted.find((each) => isIssuedBy(last, each))
  if (top) return [...path, top]
  for (const next of others) {
    if (path.includes(next) || !isIssuedBy(last, next)) continue
    const found = pathFrom([...path, next], others, trusted)
    if (found) return found
  }
  return undefined
}

function checkSuitability({ name, keyUsage, extendedKeyUsage }: Certificate, purpose: Purpose): void {
  const mayPurpose = extendedKeyUsage?.has(OID[purpose]) ?? purpose === 'codeSigning'
  demand(mayPurpose, 'certificate-unsuitable', `the certificate of "${name}" is not for ${WORDS[purpose]}`)
  const maySign =
    keyUsage === undefined || keyUsage.has('digitalSignature') || keyUsage.has('contentCommitment')
  demand(maySign, 'certificate-unsuitable', `the certificate of "${name}" is not for signatures`)
}

const WORDS: Readonly<Record<Purpose, string>> = {
  codeSigning: 'signing code',
  timeStamping: 'signing times',
}

/** @param above how many certificates are below it */
function checkAuthority({ name, isAuthority, keyUsage, pathLength }: Certificate, above: number): void {
  const mayIssue = isAuthority && (keyUsage === undefined || keyUsage.has('keyCertSign'))
  demand(mayIssue, 'certificate-unsuitable', `the certificate of "${name}" may not issue others`)
  const isWithin = pathLength === undefined || above - 1 <= pathLength
  demand(isWithin, 'certificate-unsuitable', `the certificate of "${name}" allows no such long chain`)
}

function checkValidity({ name, notBefore, notAfter }: Certificate, { at }: ChainQuestion): void {
  if (at > notAfter)
    throw new Refusal('certificate-expired', `the certificate of "${name}" was valid until ${when(notAfter)}`)
  if (at < notBefore)
    throw new Refusal(
      'certificate-not-yet-valid',
      `the certificate of "${name}" is valid from ${when(notBefore)}`,
    )
}

function when(time: number): string {
  return new Date(time).toISOString()
}
