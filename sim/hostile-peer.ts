/** A peer that speaks the protocol well and means ill: it offers whatever is asked for, and misbehaves when it is taken. */
import { hash } from 'node:crypto'
import { bodyOf, type Answer } from '../core/answer.ts'
import { seededRandom, type Random } from '../core/random.ts'
import { questionsIn } from '../peering/further.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Address } from '../core/transport.ts'
import { STALL_MS } from '../retrieval/patience.ts'
import type { FileRequest } from '../peering/file-server.ts'
import type {
  DownloadingPacket,
  NodeId,
  RequestId,
  RequestPacket,
  ServicePacket,
} from '../peering/packets.ts'
import { NOT_FOUND, served, wanted } from './served-bytes.ts'
import { speakPackets, type PacketSpeaker, type SpeakerWorld } from './packet-speaker.ts'
import type { VirtualHost } from './virtual-host.ts'

export const HOSTILE_KINDS = [
  /** The right length, one wrong byte. */
  'wrong-bytes',
  /** Promises all, ends in the middle. */
  'short',
  /** Says no length and never ends. */
  'endless',
  /** Sends half and then nothing. */
  'stalled',
  /** Takes the request and says nothing at all. */
  'silent',
  /** Nobody listens at the place that it names. */
  'unreachable',
  /** A longer body, with its honest length. */
  'wrong-length',
  /** Sends the asker elsewhere: into its own network, say. */
  'redirect',
  /** A whole, sound body: of another version. */
  'old-content',
  /** Ten bytes every tenth of a second. */
  'slow-drip',
  /** Its "I have" tells another size than the file has. */
  'lies-about-size',
  /** Has everything, until it is asked for it: 404. */
  'answers-everything',
  /** Announces a body that no store takes. */
  'huge-length',
  /** Announces 40 MB, sends the beginning of the file and then nothing. */
  'claims-more',
  /** Is always about to have it, and says so again and again; as a holder it never answers. */
  'promises',
  /** A byte now and then, and its word that no more has come to it. */
  'excuses',
  /** The right bytes, all of them, slowly. */
  'slow',
  /** Half of them at once, then slowly. */
  'slowing',
  /** The right bytes, about as quickly as the line, and then nothing. */
  'nearly-whole',
  /** The same with one wrong byte. */
  'nearly-whole-wrong',
  /** Takes its download back just before its silence would count, and begins anew. */
  'takes-back',
] as const

/**
 * Those that are played in turn; `late-promises`, which has ways of its own, keeps its promise just before it would count as broken, by
 * naming a copy that is of no use; `plain-promises` says in the packets of the patents, and in no others, that it has received more and
 * more, and never where, and is played beside all the others; `for-each` promises, and takes it back as if the file were for each who asks.
 */
export type HostileKind = (typeof HOSTILE_KINDS)[number] | 'late-promises' | 'plain-promises' | 'for-each'

/** What is named in the end where a promise is kept late. */
export const LATE_COPIES = ['silence', 'drips', 'wrong-bytes', 'beginning'] as const

export type LateCopy = (typeof LATE_COPIES)[number]

export interface HostileSettings {
  readonly kind: HostileKind
  /** `holder` says "I have", `downloader` "I am downloading" with a growing copy. */
  readonly role?: 'holder' | 'downloader'
  /** Whether it asks for what others ask for, as whoever fetches does. */
  readonly asks?: boolean
  /** Whether its node ID is made for each file so that it comes first in rank. */
  readonly isFirst?: boolean
  /** Where it is slow. */
  readonly bytesPerSecond?: number
  /** Where it sends nearly all, the share after which nothing comes. */
  readonly stopsAt?: number
  /** Where it keeps its promise late: how long after the question, in ms, and what the copy is. */
  readonly keepsAtMs?: number
  readonly keepsWith?: LateCopy
  /** And how long after it is asked for it the copy begins, in ms. */
  readonly beginsAfterMs?: number
}

const PORT = 6515

