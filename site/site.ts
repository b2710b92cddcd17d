/**
 * The site that this node belongs to, if it does: what is done to it (init, join, invite, revoke, leave), and what keeps it in
 * order by itself (passes renewed at half of their time, deny lists and secrets passed on among members).
 */
import { type CancelTimer, type Clock, type EpochMs } from '../core/clock.ts'
import { describe, Fault } from '../core/fault.ts'
import type { Random } from '../core/random.ts'
import type { Address } from '../core/transport.ts'
import type { PacketSeal } from '../peering/packet-seal.ts'
import type { Extras } from '../peering/packets.ts'
import type { SiteWord } from '../peering/peering.ts'
import { Admission, JOIN, Joining, PROOF, type Heard, type Say } from './admission.ts'
import {
  Authority,
  type AuthorityRecord,
  type Invitation,
  type IssuedPass,
  type RevokedMember,
} from './authority.ts'
import { readDenyList } from './deny-list.ts'
import { newMemberKey, privateText, type MemberId } from './keys.ts'
import { Membership, type MemberRecord, type SiteSecret } from './membership.ts'
import { DENY_LIST, packetSeal } from './packet-seal.ts'
import { isHalfOver, MEMBER_NAME, type Pass } from './pass.ts'
import { privateNames, type PrivateNames } from './private-names.ts'
import { newBox, seal, sharedKey, unseal, type Box } from './sealed.ts'
import type { SiteFiles } from './site-files.ts'

export interface SiteSettings {
  /** This node's own address now: packets are signed together with it. */
  readonly address: () => Address
  /** Whether questions name URLs in clear even so. */
  readonly clearQuestions: boolean
}

export interface SiteComponents {
  readonly clock: Clock
  readonly random: Random
  readonly files: SiteFiles
  readonly log: (event: SiteEvent) => void
}

export type SiteEvent =
  | { readonly kind: 'site-joined' | 'site-left' | 'site-pass-renewed'; readonly site: string }
  | { readonly kind: 'site-member-admitted' | 'site-member-learnt'; readonly name: string }
  | { readonly kind: 'site-deny-list'; readonly number: number; readonly denied: number }
  | { readonly kind: 'site-revoked'; readonly site: string }
  | { readonly kind: 'site-failed'; readonly reason: string }

/** What a site needs of the LAN; a node whose peering is off gives none. */
export interface SiteLan {
  readonly say: Say
  /** @param reply whether the others are to say theirs. */
  readonly sayPresence: (reply: boolean) => void
  /** Takes the node's leave, signed as it is: as the next it may be another member. */
  readonly sayLeaving: () => void
  /** A small text from a node's port for files; `undefined` when there is none. Never fails. */
  readonly fetch: (url: string) => Promise<string | undefined>
  /** What is told of the node's copies has other names now. */
  readonly onRenamed: () => void
}

export interface SiteStatus {
  readonly name: string
  readonly site: string
  readonly member: string
  readonly memberName: string
  readonly passUntil: EpochMs
  readonly isRevoked: boolean
  readonly denyList: number
  readonly denied: number
  readonly epoch: number
  readonly isAuthority: boolean
  /** Those that were let in, where the authority is; elsewhere those that this machine has heard since its start, itself included. */
  readonly members: readonly IssuedPass[]
  /** Tokens that let machines in now; absent where the authority is not. */
  readonly invitations?: readonly Invitation[]
}

const RENEW = 'site-renew'
const RENEWED = 'site-renewed'
/** Where members serve the deny list, on their port for files. */
export const DENY_LIST_PATH = '/site/deny-list'

/** Between two looks at whether something is to be renewed, in ms. */
export const LOOK_MS = 60 * 60_000
/** The first look, when peers have been heard, in ms. */
/** Members whose port for files is remembered. */
const MAX_PLACES = 64
const FIRST_LOOK_MS = 5_000
/** A node asks for the same at most so often, in ms. */
export const ASK_AGAIN_MS = 5_000
/** For a new secret it asks so often; then again when it hears of a later revocation. */
const RENEWAL_TRIES = 4

/** A member that has said which deny list it has. */
interface Announcer {
  readonly from: Address
  readonly filePort: number
  readonly member: MemberId
}

