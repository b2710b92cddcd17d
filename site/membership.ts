/**
 * What a member knows of its site: its own key and pass, who else has a pass, whose does not count any more. In memory; how it
 * rests is site-files.ts.
 */
import type { KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { readDenyList, type DenyList } from './deny-list.ts'
import {
  memberIdOf,
  readAuthorityPublic,
  readMemberKey,
  siteIdOf,
  type MemberId,
  type OwnKey,
  type SiteId,
} from './keys.ts'
import { isInForce, readPass, type Pass } from './pass.ts'

/** What members ask by (V§4: who lacks which patch is not written on the wall). */
export interface SiteSecret {
  /** Grows with every revocation. */
  readonly epoch: number
  /** 256 bits, hexadecimal. */
  readonly key: string
}

/** A membership as it rests in its file. */
export interface MemberRecord {
  readonly name: string
  /** The authority's public key. */
  readonly authority: string
  readonly key: string
  readonly pass: string
  readonly secret: SiteSecret
  readonly denyList: string | undefined
}

/** Passes of others that are remembered, about 500 bytes each. */
export const MAX_PASSES = 4096

export class Membership {
  readonly record: MemberRecord
  readonly site: SiteId
  readonly id: MemberId
  readonly key: OwnKey
  readonly authority: KeyObject
  readonly pass: Pass
  readonly denyList: DenyList | undefined
  readonly #clock: Clock
  readonly #denied: ReadonlySet<string>
  readonly #passes: LRUCache<MemberId, Pass>
  readonly #byText = new LRUCache<string, MemberId>({ max: MAX_PASSES })

  /**
   * @param known passes that a former state of it had learnt.
   * @throws Fault CONFIG_INVALID when the record does not hold together.
   */
  constructor(record: MemberRecord, clock: Clock, known?: Membership) {
    const authority = readAuthorityPublic(record.authority)
    const key = readMemberKey(record.key)
    if (authority === undefined || key === undefined) throw damaged('its keys cannot be read')
    this.site = siteIdOf(record.authority)
    const pass = readPass(record.pass, this.site, authority)
    if (pass?.member !== memberIdOf(key.publicKey)) throw damaged('its pass is not for its key')
    const { denyList } = record
    this.denyList = denyList === undefined ? undefined : readDenyList(denyList, this.site, authority)
    if (denyList !== undefined && this.denyList === undefined)
      throw damaged('its deny list is not the authority’s')
    this.record = record
    this.id = pass.member
    this.key = key
    this.authority = authority
    this.pass = pass
    this.#clock = clock
    this.#denied = new Set(this.denyList?.denied)
    this.#passes = known?.site === this.site ? known.#passes : new LRUCache({ max: MAX_PASSES })
    this.#passes.set(this.id, pass)
  }

  /** Notes a pass that somebody brings. @returns it, if the authority made it and it is in force. */
  learn(text: string): Pass | undefined {
    const same = this.#byText.get(text)
    if (same !== undefined) return this.passOf(same)
    const pass = readPass(text, this.site, this.authority)
    if (pass === undefined || !isInForce(pass, this.#clock.wall())) return undefined
    const known = this.#passes.get(pass.member)
    if (known === undefined || known.until < pass.until) this.#passes.set(pass.member, pass)
    this.#byText.set(text, pass.member)
    return this.passOf(pass.member)
  }

  /** The pass of a member in good standing at this moment. */
  passOf(member: MemberId): Pass | undefined {
    const pass = this.#passes.get(member)
    const isGood = pass !== undefined && !this.isDenied(member) && isInForce(pass, this.#clock.wall())
    return isGood ? pass : undefined
  }

  /** All passes that are known, of members in good standing. */
  get passes(): readonly Pass[] {
    return [...this.#passes.keys()].flatMap((member) => this.passOf(member) ?? [])
  }

  /** Whether this machine is a member in good standing itself: whoever was thrown out performs nothing for the others. */
  get isGood(): boolean {
    return this.passOf(this.id) !== undefined
  }

  isDenied(member: MemberId): boolean {
    return this.#denied.has(member)
  }
}

function damaged(why: string): Fault {
  return new Fault(
    'CONFIG_INVALID',
    `the membership is damaged: ${why}; "ihave site leave" and join again, or restore the file`,
  )
}