/** The rate of a body without an end: slow enough for a simulation, fast enough to do harm. */
const ENDLESS_CHUNK_BYTES = 16 * 1024
const ENDLESS_INTERVAL_MS = 10
const DRIP_BYTES = 10
const DRIP_INTERVAL_MS = 100
const HUGE_BYTES = 99_999_999_999_999
const MORE_BYTES = 40_000_000
/** So often one that speaks only the patents' packets says how much it has, in ms, and so many times. */
const PLAIN_INTERVAL_MS = 100
const PLAIN_WORDS = 150
/** So often one that only promises, or excuses itself, says so again, in ms. */
const WORD_INTERVAL_MS = 400
const WORDS = 30
const EXCUSE_INTERVAL_MS = 300
/** Just above what a complete copy must bring. */
const SLOW_BYTES_PER_SECOND = 200_000
const SLOW_INTERVAL_MS = 50
/** The share after which nothing comes. */
const STOPS_AT = 0.5
/** A silence that does not count yet, in ms: whoever knows the protocol knows how long that is. */
const NEARLY_STALLED_MS = STALL_MS - 20
/** So often one promises that keeps it late, in ms, and so long it takes, unless it is told. */
const PROMISE_INTERVAL_MS = 200
const KEPT_AT_MS = 550
/** A promise is taken back after so long, in ms. */
const FOR_EACH_AFTER_MS = 100
/** What it sends of a copy that is only begun: enough to be of use. */
const BEGINNING_BYTES = 1100
/** IDs that are tried for one that comes first. */
const IDS = 64

export class HostilePeer {
  readonly host: VirtualHost
  readonly settings: HostileSettings
  /** Requests for its copies. */
  asked = 0
  readonly #world: SpeakerWorld
  readonly #random: Random
  readonly #node: NodeId
  readonly #offers = new Map<string, TargetUri>()
  /** What it has asked for, and as whom. */
  readonly #asked = new Map<string, NodeId>()
  #speaker: PacketSpeaker | undefined

  constructor(world: SpeakerWorld, host: VirtualHost, seed: number, settings: HostileSettings) {
    this.#world = world
    this.host = host
    this.settings = settings
    this.#random = seededRandom(seed)
    this.#node = this.#random.hex(16) as NodeId
  }

  get address(): Address {
    return this.host.address
  }

  async start(): Promise<void> {
    const authority = `${this.address}:${PORT}`
    if (this.settings.kind !== 'unreachable')
      this.#world.http.listen(this.host, authority, (request) => this.#misbehave(request))
    this.#speaker = await speakPackets(this.#world.lan, this.host, (packet, from) => this.#hear(packet, from))
    this.#speaker.broadcast(this.#presence(undefined))
  }

