/**
 * The peering service of one node: client and server at once (R1.1), the clearing house for service packets (R2.4).
 *
 * It owns no socket and no clock: datagrams come from a `Transport`, time from a `Clock`, so that the same lines run in
 * production and on the virtual LAN. Each question and each answer is a machine of its own (peering/machines/).
 */
import { listeningOf, type Monotonic } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Address, Datagram, Transport } from '../core/transport.ts'
import { Advertising } from './advertising.ts'
import { AnnouncedDownloads, type AnnouncedDownload } from './announced-downloads.ts'
import { Answers } from './answers.ts'
import { AskedQuestions, type Hearing } from './asked-questions.ts'
import { Asking, DIRECTED } from './asking.ts'
import { encode, type Decoded } from './codec.ts'
import { endsIn, offersIn } from './further.ts'
import { Inquiry, type InquiryOwner, type InquirySender, type InquiryTime, type Prospect } from './inquiry.ts'
import type { IntakeLimits } from './intake.ts'
import type { DownloadProgress, LocalCopies } from './local-copies.ts'
import { MemberWords } from './member-words.ts'
import { noSeal, UNKNOWN_KEY, type PacketSeal, type Signer } from './packet-seal.ts'
import { PacketSender, type Counters } from './packet-sender.ts'
import { SCHEMAS } from './packet-schema.ts'
import type {
  ApplicationPacket,
  DownloadingPacket,
  Extras,
  LocalAlias,
  RequestId,
  PresencePacket,
  RequestPacket,
  ResponsePacket,
  ServicePacket,
} from './packets.ts'
import { Cautions } from './cautions.ts'
import { downloadByRival, downloadOf, offerOf } from './peer-claims.ts'
import type { SummaryPlace } from './peer-summaries.ts'
import { PeerTable, type Peer, type Timing, type TimingSettings } from './peer-table.ts'
import { Presence } from './presence.ts'
import { downloadsAsked, Reception } from './reception.ts'
import { Rivals } from './rivals.ts'
import type { Self } from './self.ts'
import { FULL_ABILITY } from './ability.ts'
import { resourceKey, type ResourceKey } from './summary.ts'
import { FINDING, FINDING_NAME, Survey, type Found } from './survey.ts'

export type { AnnouncedDownload }

export interface PeeringSettings extends TimingSettings {
  readonly self: Self
  /** Be a peering server: answer "I need". */
  readonly serve: boolean
  /** Be a peering client: ask "I need". */
  readonly ask: boolean
  /** A downloader that says nothing for this long is replaced, in ms (R5.3). */
  readonly silenceMs: number
  readonly intake?: IntakeLimits
}

/** That a file is at a place; without one, that it will be. */
export interface PlaceClaim {
  readonly resource: string
  readonly location: string | undefined
}

export interface PeeringComponents extends InquiryTime {
  readonly random: Random
  readonly transport: Transport
  /** Reads a datagram; absent: codec.ts. */
  readonly decode?: (bytes: Uint8Array) => Decoded
  readonly copies: LocalCopies
  /** Peers whose word is not taken at present; with a claim: not this one. */
  readonly isShunned: (peer: Address, claim?: PlaceClaim) => boolean
  /** Whether one whose claim is not taken was only silent, or broke off, and may be tried where that costs nothing; absent: nobody may. */
  readonly mayBeTried?: (peer: Address, claim: PlaceClaim) => boolean
  /** How well this node can fetch for others, in per cent (peering/ability.ts); absent: it can. */
  readonly ability?: () => number
  /** A peer's summary of what it holds is to be fetched (`advertising.peers.fetched`). */
  readonly onStaleSummary?: (place: SummaryPlace) => void
  /** The first packet of another node has come: from now on there is somebody. Called once. */
  readonly onFirstPeer?: () => void
  /** The signatures of a site; absent: there is none. */
  readonly seal?: PacketSeal
  /** Whether only members of a site know what this name stands for; absent: there are no such names. */
  readonly isPrivate?: (resource: string) => boolean
  /** Another machine speaks by this node's ID: it is not heard. */
  readonly onOwnId?: (from: Address) => void
  /** A packet of a type that is not ours has come (R2.2), or a member's presence: what the site makes of it. */
  readonly onSiteWord?: (word: SiteWord) => void
}

