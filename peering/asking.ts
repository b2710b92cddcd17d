/**
 * The way out of this node's questions and their ends. A question leaves at once; those that follow within `HOLD_MS` leave
 * together, as many in one packet as it holds (docs/protocol.md, "Many questions at once"). What some have told that they have is asked
 * of a few of them alone ("Directed questions").
 *
 * Nodes of the patents read the first of them only: while one is heard, each has a packet of its own.
 */
import type { CancelTimer, Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Address } from '../core/transport.ts'
import { encode, padded } from './codec.ts'
import { MAX_FURTHER } from './further.ts'
import type { InquirySender } from './inquiry.ts'
import type { PacketSender } from './packet-sender.ts'
import { MAX_PADDED_BYTES, MIN_REQUEST_BYTES } from './packets.ts'
import type { EndRequestPacket, Extras, NodeId, RequestId, RequestPacket } from './packets.ts'

/** Between two packets of questions, in ms: less than the grain of the timers by which holders answer. */
export const HOLD_MS = 2

/** Questions that begin within this have one nonce, in ms, so that they can share packets. */
export const NONCE_MS = 100

/**
 * So many of those who have told that they have it are asked, where there are so many: the least loaded of them is one of the least
 * loaded of all. Where there are fewer, others may have it by now who have told nothing yet, and everybody is asked.
 */
export const DIRECTED = 5

export interface AskingComponents {
  readonly clock: Clock
  readonly random: Random
  readonly sender: Pick<PacketSender, 'send' | 'broadcast' | 'count'>
  /** A number that no open question has. */
  readonly newId: () => RequestId
  /** Whether the question still waits for answers, or its source for its end. */
  readonly isOpen: (id: RequestId) => boolean
  /** Whether nodes of the patents were heard of late. */
  readonly hearsPlainNodes: () => boolean
}

/** To some; `undefined`: to everybody. */
type Audience = readonly Address[] | undefined

interface Question {
  readonly packet: RequestPacket
  readonly to: Audience
}

interface End {
  readonly packet: EndRequestPacket
  readonly to: Audience
}

/** Whom a question goes to before it goes to everybody. */
export interface Directed {
  readonly to: readonly Address[]
  /** Out of which they draw, in ms. */
  readonly maxDelayMs: number
}

export class Asking {
  readonly #node: NodeId
  readonly #components: AskingComponents
  readonly #held: Question[] = []
  #cancel: CancelTimer | undefined
  #isGathering = false
  #cancelEnds: CancelTimer = () => {}
  #sentAt = -Infinity
  #nonce = { text: '', since: -Infinity }
  /** What was drawn for each that may be asked, while the nonce is the same: questions for many things then have the same few. */
  readonly #drawn = new Map<Address, number>()
  /** "I found" to all who were asked, of one packet of answers. */
  #ends: End[] | undefined
  /** "I found" to one downloader each; it cancels nothing, and has time. */
  readonly #heldEnds = new Map<Address, EndRequestPacket[]>()

  constructor(node: NodeId, components: AskingComponents) {
    this.#node = node
    this.#components = components
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#held.length = 0
    this.#cancelEnds()
    this.#heldEnds.clear()
  }

