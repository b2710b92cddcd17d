/**
 * The authority of a site: lets machines in by tokens, renews passes, revokes members. Whoever has its record is the authority;
 * there may be a second one, restored from a backup, for the day on which the first is lost (docs/site.md).
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock, EpochMs } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { isMemberId, makeDenyList, MAX_DENIED, type DenyList } from './deny-list.ts'
import {
  fingerprintOf,
  memberIdOf,
  newAuthorityKey,
  privateText,
  readAuthorityKey,
  readMemberPublic,
  siteIdOf,
  type MemberId,
  type OwnKey,
} from './keys.ts'
import type { SiteSecret } from './membership.ts'
import { makePass, MEMBER_NAME, PASS_MS } from './pass.ts'
import type { Statement } from './statement.ts'
import { newToken, printToken } from './token.ts'

/** The authority's key is good for ten years (V§7). */
export const AUTHORITY_MS = 10 * 365 * 24 * 60 * 60_000

export interface IssuedPass {
  readonly id: MemberId
  readonly name: string
  readonly issued: EpochMs
  readonly until: EpochMs
  readonly isRevoked: boolean
  /** Known by its pass alone: it was let in by another copy of the authority, after the backup was made. */
  readonly isLearnt?: boolean
}

/** What the authority's record keeps of a pass. */
type KnownPass = Pick<IssuedPass, 'name' | 'until'> & { readonly member: MemberId; readonly from: EpochMs }

export interface IssuedToken {
  readonly id: string
  readonly secret: string
  readonly until: EpochMs
  /** Machines that may still come in by it. */
  readonly uses: number
  /** A member was revoked after it was made. It is kept until its time is over, so that whoever tries it is told why. */
  readonly isVoid?: boolean
}

/** A token that lets machines in, as it may be shown: without what would let anybody in. */
export type Invitation = Pick<IssuedToken, 'until' | 'uses'>

/** Why a token lets nobody in. */
export type TokenRefusal = 'unknown' | 'expired' | 'used' | 'void'

/** A member that was thrown out. */
export interface RevokedMember extends IssuedPass {
  /** Open invitations that let nobody in any more. */
  readonly voided: number
}

/** As it rests in its file, and in a backup. */
export interface AuthorityRecord {
  readonly name: string
  readonly key: string
  readonly until: EpochMs
  readonly secret: SiteSecret
  readonly denyNumber: number
  readonly denyList: string | undefined
  readonly members: readonly IssuedPass[]
  readonly tokens: readonly IssuedToken[]
}

/** What a new member is given. */
export interface Admitted {
  readonly pass: Statement
  readonly secret: SiteSecret
}

export class Authority {
  readonly key: OwnKey
  readonly #clock: Clock
  #record: AuthorityRecord

  /** @throws Fault CONFIG_INVALID when the record has no key that can be read. */
  constructor(record: AuthorityRecord, clock: Clock) {
    const key = readAuthorityKey(record.key)
    if (key === undefined)
      throw new Fault(
        'CONFIG_INVALID',
        'the authority’s key cannot be read: expected an undamaged file that "ihave site backup" has written',
      )
    this.key = key
    this.#clock = clock
    this.#record = record
  }

  static create(name: string, clock: Clock): Authority {
    const key = privateText(newAuthorityKey().key)
    const until = (clock.wall() + AUTHORITY_MS) as EpochMs
    const rest = { denyNumber: 0, denyList: undefined, members: [], tokens: [] }
    return new Authority({ name, key, until, secret: newSecret(1), ...rest }, clock)
  }

  get record(): AuthorityRecord {
    return this.#record
  }

  /** Takes over what a member knows that is later than a backup. */
  catchUp(secret: SiteSecret, list: DenyList | undefined): void {
    if (secret.epoch > this.#record.secret.epoch) this.#record = { ...this.#record, secret }
    if (list === undefined || list.number <= this.#record.denyNumber) return
    const denied = new Set(list.denied)
    const members = this.#record.members.map((each) =>
      denied.has(each.id) ? { ...each, isRevoked: true } : each,
    )
    const unknown = list.denied.filter((id) => members.every((each) => each.id !== id))
    const strangers = unknown.map((id) => ({
      id,
      name: 'revoked',
      issued: list.at,
      until: (list.at + PASS_MS) as EpochMs,
      isRevoked: true,
    }))
    this.#record = {
      ...this.#record,
      denyNumber: list.number,
      denyList: list.text,
      members: [...members, ...strangers],
    }
  }