/** A packet that a site, or an application, is told of. */
export interface SiteWord {
  readonly packet: ApplicationPacket | PresencePacket
  readonly from: Address
  readonly signer: Signer
  /** Of the datagram: no answer may be longer. */
  readonly bytes: number
}

/** What is known of a resource that is asked for. */
export interface Wanted {
  /** Whether everybody who has it says so in its summary: so unless it is `false`. */
  readonly isListed?: boolean
  /** Only a part is wanted of what peers have: whoever asks would never fetch the whole for others. */
  readonly isForPart?: boolean
}

export interface Member {
  readonly member: string
  readonly address: Address
}

export class Peering {
  readonly #settings: PeeringSettings
  readonly #components: PeeringComponents
  readonly #reception: Reception
  readonly #sender: PacketSender
  readonly #asked = new AskedQuestions()
  readonly #asking: Asking
  readonly #downloads: AnnouncedDownloads
  readonly #answers: Answers
  readonly #presence: Presence
  readonly #rivals: Rivals
  readonly #seal: PacketSeal
  readonly #words = new MemberWords((member) => this.#seal.isMember(member))
  /** Peers that members warn of. */
  readonly cautions = new Cautions()
  readonly advertising: Advertising
  readonly peers = new PeerTable()
  readonly counters: Counters = new Map()
  #isRunning = false
  #hasStopped = false
  #hasHeardPeers = false

