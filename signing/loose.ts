/**
 * What lies in a signature and is covered by nothing: somebody on the way could have put it there, and the signature would still
 * be right. A file whose every byte is to be proved by its signature alone must have none of it.
 */
import type { Certificate } from './certificate.ts'
import type { SignedData, SignerInfo } from './cms.ts'

/**
 * @param used certificates that lead from a signer to a trusted one
 * @param checked object identifiers of unsigned attributes that were verified by themselves
 * @returns what it is, for people; empty where every byte is accounted for
 */
export function looseIn(
  { certificates, hasOthers }: Pick<SignedData, 'certificates' | 'hasOthers'>,
  { unsignedAttributes }: Pick<SignerInfo, 'unsignedAttributes'>,
  used: readonly Certificate[],
  checked: readonly string[],
): readonly string[] {
  // Some tools add an authority that is known, or a certificate twice: nothing can be written into those.
  const known = new Set(used.map(({ fingerprint }) => fingerprint))
  return [
    ...certificates.flatMap((each) =>
      known.has(each.fingerprint) ? [] : [`a certificate of "${each.name}"`],
    ),
    ...looseAttributes(unsignedAttributes, checked),
    ...(hasOthers ? ['lists of revocation'] : []),
  ]
}

/** Unsigned attributes that nobody verified. */
export function looseAttributes(
  { values }: SignerInfo['unsignedAttributes'],
  checked: readonly string[],
): readonly string[] {
  return [...values.keys()].flatMap((oid) => (checked.includes(oid) ? [] : [`an attribute ${oid}`]))
}
