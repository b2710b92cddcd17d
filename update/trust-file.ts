/** What an updater trusts: certificates, revocation lists, and the keys of the first root, from PEM files. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { readPemCertificates } from '../signing/certificate.ts'
import type { Trust } from '../signing/chain.ts'
import { pemBlocks, toPem } from '../signing/pem.ts'
import { readRevocationList } from '../signing/revocation.ts'
import { Refused } from './refused.ts'
import { tufKey } from './tuf/metadata.ts'

export interface PublisherTrust extends Trust {
  /** Public Ed25519 keys in hexadecimal, one of which signed the publisher's first root; none: not known. */
  readonly rootKeys: readonly string[]
}

/**
 * @param pem certificates, and the public keys of the first root
 * @param revocations lists in PEM or DER
 * @throws Refused, Refusal malformed
 */
export function readTrust(pem: string, revocations: readonly Buffer[] = []): PublisherTrust {
  const certificates = readPemCertificates(pem)
  if (certificates.length === 0) throw new Refused('malformed', 'expected a certificate in PEM, found none')
  const keys = pemBlocks(pem, 'PUBLIC KEY').map((der) =>
    createPublicKey({ key: der, format: 'der', type: 'spki' }),
  )
  return {
    certificates,
    revocations: revocations.map((each) => readRevocationList(each)),
    rootKeys: keys
      .filter((key) => key.asymmetricKeyType === 'ed25519')
      .map((key) => tufKey(key).keyval.public),
  }
}

/** The block that pins the root's key. */
export function rootKeyPem(key: KeyObject): string {
  return toPem('PUBLIC KEY', createPublicKey(key).export({ format: 'der', type: 'spki' }))
}