  constructor(settings: PeeringSettings, components: PeeringComponents) {
    this.#settings = settings
    this.#components = components
    this.#rivals = new Rivals(settings.self)
    this.#seal = components.seal ?? noSeal
    const sender = new PacketSender(components.transport, this.counters, this.#seal)
    this.#sender = sender
    const { clock, random, onStaleSummary: onStale = () => {} } = components
    this.advertising = new Advertising(settings.self, { clock, random, sender, onStale })
    const summary = () => (settings.serve ? this.advertising.own.standing : undefined)
    const siteWords = () => this.#seal.presence()
    this.#presence = new Presence(settings, { ...components, peers: this.peers, sender, summary, siteWords })
    this.#asking = new Asking(settings.self, {
      clock,
      random,
      sender,
      newId: () => this.#newId(),
      isOpen: (id) => this.#asked.has(id),
      hearsPlainNodes: () => this.#hearsPlainNodes(),
    })
    this.#downloads = new AnnouncedDownloads({ clock: components.clock, sender })
    this.#answers = new Answers(settings, {
      ...components,
      sender,
      locationOf: this.#locationOf,
      onAsked: (resource, peer) => this.#downloads.asked(resource, peer),
      progressOf: (resource) => this.#downloads.progressOf(resource),
      abilityFor: (resource) => this.#rivals.saidOf(resource),
    })
    this.#reception = new Reception(settings, {
      ...components,
      sender,
      seal: this.#seal,
      asked: this.#asked,
      answers: this.#answers,
      words: this.#words,
    })
  }

  /**
   * Comes to the LAN, for the first time or again: whoever was heard before may be nobody's neighbour where the node is now.
   * @throws Fault ADDRESS_IN_USE of the transport.
   */
  async start(): Promise<void> {
    this.#forgetPeers()
    await this.#components.transport.start(this.#receive)
    if (this.#hasStopped) return this.#components.transport.stop()
    this.#isRunning = true
    this.advertising.start()
    this.#presence.start()
  }

  /** Leaves the LAN until the next start. What is on its way goes on; what is asked for meanwhile is asked of nobody. */
  async leave(): Promise<void> {
    this.#isRunning = false
    this.advertising.stop()
    this.#presence.stop()
    await this.#components.transport.stop()
  }

  #forgetPeers(): void {
    this.peers.clear()
    this.advertising.peers.clear()
    this.#words.clear()
    this.#rivals.clear()
  }

  /** Takes its leave: of the LAN, and of those who wait for its downloads. Safe at any moment, and more than once. */
  async stop(): Promise<void> {
    this.#hasStopped = true
    this.#answers.stop()
    this.#downloads.stop()
    for (const inquiry of this.#asked.all()) inquiry.abandon()
    this.#asking.stop()
    await this.leave()
  }

  /** Who is alive now. */
  livePeers(): Peer[] {
    return this.peers.live(this.#components.clock.monotonic())
  }

  /** A node has answered a connection to this place. */
  reached(address: Address, filePort: number): void {
    const isDoubtful = this.peers.reached(address, filePort, this.#components.clock.monotonic())
    if (isDoubtful) this.#presence.meet(address)
  }

  /** What this node has is known now, or in another edition: the LAN is told. */
  summaryRenewed(keys: readonly ResourceKey[]): void {
    this.advertising.own.renew(keys)
    this.#presence.say()
  }

  /** Members of the site that were heard, with where they serve files; the most recent last. */
  members(): readonly Member[] {
    const now = this.#components.clock.monotonic()
    return this.#words.live(now).map(({ member, address }) => ({ member, address }))
  }

  /** Sends a packet of another type than ours (R2.2), to everybody or to one. @returns `false`: it is too long, or none. */
  say(name: string, extras: Extras, to?: Address): boolean {
    const { node } = this.#settings.self
    const packet: ApplicationPacket = {
      type: 'application',
      name,
      id: this.#newId(),
      node,
      nonce: undefined,
      extras,
    }
    if (encode(packet) === undefined) return false
    if (to === undefined) this.#sender.broadcast(packet)
    else this.#sender.send(to, packet)
    return true
  }

  /** What this node says of itself has changed. @param reply whether the others are to say the same of themselves. */
  sayPresence(reply: boolean): void {
    this.#presence.say(reply)
  }

  /** This node is about to sign as nobody, or as another member: what it says next is not to be held against its last word. */
  sayLeaving(): void {
    this.#presence.sayLeaving()
  }

  /** Whether a node that is alive now has said that it serves files there. */
  servesFiles(address: Address, port: number): boolean {
    return this.livePeers().some((peer) => peer.address === address && peer.filePort === port)
  }

  /** Asks a node of which another one speaks who it is. */
  meet(address: Address): void {
    this.#presence.meet(address)
  }

  /** How long a question asked now waits; `undefined`: there is nobody to wait for. */
  timing(): Timing | undefined {
    return this.#isRunning ? this.#presence.timing() : undefined
  }

  /**
   * Asks the LAN for `resource` (a URL or URI) and runs the owner through FIG. 4B. A node that may not ask, and a
   * resource too long for a packet, go straight to the Internet. Collapsing requests into one is the owner's (R4.6).
   */
  inquire(
    resource: string,
    waitForDownloads: boolean,
    owner: InquiryOwner,
    { isListed = true, isForPart = false }: Wanted = {},
  ): Inquiry {
    const key = resourceKey(resource)
    const prospect = this.#prospect(resource, key, isListed)
    // What nobody has, as far as everybody has told, is not waited for as if somebody had it.
    const timing = prospect === 'none' ? this.#presence.briefTiming() : this.timing()
    const packet = this.#mayAsk ? this.#question(resource, timing?.maxDelayMs, isForPart) : undefined
    const told = packet && prospect === 'likely' ? this.#haveTold(resource, key) : []
    const directed = told.length > 0 ? this.#presence.directedTiming(told.length) : undefined
    const sender =
      packet === undefined
        ? UNASKED
        : this.#asking.sendingFor(packet, directed && { to: told, maxDelayMs: directed.maxDelayMs })
    const inquiry = new Inquiry(
      this.#components,
      sender,
      owner,
      () => packet && this.#asked.remove(packet),
      prospect,
    )
    if (packet !== undefined) this.#asked.add(packet, inquiry)
    const { heldMs } = this.#asking
    const waitMs = packet && timing ? heldMs + timing.maxDelayMs + timing.transmissionMs : 0
    const holdersMs = timing ? heldMs + timing.holdersMs : 0
    const directedMs = directed ? heldMs + directed.holdersMs : 0
    const rivals = (askedAt: Monotonic) => this.#rivals.ahead(resource, askedAt).map(downloadByRival)
    const { silenceMs } = this.#settings
    inquiry.start({ waitMs, holdersMs, directedMs, waitForDownloads, silenceMs }, rivals)
    return inquiry
  }

  /**
   * Some of those who have told that they have it. None where they are few; where nodes of the patents are heard, who tell nothing; and
   * where somebody is not believed: among liars only those are who were heard to ask for it, so everybody is to hear it.
   */
  #haveTold(resource: string, key: ResourceKey): readonly Address[] {
    const now = this.#components.clock.monotonic()
    const live = this.livePeers()
    const tells = ({ node, address }: Peer) =>
      node !== undefined && this.#believes(address, resource, undefined) && !this.cautions.has(address, now)
    if (!live.every(tells)) return []
    const tellers = live.filter(({ node }) => node && this.advertising.peers.hasTold(key, node))
    // One machine may speak for many nodes.
    const holders = [...new Set(tellers.map(({ address }) => address))]
    return holders.length < DIRECTED ? [] : this.#asking.someOf(holders)
  }

  get #mayAsk(): boolean {
    return this.#settings.ask && this.#isRunning
  }

  #question(resource: string, maxDelayMs: number | undefined, isForPart: boolean): RequestPacket | undefined {
    if (isForPart) return this.#asking.question(resource, maxDelayMs, { extras: FINDING })
    this.#rivals.asks(resource, this.#components.ability?.() ?? FULL_ABILITY)
    return this.#asking.question(resource, maxDelayMs, { ability: this.#rivals.saidOf(resource) })
  }

  /** Whatever is asked by it leaves together. */
  together(ask: () => void): void {
    this.#asking.together(ask)
  }

  /**
   * Asks the LAN who has `resource`, and gets nothing.
   * @param waitMs how long to listen; absent: as long as a question waits now.
   * @returns `undefined` when it cannot be asked: the node may not, or the name is too long for a packet.
   */
  survey(
    resource: string,
    hearing: { readonly onFound: (found: Found) => void; readonly onOver: () => void },
    waitMs?: number,
  ): Survey | undefined {
    const timing = this.timing()
    const packet = this.#mayAsk
      ? this.#asking.question(resource, timing?.maxDelayMs, { extras: FINDING })
      : undefined
    if (packet === undefined) return undefined
    const over = () => {
      this.#asked.remove(packet)
      hearing.onOver()
    }
    const survey = new Survey(this.#components.clock, this.#asking.sendingFor(packet), hearing.onFound, over)
    this.#asked.add(packet, survey)
    survey.start(this.#asking.heldMs + (waitMs ?? (timing ? timing.maxDelayMs + timing.transmissionMs : 0)))
    return survey
  }

  /**
   * Tells the LAN that this node is fetching `resource` (FIG. 7); `alias` gives the name under which the growing copy can be
   * read, `undefined` until it can. Who asked at the same time and waits for this node is told at once.
   * @param isTakeOver another source had begun it, which may go on in vain.
   */
  announceDownload(
    resource: string,
    alias: () => LocalAlias | undefined,
    progress: () => DownloadProgress,
    isTakeOver = false,
  ): AnnouncedDownload {
    if (!this.#settings.serve) return { readable() {}, complete() {}, failed() {} }
    const id = this.#newId()
    const location = () => this.#locationOf(alias())
    const waiting = this.#rivals.behind(resource, listeningOf(this.#components).monotonic())
    const ability = this.#rivals.saidOf(resource)
    const facts = { id, node: this.#settings.self.node, resource, location, ability }
    return this.#downloads.begin(facts, progress, waiting, isTakeOver)
  }

  #prospect(resource: string, key: ResourceKey, isListed: boolean): Prospect {
    const nodes = this.livePeers().flatMap(({ node }) => node ?? [])
    const now = this.#components.clock.monotonic()
    const { peers } = this.advertising
    if (peers.isLikely(resource, key, nodes, now)) return 'likely'
    // Who has just started knows nobody yet, and so nothing of what they have.
    const isUnknown = !isListed || nodes.length === 0
    return isUnknown || peers.mayHave(resource, key, nodes, now) ? 'possible' : 'none'
  }

  #hearsPlainNodes(): boolean {
    return this.livePeers().some(({ node }) => node === undefined)
  }

  #newId(): RequestId {
    const { random } = this.#components
    let id = random.uint32() as RequestId
    while (this.#asked.has(id)) id = random.uint32() as RequestId
    return id
  }

  readonly #locationOf = (alias: LocalAlias | undefined): string | undefined =>
    alias && `http://${this.#components.transport.address}:${this.#settings.self.filePort}/${alias}`

  readonly #receive = (datagram: Datagram): void => {
    const received = this.#isRunning ? this.#reception.take(datagram) : undefined
    if (received === undefined) return
    const { packet, signer, isSigned, isEntry } = received
    const { from, at } = datagram
    if (isEntry) return this.#tellSite(packet, signer, datagram)
    this.#sender.count(HEARD[packet.type])
    this.#noteFirstPeer()
    this.#presence.heard(from, packet, at, signer.kind === 'member')
    if (signer.kind === 'stranger' && signer.reason === UNKNOWN_KEY) this.#presence.meetSigner(from)
    // A shunned peer is not believed; it is answered all the same.
    if (isClaim(packet) && this.#components.isShunned(from)) return
    this.#handle(packet, datagram, isSigned)
    if (packet.type === 'presence' && packet.leaving) this.#words.left(packet.node)
    this.#tellSite(packet, signer, datagram)
  }

  #tellSite(packet: ServicePacket, signer: Signer, { from, bytes }: Datagram): void {
    if (packet.type === 'application' || packet.type === 'presence')
      this.#components.onSiteWord?.({ packet, from, signer, bytes: bytes.length })
  }

  #noteFirstPeer(): void {
    if (this.#hasHeardPeers) return
    this.#hasHeardPeers = true
    this.#components.onFirstPeer?.()
  }

  #heardRequest(packet: RequestPacket, { from, at, bytes }: Datagram, isSigned: boolean): void {
    const more = packet.more.filter(() => this.#reception.admits(from, at))
    const question = more.length === packet.more.length ? packet : { ...packet, more }
    const { node, extras, ability } = question
    const isBelieved = node !== undefined && !this.#components.isShunned(from)
    const isFinding = extras.some(([name]) => name === FINDING_NAME)
    if (isBelieved && !isFinding)
      for (const href of [question.href, ...question.more.map((each) => each.href)])
        // Whoever asks may come to be waited for.
        if (this.#believes(from, href, undefined))
          this.#rivals.heard(href, { peer: from, node, ability }, listeningOf(this.#components).monotonic())
    this.#answers.request(question, from, bytes.length, isSigned)
  }

  /** What is left aside of it may be one place on it, or its promises. */
  #believes(from: Address, resource: string, location: string | undefined): boolean {
    return !this.#components.isShunned(from, { resource, location })
  }

  #heardResponse(packet: ResponsePacket, from: Address): void {
    const asked = this.#known(this.#asked.answeredBy(packet))
    if (!asked) return
    const { inquiry, resource } = asked
    if (!this.#believes(from, resource, packet.location)) return
    // Who speaks only the patents' packets is late by its nature, and says nothing of how busy the LAN is.
    if (packet.node !== undefined)
      this.peers.answeredLate(inquiry.lateMs(), this.#components.clock.monotonic())
    const { hasAsked } = this.#rivals.standing({ resource, node: packet.node })
    this.#unhurried(from, inquiry, () => inquiry.heardResponse(offerOf(packet, from, hasAsked)))
  }

  /** Whom members warn of is believed last, when the others have had most of the time that the question waits. */
  #unhurried(from: Address, inquiry: Hearing, tell: () => void): void {
    const { clock } = this.#components
    const restMs = this.cautions.has(from, clock.monotonic()) ? inquiry.restMs() : 0
    if (restMs === 0) tell()
    else clock.after(restMs * LAST_SHARE, tell)
  }

  #handle(packet: ServicePacket, datagram: Datagram, isSigned: boolean): void {
    const { from, at } = datagram
    switch (packet.type) {
      case 'request':
        return this.#heardRequest(packet, datagram, isSigned)
      case 'end-request':
        return endsIn(packet).forEach((end) => this.#answers.endRequest(end, from))
      case 'response':
        if (packet.more.length === 0) return this.#heardResponse(packet, from)
        return this.#asking.endingTogether(() =>
          offersIn(packet).forEach((offer) => this.#heardResponse(offer, from)),
        )
      case 'downloading':
        return downloadsAsked(this.#asked, packet).forEach((download) =>
          this.#heardDownloading(download, from),
        )
      case 'download-complete': {
        const { location, resource } = packet
        if (location !== undefined && !this.#believes(from, resource, location)) return
        const { hasAsked } = this.#rivals.standing(packet)
        const offer = location === undefined ? undefined : offerOf({ ...packet, location }, from, hasAsked)
        return this.#concerned(packet, (inquiry) => inquiry.heardComplete(from, offer))
      }
      case 'download-failed':
        return this.#concerned(packet, (inquiry) => inquiry.heardFailed(from, packet.isForEach))
      case 'presence':
        return this.advertising.heardPresence(packet, from, at)
      case 'advertise':
        return this.advertising.heardAdvertise(packet, at)
      case 'application':
        return
    }
  }

  #heardDownloading(packet: DownloadingPacket, from: Address): void {
    this.advertising.peers.downloading(packet.resource, this.#components.clock.monotonic())
    // A node of the patents promises nothing.
    const isPlain = packet.node === undefined && packet.location === undefined
    const isBelieved = isPlain || this.#believes(from, packet.resource, packet.location)
    const isTried = !isBelieved && this.#components.mayBeTried?.(from, packet) === true
    if (!isBelieved && !isTried) return
    this.#concerned(packet, (inquiry) => {
      const heard = downloadOf(packet, from, this.#rivals.standing(packet))
      const download = isBelieved ? heard : { ...heard, isLeftAside: true }
      this.#unhurried(from, inquiry, () => inquiry.heardDownloading(download))
    })
  }

  #concerned(
    packet: { readonly resource: string; readonly nonce: string | undefined },
    tell: (inquiry: Hearing) => void,
  ): void {
    this.#known(this.#asked.concerning(packet))?.forEach(tell)
  }

  /** Answers to nothing that is open are dropped and counted: replays, forgeries, answers that came too late. */
  #known<Asked>(asked: Asked | undefined): Asked | undefined {
    if (asked === undefined) this.#sender.count('dropped: unknown nonce')
    return asked
  }
}

/** Counters, written once: every packet comes by here. */
const HEARD = Object.fromEntries(Object.keys(SCHEMAS).map((type) => [type, `heard: ${type}`])) as Readonly<
  Record<ServicePacket['type'], string>
>

/** For questions that nobody is asked. */
const UNASKED: InquirySender = { directedRequest() {}, request() {}, endRequest() {} }

/** Of the rest of a question's wait; after it there is time to take what was said before it is over. */
const LAST_SHARE = 0.8

/** Whether the packet says what its sender has. */
function isClaim({ type }: ServicePacket): boolean {
  return type === 'response' || type === 'downloading' || type === 'download-complete'
}
