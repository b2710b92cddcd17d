/**
 * The peering service of one node: client and server at once (R1.1), the clearing house for service packets (R2.4).
 *
 * It owns no socket and no clock: datagrams come from a `Transport`, time from a `Clock`, so that the same lines run in
 * production and on the virtual LAN. Each question and each answer is a machine of its own (peering/machines/).
 */
import type { Clock, Monotonic } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Address, Datagram, Transport } from '../core/transport.ts'
import { Answers } from './answers.ts'
import { decode, encode, padded } from './codec.ts'
import { DownloadReport } from './download-report.ts'
import { Inquiry, type InquiryOwner, type InquirySender } from './inquiry.ts'
import { intake, DEFAULT_INTAKE, type IntakeLimits } from './intake.ts'
import type { DownloadProgress, LocalCopies } from './local-copies.ts'
import type { LocalAlias, NodeId, RequestId, RequestPacket, ServicePacket } from './packets.ts'
import { PeerTable, type Peer, type Timing, type TimingSettings } from './peer-table.ts'
import { Presence } from './presence.ts'
import { downloadOf, offerOf, claimsForeignPlace } from './peer-claims.ts'

export interface PeeringSettings extends TimingSettings {
  readonly node: NodeId
  /** TCP port of this node's server for peers. */
  readonly filePort: number
  /** Be a peering server: answer "I need". */
  readonly serve: boolean
  /** Be a peering client: ask "I need". */
  readonly ask: boolean
  /** A downloader that says nothing for this long is replaced, in ms (R5.3). */
  readonly silenceMs: number
  readonly intake?: IntakeLimits
}

export interface PeeringComponents {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly copies: LocalCopies
  /** Peers whose word is not taken at present. */
  readonly isShunned: (peer: Address) => boolean
}

/** Counts what was dropped and why, by reason (R2.5), and what was sent and heard, by type. */
export type Counters = Map<string, number>

/** Runs the packets of one running download. */
export interface AnnouncedDownload {
  complete(): void
  failed(): void
}

interface Asked {
  readonly inquiry: Inquiry
  readonly packet: RequestPacket
}

export class Peering {
  readonly #settings: PeeringSettings
  readonly #components: PeeringComponents
  readonly #admit: (from: Address, at: Monotonic) => boolean
  readonly #asked = new Map<string, Asked>()
  readonly #downloads = new Map<string, DownloadReport>()
  readonly #answers: Answers
  readonly #presence: Presence
  readonly peers = new PeerTable()
  readonly counters: Counters = new Map()

