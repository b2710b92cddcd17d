/** A site with members, made without a network. */
import type { Clock, EpochMs } from '../../core/clock.ts'
import {
  newAuthorityKey,
  newMemberKey,
  privateText,
  siteIdOf,
  type MemberId,
  type OwnKey,
} from '../../site/keys.ts'
import { makeDenyList } from '../../site/deny-list.ts'
import { Membership } from '../../site/membership.ts'
import { makePass, PASS_MS } from '../../site/pass.ts'

export const SECRET = { epoch: 1, key: '5e'.repeat(32) }

export class TestSite {
  readonly authority: OwnKey = newAuthorityKey()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  member(
    name: string,
    more: { readonly until?: number; readonly denied?: readonly MemberId[] } = {},
  ): Membership {
    const key = newMemberKey()
    const site = siteIdOf(this.authority.publicKey)
    const from = this.#clock.wall()
    const until = (more.until ?? from + PASS_MS) as EpochMs
    const pass = makePass({ site, key: key.publicKey, name, from, until }, this.authority)
    const list = more.denied && { site, number: 1, at: from, epoch: 2, denied: more.denied }
    const denyList = list && makeDenyList(list, this.authority)
    const record = { name: 'test', authority: this.authority.publicKey, key: privateText(key.key) }
    return new Membership({ ...record, pass, secret: SECRET, denyList }, this.#clock)
  }

  /** The same membership, when it has heard of a revocation. */
  denying(member: Membership, ...denied: readonly MemberId[]): Membership {
    const list = { site: member.site, number: 1, at: this.#clock.wall(), epoch: 2, denied }
    return new Membership(
      { ...member.record, denyList: makeDenyList(list, this.authority) },
      this.#clock,
      member,
    )
  }
}
