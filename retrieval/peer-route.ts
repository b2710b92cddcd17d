/**
 * The way to a peer's copy through the tree of its readers (R3.5): the peer that offers it if it has a place, else one
 * of those who are being served and pass on what they receive, or one below them.
 *
 * For the caller it is one body from one peer. A relay on the way that breaks off, stalls or goes astray is left for
 * another place in the tree, at the byte where it stopped; only when the offering peer itself is of no use has the source
 * failed. Nobody reads, over others, from itself: a copy tells the nodes over which it comes.
 */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { sleep, type Clock } from '../core/clock.ts'
import { describe, Fault } from '../core/fault.ts'
import type { Fields } from '../core/fields.ts'
import type { Address } from '../core/transport.ts'
import type { Upstream } from '../core/upstream.ts'
import type { NodeId } from '../peering/packets.ts'
import { placeOfRelay, type Relay } from '../peering/relay-fields.ts'
import { EXCUSED_MS, keepingPace, within, type Pace } from './pace.ts'
import { askPeer, type OpenedSource } from './peer-source.ts'

export interface PeerRouteSettings {
  /** The offering peer, and where its copy is. */
  readonly peer: Address
  readonly location: string
  /** This node's ID. */
  readonly node: NodeId
  /** What tells others where this node passes on what it receives. */
  readonly relay: Fields
  /** What the offering peer must keep up with, and what a relay, whose copy grows. */
  readonly pace: Pace
  readonly relayPace: Pace
}

export interface PeerRouteComponents {
  readonly clock: Clock
  readonly peers: Upstream
  /** Whether a node has said that it serves files there: nobody is sent anywhere else on another's word. */
  readonly servesFiles: (address: Address, port: number) => boolean
  /** Of a node that nobody has heard of yet its own word is asked for: it may have been lost. */
  readonly meet: (address: Address) => void
  /** Bytes come from others from now on (`servers`). */
  readonly onDetour: () => void
}

/** So long nobody is asked again when everybody was full, in ms. */
const PAUSE_MS = 20

/** Nodes that are asked in one search before it begins anew at the offering peer. */
export const MAX_ASKED = 16

/** Relays that may fail in the middle of one body. */
export const MAX_DETOURS = 8

/** When a relay has failed, the offering peer must be found alive within this, in ms: there has been silence enough. */
export const DETOUR_MS = 150

/** Who sends, and where it was asked. */
export interface Server {
  readonly server: Address
  readonly location: string
}

/** Somebody who may have a place. */
interface Candidate extends Server {
  readonly isRelay: boolean
}

interface Wanted {
  /** The first byte. */
  readonly from: number
  /** So long one that is asked may take to answer. */
  readonly patienceMs: number
  readonly signal: AbortSignal
}

interface Place extends Server {
  readonly isRelay: boolean
  readonly opened: OpenedSource
  readonly close: () => void
}

export class PeerRoute {
  readonly #settings: PeerRouteSettings
  readonly #components: PeerRouteComponents
  /** Relays that proved useless. */
  readonly #avoided = new Set<Address>()
  #place: Place | undefined

  constructor(settings: PeerRouteSettings, components: PeerRouteComponents) {
    this.#settings = settings
    this.#components = components
  }

  /** The nodes over which the bytes come, the nearest first; the offering peer alone has none before it. */
  get path(): readonly NodeId[] {
    return this.#place?.opened.path ?? []
  }