  #hear(packet: ServicePacket, from: Address): void {
    if (packet.type === 'presence' && packet.reply) this.#speaker?.send(from, this.#presence(packet.nonce))
    if (packet.type === 'request') for (const each of questionsIn(packet)) this.#answer(each, from)
  }

  /** Asks once for each file, before it answers. */
  #nodeFor(question: RequestPacket): NodeId {
    const { asks = false, isFirst = false } = this.settings
    const known = this.#asked.get(question.href)
    if (known !== undefined) return known
    const node = isFirst ? this.#firstFor(question.href) : this.#node
    this.#asked.set(question.href, node)
    const id = this.#random.uint32() as RequestId
    const nonce = this.#random.hex(16)
    if (asks) this.#speaker?.broadcast({ ...question, id, nonce, node, more: [] })
    return node
  }

  #firstFor(href: string): NodeId {
    const rank = (node: string) => hash('sha256', `${node}\n${href}`)
    const nodes = Array.from({ length: IDS }, () => this.#random.hex(16) as NodeId)
    return nodes.reduce((first, node) => (rank(node) < rank(first) ? node : first), this.#node)
  }

  #answer(question: RequestPacket, from: Address): void {
    if (this.settings.kind === 'plain-promises') return void this.#promisePlainly(question, from)
    const offer = this.#offer(question, this.#nodeFor(question))
    this.#speaker?.send(from, offer)
    if (offer.type === 'downloading' && this.settings.kind === 'takes-back')
      void this.#takeBack(offer, question, from)
    if (offer.type === 'downloading' && this.settings.kind === 'late-promises')
      void this.#keepLate(offer, question, from)
    if (offer.type === 'downloading' && this.settings.kind === 'for-each') void this.#sendAway(offer, from)
    if (offer.type === 'downloading' && REPEATING.has(this.settings.kind)) void this.#repeat(offer, from)
  }

  /** At a rate that looks as if it were worth the wait. */
  async #promisePlainly({ id, href: resource }: RequestPacket, to: Address): Promise<void> {
    const { bytesPerSecond = SLOW_BYTES_PER_SECOND } = this.settings
    const common = { id, node: undefined, nonce: undefined, location: undefined, more: [], extras: [] }
    for (let word = 1; word <= PLAIN_WORDS; word++) {
      const receivedBytes = Math.ceil((word * bytesPerSecond * PLAIN_INTERVAL_MS) / 1000)
      const untold = { totalBytes: undefined, bytesPerSecond: undefined }
      this.#speaker?.send(to, { ...common, ...untold, type: 'downloading', resource, receivedBytes })
      await this.#pause(PLAIN_INTERVAL_MS)
    }
  }

  async #repeat(offer: DownloadingPacket, to: Address): Promise<void> {
    for (let receivedBytes = 1; receivedBytes <= WORDS; receivedBytes++) {
      await this.#pause(WORD_INTERVAL_MS)
      this.#speaker?.send(to, { ...offer, receivedBytes })
    }
  }

  /** Each word tells of a little more, as that of a machine whose download has begun. */
  async #keepLate(offer: DownloadingPacket, question: RequestPacket, to: Address): Promise<void> {
    const { keepsAtMs = KEPT_AT_MS } = this.settings
    for (let atMs = PROMISE_INTERVAL_MS; atMs < keepsAtMs; atMs += PROMISE_INTERVAL_MS) {
      await this.#pause(PROMISE_INTERVAL_MS)
      this.#speaker?.send(to, { ...offer, receivedBytes: atMs })
    }
    await this.#pause(keepsAtMs % PROMISE_INTERVAL_MS || PROMISE_INTERVAL_MS)
    const location = this.#locationFor(question.href as TargetUri)
    this.#speaker?.send(to, { ...offer, receivedBytes: keepsAtMs, location })
  }

  /** And so on: with a new place each time, which is as silent as the one before. */
  async #takeBack(offer: DownloadingPacket, question: RequestPacket, to: Address): Promise<void> {
    const { id, nonce, node, resource, extras } = offer
    for (let time = 0; time < WORDS; time++) {
      await this.#pause(NEARLY_STALLED_MS)
      this.#speaker?.send(to, { type: 'download-failed', id, nonce, node, resource, extras })
      await this.#pause(1)
      this.#speaker?.send(to, this.#offer(question, node ?? this.#node))
    }
  }

  /** Everybody at once, as an answer with a cookie would. */
  async #sendAway({ id, nonce, node, resource, extras }: DownloadingPacket, to: Address): Promise<void> {
    await this.#pause(FOR_EACH_AFTER_MS)
    this.#speaker?.send(to, { type: 'download-failed', id, nonce, node, resource, isForEach: true, extras })
  }

  #presence(nonce: string | undefined): ServicePacket {
    const id = this.#random.uint32() as RequestId
    const said = { summary: undefined, filePort: PORT, reply: false, leaving: false, extras: [] }
    return { type: 'presence', id, node: this.#node, nonce, ...said }
  }

  /** At once, without the random delay: so it comes before every honest holder. */
  #offer({ id, nonce, href }: RequestPacket, node: NodeId): ServicePacket {
    const location = this.#locationFor(href as TargetUri)
    const size = this.#claimedSize(href as TargetUri)
    const common = { id, nonce, node, location, extras: [] }
    if (this.settings.role === 'downloader') {
      const progress = { receivedBytes: 0, totalBytes: size, bytesPerSecond: undefined }
      const isPromise = PROMISING.has(this.settings.kind)
      const place = isPromise ? undefined : location
      return { ...common, ...progress, location: place, type: 'downloading', more: [], resource: href }
    }
    const untold = { digest: undefined, etag: undefined, lastModified: undefined, version: undefined }
    return { ...common, ...untold, type: 'response', more: [], size, ageSeconds: 0 }
  }

  #locationFor(uri: TargetUri): string {
    const alias = this.#random.hex(32)
    this.#offers.set(`/${alias}`, uri)
    return `http://${this.address}:${PORT}/${alias}`
  }

  #claimedSize(uri: TargetUri): number | undefined {
    const size = this.#world.contentOf(uri)?.length
    return this.settings.kind === 'lies-about-size' && size !== undefined ? 3 * size + 7 : size
  }

  #misbehave(request: FileRequest): Answer | Promise<Answer> {
    this.asked++
    const uri = this.#offers.get(request.target)
    const right = uri === undefined ? undefined : this.#world.contentOf(uri)
    if (right === undefined) return NOT_FOUND
    const honest = served(request, right)
    const part = wanted(request, right)
    const half = part.subarray(0, part.length >> 1)
    switch (this.settings.kind) {
      case 'wrong-bytes':
        return served(request, this.#spoiled(right))
      case 'short':
        return { ...honest, body: bodyOf(half) }
      case 'endless':
        return { status: 200, fields: [], body: this.#endless() }
      case 'stalled':
        return { ...honest, body: this.#stalled(half) }
      case 'huge-length':
        return { ...announcing(honest, HUGE_BYTES), body: this.#stalled(part) }
      case 'claims-more':
        return { ...announcing(honest, MORE_BYTES), body: this.#stalled(part) }
      case 'excuses':
        return { ...honest, body: this.#dripping(part, 1, EXCUSE_INTERVAL_MS) }
      case 'slow':
        return { ...honest, body: this.#slowly(part) }
      case 'slowing':
        return { ...honest, body: this.#slowly(part, half.length) }
      case 'nearly-whole':
        return { ...honest, body: this.#nearlyWhole(part) }
      case 'nearly-whole-wrong':
        return { ...honest, body: this.#nearlyWhole(wanted(request, this.#spoiled(right, STOPS_AT))) }
      case 'silent':
      case 'takes-back':
      case 'promises':
      case 'plain-promises':
        return new Promise<Answer>(() => {})
      case 'late-promises':
      case 'for-each':
        return this.#keptLate(request, right)
      case 'wrong-length':
        return served(request, Buffer.concat([right, right.subarray(0, 1000)]))
      case 'redirect':
        return { status: 302, fields: [['Location', 'http://169.254.169.254/latest/meta-data/']] }
      case 'old-content':
        return served(request, this.#otherVersion(right.length))
      case 'slow-drip':
        return { ...honest, body: this.#dripping(part) }
      case 'lies-about-size':
        return honest
      case 'answers-everything':
      case 'unreachable':
        return NOT_FOUND
    }
  }

  async #keptLate(request: FileRequest, right: Uint8Array): Promise<Answer> {
    const { keepsWith = 'silence', beginsAfterMs = 0 } = this.settings
    if (keepsWith === 'silence') return new Promise<Answer>(() => {})
    await this.#pause(beginsAfterMs)
    const honest = served(request, right)
    const part = wanted(request, right)
    if (keepsWith === 'drips') return { ...honest, body: this.#dripping(part) }
    if (keepsWith === 'beginning')
      return { ...honest, body: this.#stalled(part.subarray(0, BEGINNING_BYTES)) }
    return served(request, this.#spoiled(right))
  }

  /** @param share of it in which the wrong byte is. */
  #spoiled(right: Uint8Array, share = 1): Uint8Array {
    const spoiled = right.slice()
    const at = Math.floor(this.#random.fraction() * share * spoiled.length)
    spoiled[at] = (spoiled[at] ?? 0) ^ 0x20
    return spoiled
  }

  #otherVersion(size: number): Uint8Array {
    return new Uint8Array(size).fill(this.#random.uint32() & 0xff)
  }

  async *#endless(): AsyncIterable<Uint8Array> {
    for (;;) {
      await this.#pause(ENDLESS_INTERVAL_MS)
      yield this.#otherVersion(ENDLESS_CHUNK_BYTES)
    }
  }

  async *#stalled(part: Uint8Array): AsyncIterable<Uint8Array> {
    yield part
    await new Promise(() => {})
  }

  async *#nearlyWhole(part: Uint8Array): AsyncIterable<Uint8Array> {
    const { stopsAt = STOPS_AT } = this.settings
    yield* this.#slowly(part.subarray(0, Math.floor(stopsAt * part.length)))
    await new Promise(() => {})
  }

  async *#slowly(part: Uint8Array, quickBytes = 0): AsyncIterable<Uint8Array> {
    const { bytesPerSecond = SLOW_BYTES_PER_SECOND } = this.settings
    yield part.subarray(0, quickBytes)
    const bytes = Math.ceil((bytesPerSecond * SLOW_INTERVAL_MS) / 1000)
    yield* this.#dripping(part.subarray(quickBytes), bytes, SLOW_INTERVAL_MS)
  }

  async *#dripping(
    part: Uint8Array,
    bytes = DRIP_BYTES,
    intervalMs = DRIP_INTERVAL_MS,
  ): AsyncIterable<Uint8Array> {
    for (let at = 0; at < part.length; at += bytes) {
      yield part.subarray(at, at + bytes)
      await this.#pause(intervalMs)
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.host.life.clock.after(delayMs, resolve)
    })
  }
}

/** Say first that they will have it, and not where. */
const PROMISING: ReadonlySet<HostileKind> = new Set<HostileKind>(['promises', 'late-promises', 'for-each'])

const REPEATING: ReadonlySet<HostileKind> = new Set<HostileKind>(['promises', 'excuses'])

function announcing({ status, fields }: Answer, length: number): Answer {
  const others = fields.filter(([name]) => name.toLowerCase() !== 'content-length')
  return { status, fields: [...others, ['Content-Length', String(length)]] }
}