  /** A member of which the record does not tell, by a pass that this authority's key has signed. @returns whether it is news. */
  learn({ member, name, from, until }: KnownPass): boolean {
    if (this.#record.members.some(({ id }) => id === member)) return false
    const learnt: IssuedPass = { id: member, name, issued: from, until, isRevoked: false, isLearnt: true }
    this.#record = { ...this.#record, members: [...this.#record.members, learnt] }
    return true
  }

  /** No token lets anybody in any more: how often one was used since a backup, the backup does not tell. */
  dropTokens(): void {
    this.#record = { ...this.#record, tokens: [] }
  }

  /** A token for so many machines. */
  invite(forMs: number, uses: number): string {
    const now = this.#clock.wall()
    const token = newToken(fingerprintOf(this.key.publicKey), (now + forMs) as EpochMs)
    const open = this.#record.tokens.filter(({ until }) => until > now)
    const { id, secret, until } = token
    this.#record = { ...this.#record, tokens: [...open, { id, secret, until, uses }] }
    return printToken(token)
  }

  /** The tokens that let somebody in now, in the order in which they were made. */
  invitations(): readonly Invitation[] {
    return this.#record.tokens
      .filter(({ id }) => typeof this.token(id) !== 'string')
      .map(({ until, uses }) => ({ until, uses }))
  }

  /** The token with this number, while it lets somebody in; or why it does not. */
  token(id: string): IssuedToken | TokenRefusal {
    const token = this.#record.tokens.find((each) => each.id === id)
    if (token === undefined) return 'unknown'
    if (token.until <= this.#clock.wall()) return 'expired'
    if (token.isVoid === true) return 'void'
    return token.uses > 0 ? token : 'used'
  }

  /** Lets a machine in that has proved the token, which counts it. */
  admit(tokenId: string, key: string, name: string): Admitted | undefined {
    if (typeof this.token(tokenId) === 'string' || !MEMBER_NAME.test(name)) return undefined
    const pass = this.issue(key, name)
    if (pass === undefined) return undefined
    const tokens = this.#record.tokens.map((each) =>
      each.id === tokenId ? { ...each, uses: each.uses - 1 } : each,
    )
    this.#record = { ...this.#record, tokens }
    return { pass, secret: this.#record.secret }
  }

  /** A pass for a year, and never beyond the authority's own time; `undefined` for a revoked member, and for no key. */
  issue(key: string, name: string): Statement | undefined {
    const from = Math.round(this.#clock.wall()) as EpochMs
    const until = Math.min(from + PASS_MS, this.#record.until) as EpochMs
    const id = memberIdOf(key)
    const known = this.#record.members.find((each) => each.id === id)
    if (readMemberPublic(key) === undefined || known?.isRevoked === true || until <= from) return undefined
    const issued: IssuedPass = { id, name, issued: from, until, isRevoked: false }
    this.#record = {
      ...this.#record,
      members: [...this.#record.members.filter((each) => each.id !== id), issued],
    }
    return makePass({ site: siteIdOf(this.key.publicKey), key, name, from, until }, this.key)
  }

  /**
   * Throws a member out: a new deny list, and a new secret for those who stay. No token that is open now lets anybody in any more:
   * the member may have kept the one that it came by, and would come back with another key.
   * @param who its name, or the beginning of its ID; of a member that the record does not know, all of its ID.
   * @throws Fault BAD_REQUEST when no member, or more than one, is called so.
   */
  revoke(who: string): RevokedMember {
    const now = Math.round(this.#clock.wall()) as EpochMs
    const member = this.called(who)
    const { members: known, secret, denyNumber } = this.#record
    const members = known.includes(member) ? known : [...known, member]
    const marked = members.map((each) => (each === member ? { ...each, isRevoked: true } : each))
    const denied = marked.filter(({ isRevoked, until }) => isRevoked && until > now).map(({ id }) => id)
    if (denied.length > MAX_DENIED)
      throw new Fault('BAD_REQUEST', `no more than ${MAX_DENIED} members can be revoked`)
    const number = denyNumber + 1
    const next = newSecret(secret.epoch + 1)
    const site = siteIdOf(this.key.publicKey)
    const denyList = makeDenyList({ site, number, at: now, epoch: next.epoch, denied }, this.key)
    this.#record = { ...this.#record, members: marked, secret: next, denyNumber: number, denyList }
    return { ...member, isRevoked: true, voided: this.#voidTokens(now) }
  }

  /** @returns how many were open. */
  #voidTokens(now: EpochMs): number {
    const { tokens } = this.#record
    const open = tokens.filter(({ until, uses }) => until > now && uses > 0)
    // Without uses, so that an older version, too, takes it for one that lets nobody in.
    const voided = tokens.map((each) => (open.includes(each) ? { ...each, uses: 0, isVoid: true } : each))
    this.#record = { ...this.#record, tokens: voided }
    return open.length
  }

  /** The member that is called so. @throws Fault BAD_REQUEST when there is none, or more than one. */
  called(who: string): IssuedPass {
    const { members } = this.#record
    const all = who === '' ? [] : members.filter(({ id, name }) => name === who || id.startsWith(who))
    const called = all.filter(({ isRevoked }) => !isRevoked)
    const [member] = called
    if (member !== undefined && called.length === 1) return member
    if (called.length === 0 && all.length > 0) throw revokedAlready(all)
    if (isMemberId(who) && members.every(({ id }) => id !== who)) return this.#stranger(who)
    throw new Fault(
      'BAD_REQUEST',
      `expected one member, ${called.length} are called "${who}"; "ihave site status" lists them, and whoever is not listed is called by all 32 digits of its ID`,
    )
  }

  /** A member that was never heard: its pass may be as young as can be. */
  #stranger(id: MemberId): IssuedPass {
    const issued = Math.round(this.#clock.wall()) as EpochMs
    const until = (issued + PASS_MS) as EpochMs
    return { id, name: 'unknown', issued, until, isRevoked: false, isLearnt: true }
  }
}

function revokedAlready(members: readonly IssuedPass[]): Fault {
  const who = members.map(({ id, name }) => `${name} (${id})`).join(', ')
  return new Fault('BAD_REQUEST', `${who} ${members.length === 1 ? 'is' : 'are'} revoked already`)
}

/** What proves a token without telling it: over both nonces and whatever else the two have said. */
export function proofOf(secret: string, transcript: string): string {
  return createHmac('sha256', Buffer.from(secret, 'hex')).update(`ihave join 1\n${transcript}`).digest('hex')
}

export function isProof(proof: string, secret: string, transcript: string): boolean {
  const expected = Buffer.from(proofOf(secret, transcript))
  const given = Buffer.from(proof)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function newSecret(epoch: number): SiteSecret {
  return { epoch, key: randomBytes(32).toString('hex') }
}