export class Site {
  readonly seal: PacketSeal
  readonly names: PrivateNames
  readonly #components: SiteComponents
  readonly #admission: Admission
  #membership: Membership | undefined
  #authority: Authority | undefined
  #joining: Joining | undefined
  #lan: SiteLan | undefined
  #box: { readonly nonce: string; readonly box: Box; readonly at: number } | undefined
  /** Where members serve files. */
  readonly #places = new Map<string, string>()
  /** Members that are being asked for their deny list. */
  readonly #fetching = new Set<Address>()
  #cancelLook: CancelTimer = () => {}
  /** Changes follow one another. */
  #changing: Promise<unknown> = Promise.resolve()

  constructor(settings: SiteSettings, components: SiteComponents) {
    this.#components = components
    const { clock, random } = components
    this.seal = packetSeal({ clock, random, address: settings.address, membership: () => this.#membership })
    this.names = privateNames(() => this.secret, settings.clearQuestions)
    this.#admission = new Admission({
      clock,
      authority: () => this.#authority,
      say: (...said) => this.#lan?.say(...said),
      onAdmitted: async (name) => {
        await this.#save()
        components.log({ kind: 'site-member-admitted', name })
      },
    })
  }

  /** Reads what is known. @throws Fault CONFIG_INVALID for damaged files. */
  async load(): Promise<void> {
    const { member, authority } = await this.#components.files.load()
    this.#authority = authority && new Authority(authority, this.#components.clock)
    this.#membership = member && new Membership(member, this.#components.clock)
  }

  start(lan: SiteLan): void {
    this.#lan = lan
    this.#lookIn(FIRST_LOOK_MS)
  }

  async stop(): Promise<void> {
    this.#cancelLook()
    this.#lan = undefined
    await this.#changing
  }

  get membership(): Membership | undefined {
    return this.#membership
  }

  /** What members ask by. */
  get secret(): SiteSecret | undefined {
    return this.#membership?.record.secret
  }