  constructor(settings: PeeringSettings, components: PeeringComponents) {
    this.#settings = settings
    this.#components = components
    this.#admit = intake(settings.intake ?? DEFAULT_INTAKE)
    this.#presence = new Presence(settings, { ...components, peers: this.peers, send: this.#send })
    this.#answers = new Answers(settings, {
      ...components,
      send: this.#sendBytes,
      onAsked: (resource, peer) => this.#downloads.get(resource)?.asked(peer),
      progressOf: (resource) => this.#progress.get(resource)?.() ?? NO_PROGRESS,
    })
  }

  readonly #progress = new Map<string, () => DownloadProgress>()

  async start(): Promise<void> {
    await this.#components.transport.start(this.#receive)
    this.#presence.start()
  }

  async stop(): Promise<void> {
    this.#presence.stop()
    this.#answers.stop()
    for (const { inquiry } of this.#asked.values()) inquiry.abandon()
    await this.#components.transport.stop()
  }

  /** Who is alive now. */
  livePeers(): Peer[] {
    return this.peers.live(this.#components.clock.monotonic())
  }

  /** How long a question asked now waits; `undefined`: there is nobody to wait for. */
  timing(): Timing | undefined {
    return this.#presence.timing()
  }

  /**
   * Asks the LAN for `resource` (a URL or URI) and runs the owner through FIG. 4B. A node that may not ask, and a
   * resource too long for a packet, go straight to the Internet. One question per resource at a time (R4.6).
   */
  inquire(resource: string, waitForDownloads: boolean, owner: InquiryOwner): Inquiry {
    const packet = this.#question(resource)
    const bytes = this.#settings.ask ? encode(packet) : undefined
    const timing = bytes === undefined ? undefined : this.timing()
    const sender: InquirySender = {
      request: () => bytes && this.#broadcastBytes('request', bytes),
      endRequest: () => this.#broadcast(endRequestOf(packet)),
    }
    const forget = () => {
      if (this.#asked.get(resource)?.packet === packet) this.#asked.delete(resource)
    }
    const inquiry = new Inquiry(this.#components.clock, sender, owner, forget)
    this.#asked.set(resource, { inquiry, packet })
    const waitMs = timing === undefined ? 0 : timing.maxDelayMs + timing.transmissionMs
    inquiry.start({ waitMs, waitForDownloads, silenceMs: this.#settings.silenceMs })
    return inquiry
  }

  /** Tells the LAN that this node is fetching `resource`, readable at `alias` while it grows (FIG. 7). */
  announceDownload(resource: string, alias: LocalAlias, progress: () => DownloadProgress): AnnouncedDownload {
    if (!this.#settings.serve) return { complete: () => {}, failed: () => {} }
    const common = { id: this.#newId(), node: this.#settings.node, nonce: undefined, extras: [] }
    const location = this.#locationOf(alias)
    const report = new DownloadReport(this.#components.clock, {
      downloading: (to) => {
        const packet = { ...common, type: 'downloading', resource, location, ...progress() } as const
        return to === 'everybody' ? this.#broadcast(packet) : this.#send(to, packet)
      },
      complete: (to) => {
        const size = progress().totalBytes
        this.#send(to, { ...common, type: 'download-complete', resource, location, size, digest: undefined })
      },
      failed: (to) => this.#send(to, { ...common, type: 'download-failed', resource }),
    })
    this.#downloads.set(resource, report)
    this.#progress.set(resource, progress)
    report.begin()
    return {
      complete: () => this.#endReport(resource, report, 'complete'),
      failed: () => this.#endReport(resource, report, 'failed'),
    }
  }

  #endReport(resource: string, report: DownloadReport, how: 'complete' | 'failed'): void {
    if (this.#downloads.get(resource) === report) {
      this.#downloads.delete(resource)
      this.#progress.delete(resource)
    }
    report[how]()
  }

  #question(resource: string): RequestPacket {
    const { random } = this.#components
    const timing = this.timing()
    const packet: RequestPacket = {
      type: 'request',
      id: this.#newId(),
      node: this.#settings.node,
      nonce: random.hex(16),
      extras: [],
      href: resource,
      method: 'get',
      acceptProtocol: 'http',
      cachedOnly: true,
      maxDelayMs: timing?.maxDelayMs,
    }
    return padded(packet)
  }

  #newId(): RequestId {
    return this.#components.random.uint32() as RequestId
  }

  #locationOf(alias: LocalAlias): string {
    return `http://${this.#components.transport.address}:${this.#settings.filePort}/${alias}`
  }

  readonly #receive = (datagram: Datagram): void => {
    const { transport, isShunned } = this.#components
    if (!this.#admit(datagram.from, datagram.at)) return this.#count('dropped: too many')
    const decoded = decode(datagram.bytes)
    if (decoded.kind === 'malformed') return this.#count(`dropped: ${decoded.reason}`)
    const { packet } = decoded
    if (packet.node === this.#settings.node) return
    if (datagram.from === transport.address && packet.node === undefined)
      return this.#count('dropped: own address')
    if (claimsForeignPlace(packet, datagram.from)) return this.#count('dropped: foreign location')
    this.#count(`heard: ${packet.type}`)
    this.#presence.heard(datagram.from, packet, datagram.at)
    if (!isShunned(datagram.from)) this.#handle(packet, datagram)
  }

  #handle(packet: ServicePacket, datagram: Datagram): void {
    const { from } = datagram
    switch (packet.type) {
      case 'request':
        return this.#answers.request(packet, from, datagram.bytes.length)
      case 'end-request':
        return this.#answers.endRequest(packet, from)
      case 'response':
        return this.#askedBy(packet)?.inquiry.heardResponse(offerOf(packet, from))
      case 'downloading':
        return this.#askedFor(packet)?.inquiry.heardDownloading(downloadOf(packet, from))
      case 'download-complete': {
        const { location } = packet
        if (location === undefined) return
        return this.#askedFor(packet)?.inquiry.heardComplete(offerOf({ ...packet, location }, from))
      }
      case 'download-failed':
        return this.#askedFor(packet)?.inquiry.heardFailed(from)
      case 'presence':
      case 'application':
        return
    }
  }

  /** The open question that an "I have" answers: by its number, and by the nonce unless the sender knows none. */
  #askedBy(packet: Extract<ServicePacket, { type: 'response' }>): Asked | undefined {
    for (const asked of this.#asked.values()) {
      if (asked.packet.id !== packet.id) continue
      const mayLackNonce = packet.node === undefined && packet.nonce === undefined
      if (mayLackNonce || packet.nonce === asked.packet.nonce) return asked
    }
    this.#count('dropped: unknown nonce')
    return undefined
  }

  /** The open question for the resource of a "downloading" or its end; these also come without being asked for. */
  #askedFor(packet: { readonly resource: string; readonly nonce: string | undefined }): Asked | undefined {
    const asked = this.#asked.get(packet.resource)
    if (asked === undefined || packet.nonce === undefined || packet.nonce === asked.packet.nonce) return asked
    this.#count('dropped: unknown nonce')
    return undefined
  }

  readonly #send = (to: Address, packet: ServicePacket): void => {
    const bytes = encode(packet)
    if (bytes) this.#sendBytes(packet.type, to, bytes)
  }

  readonly #sendBytes = (type: ServicePacket['type'], to: Address, bytes: Uint8Array): void => {
    this.#count(`sent: ${type}`)
    this.#components.transport.send(to, bytes)
  }

  #broadcast(packet: ServicePacket): void {
    const bytes = encode(packet)
    if (bytes) this.#broadcastBytes(packet.type, bytes)
  }

  #broadcastBytes(type: ServicePacket['type'], bytes: Uint8Array): void {
    this.#count(`sent: ${type}`)
    this.#components.transport.broadcast(bytes)
  }

  #count(what: string): void {
    this.counters.set(what, (this.counters.get(what) ?? 0) + 1)
  }
}

function endRequestOf(question: RequestPacket): ServicePacket {
  const { id, node, nonce, href } = question
  return { type: 'end-request', id, node, nonce, href, extras: [] }
}

const NO_PROGRESS: DownloadProgress = { receivedBytes: 0, totalBytes: undefined, bytesPerSecond: undefined }