  /** The relay that the bytes come from; `undefined` where the offering peer sends them itself. */
  get relay(): Server | undefined {
    return this.#place?.isRelay === true
      ? { server: this.#place.server, location: this.#place.location }
      : undefined
  }

  /**
   * Who may be to blame for the bytes: when they come over others it is not known who made them. Who has the whole has verified it,
   * whoever it had it from.
   */
  get servers(): readonly Server[] {
    if (this.#place === undefined) return []
    const { peer, location } = this.#settings
    const { server, location: at, isRelay, opened } = this.#place
    const nearest = { server, location: at }
    return isRelay && opened.path !== undefined ? [nearest, { server: peer, location }] : [nearest]
  }

  /**
   * The bytes from `from` on. @throws Fault PEER_FAILED, PEER_STALLED of the offering peer; PEER_BUSY when no place became
   * free; PEER_LOST when a relay failed and there is no way around it.
   */
  async open(from: number, signal: AbortSignal): Promise<OpenedSource> {
    const place = await this.#find(from, this.#settings.pace.periodMs, signal)
    return { ...place.opened, body: this.#body(place, signal) }
  }

  async *#body(first: Place, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let place = first
    let at = first.opened.from
    let detours = 0
    for (;;) {
      try {
        for await (const chunk of this.#paced(place)) {
          at += chunk.length
          yield chunk
        }
        if (!place.isRelay || at >= (first.opened.size ?? Infinity)) return
      } catch (error) {
        if (!place.isRelay || signal.aborted) throw error
      } finally {
        place.close()
      }
      this.#avoided.add(place.server)
      if ((detours += 1) > MAX_DETOURS) throw new Fault('PEER_LOST', 'one relay after the other broke off')
      place = await this.#around(at, signal)
      this.#mustBeTheSame(first, place)
      this.#components.onDetour()
    }
  }

  /** Whoever is at the other end of a way that broke is not to blame for it. */
  async #around(at: number, signal: AbortSignal): Promise<Place> {
    try {
      return await this.#find(at, DETOUR_MS, signal)
    } catch (error) {
      throw new Fault('PEER_LOST', `a relay failed, and the way around it: ${describe(error)}`, {
        cause: error,
      })
    }
  }

  #paced({ opened, isRelay }: Place): AsyncIterable<Uint8Array> {
    const { pace, relayPace } = this.#settings
    return keepingPace(opened.body, isRelay ? relayPace : pace, this.#components.clock)
  }

  #mustBeTheSame({ opened: { size } }: Place, { opened }: Place): void {
    if (opened.size !== size)
      throw new Fault(
        'PEER_FAILED',
        `expected ${size ?? 'any number of'} bytes, the next place has ${opened.size}`,
      )
  }

  /**
   * From the offering peer down the tree, and again after a pause, until somebody has a place. Who fetches over a slow line has
   * none for so long as it has nothing to give: that excuses it as it does in the middle of a body.
   */
  async #find(from: number, patienceMs: number, signal: AbortSignal): Promise<Place> {
    const { clock } = this.#components
    let until = clock.monotonic() + patienceMs
    for (;;) {
      const place = await this.#search(from, patienceMs, signal)
      if (place !== undefined) return (this.#place = place)
      if (clock.monotonic() >= until) {
        if (this.#settings.relayPace.excuse?.() !== true) throw new Fault('PEER_BUSY', 'no place became free')
        until += EXCUSED_MS
      }
      await sleep(clock, PAUSE_MS, signal)
      if (signal.aborted) throw new Fault('ABORTED', 'nobody waits for it any more')
    }
  }

  async #search(from: number, patienceMs: number, signal: AbortSignal): Promise<Place | undefined> {
    const { peer, location } = this.#settings
    const wanted = { from, patienceMs, signal }
    const first = await this.#ask({ server: peer, location, isRelay: false }, wanted)
    if (!Array.isArray(first)) return first
    const asked = new Set<Address>([peer, ...this.#avoided])
    const relays = [...first]
    while (relays.length > 0 && asked.size < MAX_ASKED) {
      const relay = relays.shift()
      if (relay === undefined) break
      const { address, port } = placeOfRelay(relay)
      if (asked.has(address)) continue
      if (!this.#components.servesFiles(address, port)) {
        this.#components.meet(address)
        continue
      }
      asked.add(address)
      const at = { server: address, location: `http://${relay}`, isRelay: true }
      const found = await this.#ask(at, wanted).catch(() => NOBODY)
      if (!Array.isArray(found)) return found
      // Down one branch before along the row: the first that was named was named least lately.
      relays.unshift(...found)
    }
    return undefined
  }

  /** @returns the place, or who else may have one. */
  async #ask(
    { server, location, isRelay }: Candidate,
    { from, patienceMs, signal }: Wanted,
  ): Promise<Place | Relay[]> {
    const { node, relay, pace, relayPace } = this.#settings
    const end = new AbortController()
    const close = () => end.abort(NO_LONGER_NEEDED)
    const asking = askPeer(this.#components.peers, {
      location,
      from,
      node,
      more: relay,
      signal: AbortSignal.any([signal, end.signal]),
    })
    try {
      const answer = await within(asking, patienceMs, this.#components.clock, isRelay ? relayPace : pace)
      if (answer.kind === 'opened' && !answer.source.path?.includes(node))
        return { server, location, isRelay, opened: answer.source, close }
      close()
      return answer.kind === 'opened' ? [] : [...answer.relays]
    } catch (error) {
      close()
      throw error instanceof Fault ? error : new Fault('PEER_FAILED', describe(error), { cause: error })
    }
  }
}

const NOBODY: Relay[] = []