  /** How long a question asked now is held, in ms. */
  get heldMs(): number {
    return Math.max(0, this.#sentAt + HOLD_MS - this.#components.clock.monotonic())
  }

  /** @param ability how well this node can fetch it, in per cent. @returns `undefined` when the resource is too long for a packet. */
  question(
    resource: string,
    maxDelayMs: number | undefined,
    { extras = [], ability }: { readonly extras?: Extras; readonly ability?: number | undefined } = {},
  ): RequestPacket | undefined {
    const question: RequestPacket = {
      type: 'request',
      id: this.#components.newId(),
      node: this.#node,
      nonce: this.#currentNonce(),
      extras,
      href: resource,
      method: 'get',
      acceptProtocol: 'http',
      cachedOnly: true,
      maxDelayMs,
      ability,
      more: [],
    }
    return encode(question) === undefined ? undefined : question
  }

  /** `DIRECTED` of those who have told that they have something, by lot; for all that is asked at this moment the same. */
  someOf(holders: readonly Address[]): readonly Address[] {
    this.#currentNonce()
    const drawn = (holder: Address) => {
      const known = this.#drawn.get(holder) ?? this.#components.random.fraction()
      this.#drawn.set(holder, known)
      return known
    }
    return holders.toSorted((one, other) => drawn(one) - drawn(other)).slice(0, DIRECTED)
  }

  sendingFor(question: RequestPacket, directed?: Directed): InquirySender {
    const { id, node, nonce, href } = question
    const end: EndRequestPacket = { type: 'end-request', id, node, nonce, href, extras: [], more: [] }
    let to: Audience
    let isRepeated = false
    return {
      directedRequest: () => {
        to = directed?.to
        this.#ask({ packet: { ...question, maxDelayMs: directed?.maxDelayMs }, to }, false)
        // Should they be silent, they were so to all questions that were asked at that moment.
        isRepeated = true
      },
      request: () => {
        to = undefined
        this.#ask({ packet: question, to }, isRepeated)
        isRepeated = true
      },
      endRequest: (downloader) => this.#end({ packet: end, to }, downloader),
    }
  }

  /** Whatever is asked by it leaves in one packet, as far as that holds it. */
  together(ask: () => void): void {
    this.#isGathering = true
    ask()
    this.#isGathering = false
    if (this.#held.length === 0) return
    if (this.heldMs === 0) this.#sendHeld()
    else this.#sendLater(this.heldMs)
  }

  /** Whatever questions end by it say so in one packet. */
  endingTogether(tell: () => void): void {
    const ends: End[] = []
    this.#ends = this.#components.hearsPlainNodes() ? undefined : ends
    tell()
    this.#ends = undefined
    for (const same of Map.groupBy(ends, ({ to }) => to?.join(' ')).values())
      for (const packet of endsTogether(same.map((each) => each.packet))) this.#sendTo(same[0]?.to, packet)
  }

  /** @param isRepeated has time: other questions that began with it are repeated at the same moment. */
  #ask(question: Question, isRepeated: boolean): void {
    const isFirst = this.#held.length === 0 && this.heldMs === 0
    if (isFirst && !isRepeated && !this.#isGathering) return this.#send([question])
    if (!this.#mayJoin(question)) this.#sendHeld()
    this.#held.push(question)
    if (!this.#isGathering) this.#sendLater(isFirst ? HOLD_MS : this.heldMs)
  }

  #sendLater(ms: number): void {
    this.#cancel ??= this.#components.clock.after(ms, () => this.#sendHeld())
  }

  #mayJoin(question: Question): boolean {
    const [held] = this.#held
    if (held === undefined) return true
    const { packet: first } = held
    const { packet } = question
    const isAlike =
      first.nonce === packet.nonce &&
      first.maxDelayMs === packet.maxDelayMs &&
      first.ability === packet.ability &&
      isSame(held.to, question.to)
    const isPlain = first.extras.length + packet.extras.length === 0
    const isNew = this.#held.every((each) => each.packet.href !== packet.href)
    const list = [...this.#held, question].map((each) => each.packet)
    const mayBe = isAlike && isPlain && isNew && list.length <= MAX_FURTHER + 1
    return mayBe && roomFor(list) <= MAX_PADDED_BYTES && encode(together(list)) !== undefined
  }

  #sendHeld(): void {
    this.#cancel?.()
    this.#cancel = undefined
    const open = this.#held.splice(0).filter(({ packet }) => this.#components.isOpen(packet.id))
    if (this.#components.hearsPlainNodes()) for (const each of open) this.#send([each])
    else if (open.length > 0) this.#send(open)
  }

  /** @param questions to the same. */
  #send(questions: readonly Question[]): void {
    const { sender, clock } = this.#components
    this.#sentAt = clock.monotonic()
    if (questions.length > 1) sender.count('sent: further questions', questions.length - 1)
    const packets = questions.map((each) => each.packet)
    this.#sendTo(questions[0]?.to, padded(together(packets), Math.min(MAX_PADDED_BYTES, roomFor(packets))))
  }

  #sendTo(to: Audience, packet: RequestPacket | EndRequestPacket): void {
    const { sender } = this.#components
    if (to === undefined) sender.broadcast(packet)
    else for (const each of to) sender.send(each, packet)
  }

  #end(end: End, downloader: Address | undefined): void {
    // Nobody's answer is left to be cancelled, unless somebody takes the patents' 2000 ms: then it is for one to know.
    if (downloader !== undefined && !this.#components.hearsPlainNodes())
      this.#endLater(end.packet, downloader)
    else if (this.#ends === undefined) this.#sendTo(end.to, end.packet)
    else this.#ends.push(end)
  }

  #endLater(end: EndRequestPacket, downloader: Address): void {
    if (this.#heldEnds.size === 0)
      this.#cancelEnds = this.#components.clock.after(HOLD_MS, () => this.#sendEnds())
    this.#heldEnds.set(downloader, [...(this.#heldEnds.get(downloader) ?? []), end])
  }

  #sendEnds(): void {
    for (const [downloader, ends] of this.#heldEnds)
      for (const packet of endsTogether(ends)) this.#components.sender.send(downloader, packet)
    this.#heldEnds.clear()
  }

  #currentNonce(): string {
    const { clock, random } = this.#components
    const now = clock.monotonic()
    if (now - this.#nonce.since >= NONCE_MS) {
      this.#nonce = { text: random.hex(16), since: now }
      this.#drawn.clear()
    }
    return this.#nonce.text
  }
}

function isSame(one: Audience, other: Audience): boolean {
  if (one === undefined || other === undefined) return one === other
  return one.length === other.length && one.every((each, at) => each === other[at])
}

function together(questions: readonly RequestPacket[]): RequestPacket {
  const [first, ...others] = questions as readonly [RequestPacket, ...RequestPacket[]]
  return { ...first, more: others.map(({ id, href }) => ({ id, href })) }
}

function endsTogether(ends: readonly EndRequestPacket[]): EndRequestPacket[] {
  const packets: EndRequestPacket[] = []
  for (let at = 0; at < ends.length; at += MAX_FURTHER + 1) {
    const [first, ...others] = ends.slice(at, at + MAX_FURTHER + 1)
    if (first !== undefined) packets.push({ ...first, more: others.map(({ id }) => id) })
  }
  return packets
}

/** "I am downloading" takes this and the resource's own length, in bytes, and this for each further name. */
const DOWNLOADING_BYTES = 360
const FURTHER_DOWNLOADING_BYTES = 76

/** As many bytes as the answers may take: no answer is longer than its question (V§4). */
function roomFor([first, ...others]: readonly RequestPacket[]): number {
  const forFirst = Math.max(MIN_REQUEST_BYTES, (first?.href.length ?? 0) + DOWNLOADING_BYTES)
  return forFirst + others.length * FURTHER_DOWNLOADING_BYTES
}
