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
import type { EndRequestPacket, Extras, RequestId, RequestPacket } from './packets.ts'
import type { Self } from './self.ts'

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
  readonly sender: Pick<PacketSender, 'send' | 'sendAll' | 'broadcast' | 'count'>
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
  readonly #self: Pick<Self, 'node'>
  readonly #components: AskingComponents
  readonly #held = new Held()
  #cancel: CancelTimer | undefined
  #isGathering = false
  #cancelEnds: CancelTimer = () => {}
  #sentAt = -Infinity
  #nonce = { text: '', since: -Infinity }
  /** Who is asked first, while the nonce is the same. */
  #few: readonly Address[] = []
  /** "I found" to all who were asked, of one packet of answers. */
  #ends: End[] | undefined
  /** "I found" to one downloader each; it cancels nothing, and has time. */
  readonly #heldEnds = new Map<Address, EndRequestPacket[]>()

  constructor(self: Pick<Self, 'node'>, components: AskingComponents) {
    this.#self = self
    this.#components = components
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#held.take()
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
      node: this.#self.node,
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

  /**
   * `DIRECTED` of those who have told that they have something, by lot. For all that is asked at this moment they are the same, so that
   * many names take few packets: none where one of them has not told this name.
   */
  someOf(holders: readonly Address[]): readonly Address[] {
    this.#currentNonce()
    if (this.#few.length === 0) this.#few = this.#drawn(holders)
    return this.#few.every((each) => holders.includes(each)) ? this.#few : []
  }

  #drawn(holders: readonly Address[]): readonly Address[] {
    const { random } = this.#components
    const lots = holders.map((holder) => ({ holder, lot: random.fraction() }))
    return lots
      .toSorted((one, other) => one.lot - other.lot)
      .slice(0, DIRECTED)
      .map(({ holder }) => holder)
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
    if (this.#held.isEmpty) return
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
    const isFirst = this.#held.isEmpty && this.heldMs === 0
    if (isFirst && !isRepeated && !this.#isGathering) return this.#send([question])
    if (!mayJoin(this.#held.with(question), question)) this.#sendHeld()
    this.#held.add(question)
    if (!this.#isGathering) this.#sendLater(isFirst ? HOLD_MS : this.heldMs)
  }

  #sendLater(ms: number): void {
    this.#cancel ??= this.#components.clock.after(ms, () => this.#sendHeld())
  }

  #sendHeld(): void {
    this.#cancel?.()
    this.#cancel = undefined
    for (const held of this.#held.take()) {
      const open = held.filter(({ packet }) => this.#components.isOpen(packet.id))
      if (this.#components.hearsPlainNodes()) for (const each of open) this.#send([each])
      else if (open.length > 0) this.#send(open)
    }
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
    else sender.sendAll(to, packet)
  }

  #end(end: End, downloader: Address | undefined): void {
    // Behind its "I found" whoever hears it would answer it, and nothing would take that back.
    this.#held.remove(end.packet.id)
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
      this.#few = []
    }
    return this.#nonce.text
  }
}

/** Questions that wait to leave together: those to everybody, and those to a few. */
class Held {
  #toAll: Question[] = []
  #toFew: Question[] = []

  get isEmpty(): boolean {
    return this.#toAll.length + this.#toFew.length === 0
  }

  /** Those that it would leave with. */
  with({ to }: Question): readonly Question[] {
    return to === undefined ? this.#toAll : this.#toFew
  }

  add(question: Question): void {
    if (question.to === undefined) this.#toAll.push(question)
    else this.#toFew.push(question)
  }

  remove(id: RequestId): void {
    const isOther = ({ packet }: Question) => packet.id !== id
    this.#toAll = this.#toAll.filter(isOther)
    this.#toFew = this.#toFew.filter(isOther)
  }

  /** All of them, by whom they go to. */
  take(): readonly (readonly Question[])[] {
    const held = [this.#toFew, this.#toAll]
    this.#toAll = []
    this.#toFew = []
    return held
  }
}

/** Whether a question leaves in the packet of those that are held. */
function mayJoin(held: readonly Question[], question: Question): boolean {
  const [first] = held
  if (first === undefined) return true
  const { nonce, maxDelayMs, ability, extras } = first.packet
  const { packet } = question
  const isAlike =
    nonce === packet.nonce &&
    maxDelayMs === packet.maxDelayMs &&
    ability === packet.ability &&
    isSame(first.to, question.to)
  const isPlain = extras.length + packet.extras.length === 0
  const isNew = held.every((each) => each.packet.href !== packet.href)
  const list = [...held, question].map((each) => each.packet)
  const mayBe = isAlike && isPlain && isNew && list.length <= MAX_FURTHER + 1
  return mayBe && roomFor(list) <= MAX_PADDED_BYTES && encode(together(list)) !== undefined
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
