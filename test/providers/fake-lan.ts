/** A few nodes with their functions on a LAN of values, with the true signatures of a site, in manual time. */
import type { Address } from '../../core/transport.ts'
import type { NodeId, RequestId } from '../../peering/packets.ts'
import type { Extras } from '../../peering/packets.ts'
import type { Signer } from '../../peering/packet-seal.ts'
import type { FunctionEvent, FunctionName, Provider } from '../../providers/functions.ts'
import { providerMemory, type ProviderBook } from '../../providers/provider-book.ts'
import { Providers } from '../../providers/providers.ts'
import { siteSigning } from '../../providers/site-signing.ts'
import { writeWord, type FunctionWord } from '../../providers/words.ts'
import type { Membership } from '../../site/membership.ts'
import { seededRandom } from '../../core/random.ts'
import { manualClock, type ManualClock } from '../manual-clock.ts'

export const PRINT = 'print' as FunctionName

/** Small delays: few nodes. */
export const TIMING = {
  delayMs: 100,
  roundTripMs: 200,
  heartbeatMs: 5000,
  silenceMs: 21_000,
  doubtMs: 60_000,
}

export interface FakeNodeSettings {
  readonly membership?: Membership
  readonly configured?: readonly Provider[]
  readonly book?: ProviderBook
  readonly reserved?: readonly FunctionName[]
}

export class FakeNode {
  readonly self: { node: NodeId }
  readonly address: Address
  readonly lan: FakeLan
  readonly book: ProviderBook
  readonly providers: Providers
  readonly events: FunctionEvent[] = []
  /** Locations that were contacted. */
  readonly contacted: string[] = []
  membership: Membership | undefined

  constructor(
    lan: FakeLan,
    at: number,
    { membership, configured = [], reserved = [], book }: FakeNodeSettings,
  ) {
    this.lan = lan
    this.self = { node: `${at}`.repeat(32).slice(0, 32) as NodeId }
    this.address = `127.0.0.${at}` as Address
    this.book = book ?? providerMemory()
    this.membership = membership
    this.providers = new Providers(
      { self: this.self, timing: () => TIMING, configured, reserved },
      {
        clock: lan.clock,
        random: seededRandom(at),
        signing: () => siteSigning(() => this.membership),
        book: this.book,
      },
    )
    this.providers.subscribe((event) => this.events.push(event))
    this.providers.start({
      say: (name, extras, to) => lan.send(this, name, extras, to),
      isOnLink: (address) => address.startsWith('127.0.0.'),
      isLinkUp: () => lan.isPlugged(this),
      contact: async (location) => {
        this.contacted.push(location)
        return lan.nodes.some((each) => lan.isServing(each) && location.includes(`//${each.address}:`))
      },
    })
  }

  get id(): NodeId {
    return this.self.node
  }

  get location(): string {
    return `http://${this.address}:8080/`
  }

  offer(value: number) {
    return this.providers.offer(PRINT, { location: () => this.location, value: () => value })
  }

  known(): Provider | undefined {
    return this.providers.known().find((each) => each.function === PRINT)
  }

  kinds(): string[] {
    return this.events.map(({ kind }) => kind)
  }

  counted(what: string): number {
    return this.providers.counters.get(what) ?? 0
  }
}

export interface Sent {
  readonly from: FakeNode
  readonly name: string
  readonly extras: Extras
  readonly to: Address | undefined
}

export class FakeLan {
  readonly clock: ManualClock = manualClock()
  readonly nodes: FakeNode[] = []
  readonly sent: Sent[] = []
  readonly #down = new Set<FakeNode>()
  readonly #dead = new Set<FakeNode>()
  readonly #deaf = new Set<FakeNode>()
  readonly #mute = new Set<FakeNode>()
  readonly #unplugged = new Set<FakeNode>()

  node(settings: FakeNodeSettings = {}): FakeNode {
    const node = new FakeNode(this, this.nodes.length + 1, settings)
    this.nodes.push(node)
    return node
  }

  crash(node: FakeNode): void {
    this.#down.add(node)
  }

  /** Its node lives, what it offers does not answer. @param isDead `false`: it answers again. */
  failService(node: FakeNode, isDead = true): void {
    if (isDead) this.#dead.add(node)
    else this.#dead.delete(node)
  }

  isServing(node: FakeNode): boolean {
    return this.isUp(node) && !this.#dead.has(node)
  }

  /** Its own link is down: nothing comes, nothing goes. */
  unplug(node: FakeNode, isUnplugged = true): void {
    this.deafen(node, isUnplugged)
    if (isUnplugged) this.#mute.add(node)
    else this.#mute.delete(node)
    if (isUnplugged) this.#unplugged.add(node)
    else this.#unplugged.delete(node)
  }

  isPlugged(node: FakeNode): boolean {
    return !this.#unplugged.has(node)
  }

  /** Its packets are lost; it answers over HTTP. */
  mute(node: FakeNode): void {
    this.#mute.add(node)
  }

  /** Nothing reaches it by packet. */
  deafen(node: FakeNode, isDeaf: boolean): void {
    if (isDeaf) this.#deaf.add(node)
    else this.#deaf.delete(node)
  }

  isUp(node: FakeNode): boolean {
    return !this.#down.has(node)
  }

  send(from: FakeNode, name: string, extras: Extras, to?: Address): void {
    if (!this.isUp(from) || this.#mute.has(from)) return
    this.sent.push({ from, name, extras, to })
    const member = from.membership?.id
    const signer: Signer =
      member === undefined ? { kind: 'stranger', reason: 'unsigned' } : { kind: 'member', member }
    this.clock.after(1, () => this.deliver(from, signer, name, extras, to))
  }

  /** A packet of a node, whoever signed it. */
  deliver(
    from: Pick<FakeNode, 'id' | 'address'>,
    signer: Signer,
    name: string,
    extras: Extras,
    to?: Address,
  ): void {
    const packet = {
      type: 'application',
      name,
      id: 1 as RequestId,
      node: from.id,
      nonce: undefined,
      extras,
    } as const
    for (const each of this.nodes)
      if (
        each.id !== from.id &&
        this.isUp(each) &&
        !this.#deaf.has(each) &&
        (to === undefined || to === each.address)
      )
        each.providers.hear({ packet, from: from.address, signer, bytes: 1200 })
  }

  /** What a node says without its providers knowing. */
  says(from: FakeNode, word: FunctionWord, signer?: Signer): void {
    const member = from.membership?.id
    const own: Signer = member === undefined ? STRANGER : { kind: 'member', member }
    this.deliver(from, signer ?? own, ...writeWord(word))
  }

  /** Takes its leave, as peering says it. */
  leaves(from: FakeNode): void {
    this.crash(from)
    const packet = {
      type: 'presence',
      id: 1 as RequestId,
      node: from.id,
      nonce: undefined,
      filePort: 6515,
      reply: false,
      leaving: true,
      summary: undefined,
      extras: [],
    } as const
    const member = from.membership?.id
    const signer: Signer = member === undefined ? STRANGER : { kind: 'member', member }
    for (const each of this.nodes)
      if (this.isUp(each)) each.providers.hear({ packet, from: from.address, signer, bytes: 200 })
  }

  /** Lets promises go on between moments of time. */
  async passes(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 20) {
      this.clock.advance(Math.min(20, ms - passed))
      await Promise.resolve()
    }
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

export const STRANGER: Signer = { kind: 'stranger', reason: 'unsigned' }
