/** What an updater trusts: certificates, revocation lists, and the keys of the first root, from PEM files. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe } from '../core/fault.ts'
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

/** @throws Refused malformed, which names the file; Error of the file system */
export function readTrustFiles(trust: string, crl: string | undefined): PublisherTrust {
  const text = readFileSync(trust, 'utf8')
  const files = crl === undefined ? trust : `${trust} with ${crl}`
  try {
    return readTrust(text, crl === undefined ? [] : [readFileSync(crl)])
  } catch (error) {
    throw new Refused('malformed', `${files}: ${describe(error)}`, { cause: error })
  }
}

/** The block that pins the root's key. */
export function rootKeyPem(key: KeyObject): string {
  return toPem('PUBLIC KEY', createPublicKey(key).export({ format: 'der', type: 'spki' }))
}