  /** @throws Fault BAD_REQUEST where there is a site already. @returns a token for the first machines. */
  init(siteName: string, memberName: string, forMs: number, uses: number): Promise<string> {
    return this.#change(async () => {
      this.#mustHaveNone()
      mustBeName(siteName)
      mustBeName(memberName)
      const { clock } = this.#components
      const authority = Authority.create(siteName, clock)
      const token = authority.invite(forMs, uses)
      this.#authority = authority
      await this.#become(this.#ownRecord(authority, memberName))
      return token
    })
  }

  /** @throws Fault BAD_REQUEST on a machine that has no authority. */
  invite(forMs: number, uses: number): Promise<string> {
    return this.#change(async () => {
      const token = this.#mustHaveAuthority().invite(forMs, uses)
      await this.#save()
      return token
    })
  }

  /** @throws Fault BAD_REQUEST for a bad token, UNREACHABLE when nobody lets it in. */
  async join(token: string, memberName: string): Promise<void> {
    this.#mustHaveNone()
    mustBeName(memberName)
    const lan = this.#lan
    if (lan === undefined)
      throw new Fault('UNREACHABLE', 'joining needs the LAN: peering is off, or no LAN was found')
    if (this.#joining !== undefined) throw new Fault('BAD_REQUEST', 'this machine is joining already')
    this.#joining = new Joining(token, memberName, { clock: this.#components.clock, say: lan.say })
    try {
      const record = await this.#joining.run()
      await this.#change(() => this.#become(record))
    } finally {
      this.#joining = undefined
    }
  }

  /**
   * Forgets the site, keys included; the authority too.
   * @param isSure even where the authority is lost by it.
   * @throws Fault BAD_REQUEST where there is none, or one is not sure.
   */
  leave(isSure = false): Promise<void> {
    return this.#change(async () => {
      const site = this.#mustHaveOne().record.name
      if (this.#authority !== undefined && !isSure) throw losingAuthority(site)
      this.#lan?.sayLeaving()
      this.#membership = undefined
      this.#authority = undefined
      await this.#save()
      this.#components.log({ kind: 'site-left', site })
      this.#lan?.onRenamed()
      this.#lan?.sayPresence(false)
    })
  }

  /**
   * Throws a member out, tells the others, and gives them another secret; open invitations are void.
   * @param isSure even if it is this machine.
   * @throws Fault BAD_REQUEST when nobody is called so, it is revoked already, or one is not sure.
   */
  revoke(who: string, isSure = false): Promise<RevokedMember> {
    return this.#change(async () => {
      const authority = this.#mustHaveAuthority()
      if (authority.called(who).id === this.#membership?.id && !isSure) throw revokingItself()
      const member = authority.revoke(who)
      const { secret, denyList } = authority.record
      await this.#become({ ...this.#mustHaveOne().record, secret, denyList })
      return member
    })
  }

  /** The authority's record, for a safe place. @throws Fault BAD_REQUEST on a machine that has none. */
  backup(): AuthorityRecord {
    return this.#mustHaveAuthority().record
  }

  /** Takes on the authority; the machine becomes, or stays, a member. @throws Fault CONFIG_INVALID for a damaged record. */
  restore(record: AuthorityRecord, memberName: string): Promise<void> {
    return this.#change(async () => {
      const authority = new Authority(record, this.#components.clock)
      const own = this.#membership
      if (own !== undefined && own.record.authority !== authority.key.publicKey)
        throw new Fault('BAD_REQUEST', 'this machine belongs to another site; "ihave site leave" first')
      mustBeName(memberName)
      authority.dropTokens()
      if (own !== undefined) this.#catchUp(authority, own)
      this.#authority = authority
      const { secret, denyList } = authority.record
      const became = own === undefined ? this.#ownRecord(authority, memberName) : own.record
      await this.#become({ ...became, secret, denyList })
    })
  }

  /** What has been revoked since the backup was made stays revoked, and whoever was let in is known again. */
  #catchUp(authority: Authority, own: Membership): void {
    authority.catchUp(own.record.secret, own.denyList)
    for (const pass of own.passes) authority.learn(pass)
    for (const { id, name, issued, until } of this.#authority?.record.members ?? [])
      authority.learn({ member: id, name, from: issued, until })
    if (authority.record.members.some(({ id, isRevoked }) => isRevoked && id === own.id))
      throw new Fault('BAD_REQUEST', 'this machine was revoked; "ihave site leave" first, then restore')
  }

  /** A member that another copy of the authority let in is listed here, so that it can be revoked. */
  async #noteMember(member: MemberId): Promise<void> {
    const pass = this.#membership?.passOf(member)
    if (pass === undefined || this.#authority?.learn(pass) !== true) return
    await this.#change(() => this.#save())
    this.#components.log({ kind: 'site-member-learnt', name: pass.name })
  }

  status(): SiteStatus | undefined {
    const own = this.#membership
    if (own === undefined) return undefined
    return {
      name: own.record.name,
      site: own.site,
      member: own.id,
      memberName: own.pass.name,
      passUntil: own.pass.until,
      isRevoked: own.isDenied(own.id),
      denyList: own.denyList?.number ?? 0,
      denied: own.denyList?.denied.length ?? 0,
      epoch: own.record.secret.epoch,
      isAuthority: this.#authority !== undefined,
      members: this.#authority?.record.members ?? own.passes.map(asIssued),
      ...(this.#authority && { invitations: this.#authority.invitations() }),
    }
  }

  /** What this node serves of the site on its port for files. */
  document(path: string): string | undefined {
    return path === DENY_LIST_PATH ? this.#membership?.denyList?.text : this.onDocument(path)
  }

  /** Further documents; whoever has them says so here. */
  onDocument: (path: string) => string | undefined = () => undefined

  /** A small text from a peer's port for files; `undefined` without a LAN. Never fails. */
  async fetch(url: string): Promise<string | undefined> {
    return this.#lan?.fetch(url)
  }

  /** Where some members serve files, `address:port`, the most recently heard first. */
  placesOfMembers(most: number): readonly string[] {
    return [...this.#places.values()].toReversed().slice(0, most)
  }

  /** A packet has come: every fault of it ends here. */
  hear(word: SiteWord): void {
    this.#hear(word).catch((error: unknown) =>
      this.#components.log({ kind: 'site-failed', reason: describe(error) }),
    )
  }

  async #hear({ packet, from, signer, bytes }: SiteWord): Promise<void> {
    const words = new Map(packet.extras)
    if (packet.type === 'presence') {
      const number = Number(words.get(DENY_LIST) ?? 0)
      if (signer.kind !== 'member') return
      this.#notePlace(signer.member, `${from}:${packet.filePort}`)
      await this.#noteMember(signer.member as MemberId)
      return this.#noteDenyList(number, {
        from,
        filePort: packet.filePort,
        member: signer.member as MemberId,
      })
    }
    const heard: Heard = { name: packet.name, words, from, bytes }
    this.#joining?.hear(heard)
    if (packet.name === JOIN || packet.name === PROOF) await this.#admission.hear(heard)
    if (signer.kind !== 'member') return
    if (packet.name === RENEW) await this.#answerRenewal(heard, signer.member)
    if (packet.name === RENEWED) await this.#heardRenewal(words)
  }

  #notePlace(member: string, place: string): void {
    this.#places.delete(member)
    this.#places.set(member, place)
    const [oldest] = this.#places.keys()
    if (this.#places.size > MAX_PLACES && oldest !== undefined) this.#places.delete(oldest)
  }

  /** A member knows of a later revocation: it is asked for the list, and for the secret that goes with it. */
  async #noteDenyList(number: number, { from, filePort, member }: Announcer): Promise<void> {
    const known = this.#membership?.denyList?.number ?? 0
    if (this.#membership === undefined || !(number > known) || this.#fetching.has(from)) return
    this.#fetching.add(from)
    try {
      const text = await this.#lan?.fetch(`http://${from}:${filePort}${DENY_LIST_PATH}`)
      if (text !== undefined) await this.#heardDenyList(text)
    } finally {
      this.#fetching.delete(from)
    }
    // Whoever is thrown out may be the first to tell of it, and has no say in what comes next.
    const isIn = this.#membership.passOf(member) !== undefined
    this.#askForSecret(isIn ? from : undefined)
  }

  /** A packet may be lost, and who was asked may not have it: then everybody is asked, a few times. */
  #askForSecret(of: Address | undefined, triesLeft = RENEWAL_TRIES): void {
    const own = this.#membership
    const isBehind = own?.denyList !== undefined && own.denyList.epoch > own.record.secret.epoch
    if (!isBehind || triesLeft === 0) return
    this.#askRenewal(of)
    this.#components.clock.after(ASK_AGAIN_MS, () => this.#askForSecret(undefined, triesLeft - 1))
  }

  /** Asks a member (or, for a new pass, everybody) for what this node has not got. */
  #askRenewal(to?: Address): void {
    const own = this.#membership
    const now = this.#components.clock.monotonic()
    if (own === undefined || (this.#box !== undefined && now - this.#box.at < ASK_AGAIN_MS)) return
    this.#box = { nonce: this.#components.random.hex(16), box: newBox(), at: now }
    const said: Extras = [
      ['n', this.#box.nonce],
      ['box', this.#box.box.publicKey],
      ['pass', own.pass.text],
      ['half', isHalfOver(own.pass, this.#components.clock.wall()) ? 'yes' : 'no'],
      ['filling', '.'.repeat(160)],
    ]
    this.#lan?.say(RENEW, said, to)
  }

  async #answerRenewal({ words, from }: Heard, member: string): Promise<void> {
    const own = this.#membership
    const [nonce = '', pass = ''] = [words.get('n'), words.get('pass')]
    const theirs = own?.learn(pass)
    if (own === undefined || theirs?.member !== member) return
    const isDue = words.get('half') === 'yes' && this.#authority !== undefined
    const box = newBox()
    const key = sharedKey(box, words.get('box') ?? '', `${nonce}${own.id}${member}`)
    if (key === undefined) return
    const { name, publicKey } = theirs
    const renewed = isDue
      ? this.#authority?.issue(publicKey.export({ format: 'jwk' }).x ?? '', name)
      : undefined
    if (renewed !== undefined) await this.#save()
    const said: Extras = [
      ['n', nonce],
      ['by', own.id],
      ['box', box.publicKey],
      ['sealed', seal(key, JSON.stringify(own.record.secret))],
    ]
    this.#lan?.say(RENEWED, renewed === undefined ? said : [...said, ['pass', renewed]], from)
  }

  async #heardRenewal(words: Heard['words']): Promise<void> {
    const asked = this.#box
    const own = this.#membership
    if (own === undefined || asked === undefined || words.get('n') !== asked.nonce) return
    const key = sharedKey(asked.box, words.get('box') ?? '', `${asked.nonce}${words.get('by')}${own.id}`)
    const text = key && unseal(key, words.get('sealed') ?? '')
    if (text === undefined) return
    const secret = JSON.parse(text) as SiteSecret
    const isNewer = secret.epoch > own.record.secret.epoch
    const pass = own.learn(words.get('pass') ?? '')
    const isRenewed = pass?.member === own.id && pass.until > own.pass.until
    if (!isNewer && !isRenewed) return
    await this.#change(() => {
      const { record } = this.#mustHaveOne()
      return this.#become({
        ...record,
        ...(isNewer ? { secret } : {}),
        ...(isRenewed ? { pass: pass.text } : {}),
      })
    })
    if (isRenewed) this.#components.log({ kind: 'site-pass-renewed', site: own.record.name })
  }

  async #heardDenyList(text: string): Promise<void> {
    const own = this.#membership
    const list = own && readDenyList(text, own.site, own.authority)
    if (own === undefined || list === undefined || list.number <= (own.denyList?.number ?? 0)) return
    await this.#change(() => this.#become({ ...this.#mustHaveOne().record, denyList: list.text }))
    this.#components.log({ kind: 'site-deny-list', number: list.number, denied: list.denied.length })
    if (list.denied.includes(own.id)) this.#components.log({ kind: 'site-revoked', site: own.record.name })
  }

  #lookIn(ms: number): void {
    this.#cancelLook = this.#components.clock.after(
      ms * (0.9 + 0.2 * this.#components.random.fraction()),
      () => {
        this.#lookIn(LOOK_MS)
        void this.#look().catch((error: unknown) =>
          this.#components.log({ kind: 'site-failed', reason: describe(error) }),
        )
      },
    )
  }

  /** Renews this node's pass at half of its time, by its own authority or by asking for it. */
  async #look(): Promise<void> {
    const own = this.#membership
    if (own === undefined || !isHalfOver(own.pass, this.#components.clock.wall())) return
    if (this.#authority === undefined) return this.#askRenewal()
    const pass = this.#authority.issue(own.key.publicKey, own.pass.name)
    if (pass !== undefined) await this.#change(() => this.#become({ ...own.record, pass }))
  }

  #ownRecord(authority: Authority, memberName: string): MemberRecord {
    const key = newMemberKey()
    const pass = authority.issue(key.publicKey, memberName)
    if (pass === undefined) throw new Fault('BAD_REQUEST', 'the authority’s ten years are over')
    const { name, secret, denyList } = authority.record
    return { name, authority: authority.key.publicKey, key: privateText(key.key), pass, secret, denyList }
  }

  async #become(record: MemberRecord): Promise<void> {
    const before = this.#membership
    this.#membership = new Membership(record, this.#components.clock, before)
    await this.#save()
    if (before === undefined) this.#components.log({ kind: 'site-joined', site: record.name })
    if (before?.record.secret.key !== record.secret.key) this.#lan?.onRenamed()
    this.#lan?.sayPresence(before === undefined)
  }

  #save(): Promise<void> {
    return this.#components.files.save({
      member: this.#membership?.record,
      authority: this.#authority?.record,
    })
  }

  #change<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changing.then(change)
    this.#changing = changed.catch(() => {})
    return changed
  }

  #mustHaveNone(): void {
    if (this.#membership === undefined) return
    throw new Fault(
      'BAD_REQUEST',
      `this machine belongs to the site "${this.#membership.record.name}"; "ihave site leave" first`,
    )
  }

  #mustHaveOne(): Membership {
    if (this.#membership !== undefined) return this.#membership
    throw new Fault('BAD_REQUEST', 'this machine belongs to no site')
  }

  #mustHaveAuthority(): Authority {
    this.#mustHaveOne()
    if (this.#authority !== undefined) return this.#authority
    throw new Fault(
      'BAD_REQUEST',
      'this machine does not have the site’s authority: run this where "ihave site init" was run',
    )
  }
}

function losingAuthority(site: string): Fault {
  return new Fault(
    'BAD_REQUEST',
    `this machine has the authority of the site "${site}": without it nobody can be let in, thrown out or given a new pass, ever. ` +
      '"ihave site backup FILE" keeps it, "ihave site restore FILE" on another member moves it there; then "ihave site leave --yes"',
  )
}

function revokingItself(): Fault {
  return new Fault(
    'BAD_REQUEST',
    'this is the machine that has the authority: revoked, it is believed by no member, and nobody is let in any more. ' +
      '"ihave site backup FILE" and "ihave site restore FILE" on another member move the authority there first; or say --yes',
  )
}

function asIssued({ member: id, name, from: issued, until }: Pass): IssuedPass {
  return { id, name, issued, until, isRevoked: false }
}

/** @throws Fault BAD_REQUEST. */
function mustBeName(name: string): void {
  if (!MEMBER_NAME.test(name))
    throw new Fault('BAD_REQUEST', `expected a name of 1 to 24 letters, digits, ".", "_", "-", got "${name}"`)
}
