/**
 * The deny list: whose passes do not count any more. The authority signs it, anybody may pass it on, and its number only grows.
 *
 * Stops a machine that was thrown out, or whose key was stolen, and whoever would bring back a list from before that.
 */
import type { KeyObject } from 'node:crypto'
import type { EpochMs } from '../core/clock.ts'
import { P256, type MemberId, type OwnKey, type SiteId } from './keys.ts'
import { makeStatement, readStatement, type Statement } from './statement.ts'

export interface DenyList {
  readonly site: SiteId
  /** Grows with every revocation; 0 is the empty list that nobody signs. */
  readonly number: number
  readonly at: EpochMs
  /** Since this list, members ask by this secret: who was revoked does not have it. */
  readonly epoch: number
  readonly denied: readonly MemberId[]
  readonly text: Statement
}

/** Revoked members that a list can name; passes that have run out need not be on it. */
export const MAX_DENIED = 1000

export function makeDenyList(list: Omit<DenyList, 'text'>, authority: OwnKey): Statement {
  return makeStatement('deny-list', list, P256, authority.key)
}

/** The list, if the authority of this site signed it. */
export function readDenyList(text: string, site: SiteId, authority: KeyObject): DenyList | undefined {
  const said = readStatement('deny-list', text, P256, authority)
  if (said === undefined || said['site'] !== site) return undefined
  const { number, at, epoch, denied } = said
  if (!isCount(number) || !isCount(at) || !isCount(epoch) || !Array.isArray(denied)) return undefined
  if (denied.length > MAX_DENIED || !denied.every(isMemberId)) return undefined
  return { site, number, at: at as EpochMs, epoch, denied, text: text as Statement }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

/** Whether this is a whole ID. */
export function isMemberId(value: unknown): value is MemberId {
  return typeof value === 'string' && /^[\da-f]{32}$/.test(value)
}
