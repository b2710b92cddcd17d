/** Publishers for tests: an authority and a signer below it, by RSA or P-256. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { issueCertificate } from '../../signing/issue.ts'
import type { Certificate } from '../../signing/certificate.ts'
import type { Trust } from '../../signing/chain.ts'
import type { SigningIdentity } from '../../signing/sign.ts'

export type KeyKind = 'rsa' | 'p256'

export const NOW = Date.UTC(2026, 0, 13, 15, 11)
export const DAY = 86_400_000

export interface Publisher {
  readonly authority: { readonly key: KeyObject; readonly certificate: Certificate }
  readonly identity: SigningIdentity
  readonly trust: Trust
}

const keys = new Map<string, KeyObject>()

/** The same key each time within one process: RSA keys take long to make. */
export function keyOf(kind: KeyKind, name: string): KeyObject {
  const known = keys.get(`${kind} ${name}`)
  if (known) return known
  const { privateKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  keys.set(`${kind} ${name}`, privateKey)
  return privateKey
}

export function publisher(
  kind: KeyKind,
  name = 'Example Software',
  valid = { notBefore: NOW - DAY, notAfter: NOW + 365 * DAY },
  role: 'codeSigning' | 'timeStamping' = 'codeSigning',
): Publisher {
  const authorityKey = keyOf(kind, `${name} authority`)
  const certificate = issueCertificate({
    name: `${name} authority`,
    key: authorityKey,
    notBefore: NOW - 1000 * DAY,
    notAfter: NOW + 3650 * DAY,
    role: 'authority',
  })
  const authority = { key: authorityKey, certificate }
  const key = keyOf(kind, name)
  const leaf = issueCertificate({ name, key, role, ...valid }, authority)
  return {
    authority,
    identity: { key, certificate: leaf, chain: [] },
    trust: { certificates: [certificate], revocations: [] },
  }
}
