/**
 * The pass: what the authority of a site says of a member's key. It stands in the place of a certificate.
 *
 * Stops whoever has no pass from speaking as a member, and passes of another site, of a former year, or for another key.
 */
import type { KeyObject } from 'node:crypto'
import type { EpochMs } from '../core/clock.ts'
import { memberIdOf, P256, readMemberPublic, type MemberId, type OwnKey, type SiteId } from './keys.ts'
import { makeStatement, readStatement, type Statement } from './statement.ts'

export interface Pass {
  readonly site: SiteId
  readonly member: MemberId
  readonly publicKey: KeyObject
  /** What people call the machine. */
  readonly name: string
  readonly from: EpochMs
  readonly until: EpochMs
  /** As it travels. */
  readonly text: Statement
}

/** A pass is good for a year, and renewed at half of it (V§7). */
export const PASS_MS = 365 * 24 * 60 * 60_000

/** Clocks of a site may differ by so much. */
export const CLOCK_SKEW_MS = 120_000

/** Letters, digits, `.`, `_`, `-`: at most 24 of them. */
export const MEMBER_NAME = /^[\w.-]{1,24}$/

/** What a pass is made of. */
export interface PassRequest {
  readonly site: SiteId
  /** The member's public key. */
  readonly key: string
  readonly name: string
  readonly from: EpochMs
  readonly until: EpochMs
}

export function makePass(request: PassRequest, authority: OwnKey): Statement {
  return makeStatement('pass', request, P256, authority.key)
}

/** The pass, if the authority of this site signed it; whether it is good at this moment is another question. */
export function readPass(text: string, site: SiteId, authority: KeyObject): Pass | undefined {
  const said = readStatement('pass', text, P256, authority)
  if (said === undefined || said['site'] !== site) return undefined
  const { key, name, from, until } = said
  if (typeof key !== 'string' || typeof name !== 'string' || !MEMBER_NAME.test(name)) return undefined
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(until)) return undefined
  const publicKey = readMemberPublic(key)
  if (publicKey === undefined) return undefined
  const member = memberIdOf(key)
  const times = { from: from as EpochMs, until: until as EpochMs }
  return { site, member, publicKey, name, ...times, text: text as Statement }
}

export function isInForce({ from, until }: Pick<Pass, 'from' | 'until'>, now: EpochMs): boolean {
  return from - CLOCK_SKEW_MS <= now && now < until
}

/** Whether half of its time is over. */
export function isHalfOver({ from, until }: Pick<Pass, 'from' | 'until'>, now: EpochMs): boolean {
  return now >= from + (until - from) / 2
}
