/**
 * V4 for copies that still grow: a member that is fetching a response from the origin server promises, signed, to vouch for what
 * it gets, and says which version that is.
 *
 * A promise proves nothing: it says that waiting for the proof is worth while. Stops a stranger, who can never prove it, from
 * drawing members to its copy; and the joining of two versions.
 */
import type { EpochMs } from '../core/clock.ts'
import { urlDigest, type Vouched } from './attestation.ts'
import { ED25519, type MemberId } from './keys.ts'
import type { Membership } from './membership.ts'
import { CLOCK_SKEW_MS } from './pass.ts'
import { makeStatement, readStatement } from './statement.ts'

/** What a member is fetching. */
export type Promised = Pick<Vouched, 'uri' | 'length' | 'etag' | 'modified' | 'freshUntil'>

export interface MemberPromise extends Omit<Promised, 'uri'> {
  readonly member: MemberId
}

/** One line: what tells it from an attestation, the statement, a space, the signer's pass. */
export function promise({ uri, freshUntil, ...promised }: Promised, own: Membership, now: EpochMs): string {
  const times = { at: Math.round(now), until: Math.round(freshUntil) }
  const content = { site: own.site, url: urlDigest(uri), ...promised, ...times }
  return `${MARK}${makeStatement('promise', content, ED25519, own.key.key)} ${own.pass.text}`
}

const MARK = 'promise:'

/** What a line promises of this URI; `undefined` when it is none that this member may believe at this moment. */
export function readPromise(
  line: string,
  uri: string,
  own: Membership,
  now: EpochMs,
): MemberPromise | undefined {
  if (!line.startsWith(MARK)) return undefined
  const [text = '', passText = ''] = line.slice(MARK.length).split(' ')
  const pass = own.learn(passText)
  const said = pass && readStatement('promise', text, ED25519, pass.publicKey)
  if (pass === undefined || said?.['site'] !== own.site || said['url'] !== urlDigest(uri)) return undefined
  const { length, etag, modified, at, until } = said
  if (typeof at !== 'number' || Math.abs(at - now) > CLOCK_SKEW_MS) return undefined
  if (!Number.isSafeInteger(length) || Number(length) < 0) return undefined
  return {
    member: pass.member,
    length: Number(length),
    etag: typeof etag === 'string' ? etag : undefined,
    modified: typeof modified === 'string' ? modified : undefined,
    // Members that run an older program do not say it.
    freshUntil: (typeof until === 'number' ? until : 0) as EpochMs,
  }
}
