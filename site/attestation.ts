/**
 * V4: a member that fetched a response from the origin server signs what it got: for which URL, which bytes, with which
 * validators, when, and until when it was fresh.
 *
 * Stops whoever is no member from vouching for anything, and members' words from being used for another URL, another site, other
 * bytes, from the future, or after the member was revoked. It does not stop a member that lies: that is what a quorum is for.
 */
import { createHash } from 'node:crypto'
import type { EpochMs } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import { ED25519, memberIdOf, type MemberId } from './keys.ts'
import type { Membership } from './membership.ts'
import { CLOCK_SKEW_MS } from './pass.ts'
import { claimOf, makeStatement, readStatement } from './statement.ts'

/** What a member vouches for. */
export interface Vouched {
  readonly uri: string
  readonly body: Sha256
  /** Bytes of the body. */
  readonly length: number
  readonly etag: string | undefined
  readonly modified: string | undefined
  readonly fetchedAt: EpochMs
  readonly freshUntil: EpochMs
}

export interface Attestation extends Omit<Vouched, 'uri'> {
  readonly member: MemberId
}

export type ReadAttestation =
  | { readonly kind: 'attestation'; readonly attestation: Attestation }
  | { readonly kind: 'refused'; readonly reason: string }

/** One line: the statement, a space, the signer's pass. */
export function attest({ uri, ...vouched }: Vouched, own: Membership): string {
  const { body, length, etag, modified } = vouched
  const [at, until] = [Math.round(vouched.fetchedAt), Math.round(vouched.freshUntil)]
  const content = {
    site: own.site,
    url: urlDigest(uri),
    body,
    length,
    etag,
    modified,
    coding: 'identity',
    at,
    until,
  }
  return `${makeStatement('attestation', content, ED25519, own.key.key)} ${own.pass.text}`
}

/** What a line says of this URI, as far as this member may believe it at this moment. */
export function readAttestation(line: string, uri: string, own: Membership, now: EpochMs): ReadAttestation {
  const [text = '', passText = ''] = line.split(' ')
  const pass = own.learn(passText)
  if (pass === undefined) return refused('not by a member in good standing')
  const said = readStatement('attestation', text, ED25519, pass.publicKey)
  if (said === undefined) return refused('a wrong signature')
  if (said['site'] !== own.site) return refused('of another site')
  if (said['url'] !== urlDigest(uri)) return refused('for another URL')
  if (said['coding'] !== 'identity') return refused('with a content coding')
  const { body, length, etag, modified, at, until } = said
  if (typeof body !== 'string' || !/^[\da-f]{64}$/.test(body)) return refused('malformed')
  if (!isTime(length) || !isTime(at) || !isTime(until)) return refused('malformed')
  if (at > now + CLOCK_SKEW_MS) return refused('from the future')
  return {
    kind: 'attestation',
    attestation: {
      member: pass.member,
      body: body as Sha256,
      length,
      etag: typeof etag === 'string' ? etag : undefined,
      modified: typeof modified === 'string' ? modified : undefined,
      fetchedAt: at as EpochMs,
      freshUntil: until as EpochMs,
    },
  }
}

/** The body that a line is about and its signer's ID, unverified: to keep lines apart. */
export function lineKey(line: string): string | undefined {
  const [text = '', pass = ''] = line.split(' ')
  const [said, holder] = [claimOf(text), claimOf(pass)]
  const key = holder?.['key']
  return typeof key === 'string' ? `${String(said?.['body'])} ${memberIdOf(key)}` : undefined
}

/** Under which a URL stands in what members sign. */
export function urlDigest(uri: string): string {
  return createHash('sha256').update(uri).digest('hex')
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function refused(reason: string): ReadAttestation {
  return { kind: 'refused', reason }
}
