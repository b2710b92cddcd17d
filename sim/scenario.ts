/** What a test of the virtual LAN is made of: a world from a seed, nodes on it, and the seed in every failure. */
import { seededRandom, type Random } from '../core/random.ts'
import type { TargetUri } from '../core/target-uri.ts'
import { HostilePeer, type HostileSettings } from './hostile-peer.ts'
import { KnownBytes } from './known-bytes.ts'
import type { SpeakerWorld } from './packet-speaker.ts'
import { PatentNode } from './patent-node.ts'
import { VirtualClock } from './virtual-clock.ts'
import type { HostSettings, VirtualHost } from './virtual-host.ts'
import { VirtualHttp } from './virtual-http.ts'
import { VirtualLan, type VirtualLanSettings } from './virtual-lan.ts'
import { VirtualNode, type VirtualNodeSettings, type VirtualWorld } from './virtual-node.ts'
import { decode, type Decoded } from '../peering/codec.ts'
import { VirtualOrigin, type OriginFile } from './virtual-origin.ts'

export interface ScenarioSettings extends VirtualLanSettings {
  /** What the origin server's connection carries, in bytes per second; 8 MB/s unless given. */
  readonly wanBytesPerSecond?: number
  /** For every node that does not say otherwise. */
  readonly node?: VirtualNodeSettings
  /** A scene that takes longer is stuck, in virtual ms; a minute unless given. */
  readonly patienceMs?: number
}

export const WAN_BYTES_PER_SECOND = 8_000_000

const PATIENCE_MS = 60_000

export const KB = 1024
export const MB = 1024 * KB

/** Long enough for the first words of presence to be said and answered, in ms. */
const SETTLE_MS = 500

export class Scenario implements VirtualWorld, SpeakerWorld {
  readonly seed: number
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly lan: VirtualLan
  readonly http: VirtualHttp
  readonly known = new KnownBytes()
  readonly origin: VirtualOrigin
  readonly #settings: ScenarioSettings
  readonly #machines = new Map<string, number>()

  constructor(seed: number, settings: ScenarioSettings = {}) {
    this.seed = seed
    this.#settings = settings
    this.random = seededRandom(seed)
    this.lan = new VirtualLan(this.clock, this.random, settings)
    this.http = new VirtualHttp(this.lan)
    const wan = settings.wanBytesPerSecond ?? WAN_BYTES_PER_SECOND
    const origin = this.lan.host('origin.example', { bytesPerSecond: wan })
    this.origin = new VirtualOrigin(this.clock, this.http, origin, this.known, wan)
  }

  readonly table = (uri: TargetUri) => this.origin.digestOf(uri)

  readonly decode = remembering(decode)

  /** The next free machine on a subnet. */
  machine(subnet = '10.0.0', settings: HostSettings = {}): VirtualHost {
    const number = (this.#machines.get(subnet) ?? 0) + 1
    this.#machines.set(subnet, number)
    return this.lan.host(`${subnet}.${number}`, settings)
  }

  /** A node that runs. */
  async node(settings: VirtualNodeSettings = {}, subnet?: string): Promise<VirtualNode> {
    const own = { ...this.#settings.node, ...settings }
    const node = new VirtualNode(this, this.machine(subnet), this.random.uint32(), own)
    await node.start()
    return node
  }

  readonly contentOf = (uri: TargetUri) => this.origin.bytesOf(uri)

  async hostilePeer(settings: HostileSettings, subnet?: string): Promise<HostilePeer> {
    const peer = new HostilePeer(this, this.machine(subnet), this.random.uint32(), settings)
    await peer.start()
    return peer
  }

  async patentNode(subnet?: string): Promise<PatentNode> {
    const node = new PatentNode(this, this.machine(subnet), this.random.uint32())
    await node.start()
    return node
  }

  /** Nodes that know of each other. */
  async nodes(count: number, settings: VirtualNodeSettings = {}): Promise<VirtualNode[]> {
    const nodes = await Promise.all(Array.from({ length: count }, () => this.node(settings)))
    await this.settle()
    return nodes
  }

  /** Lets the nodes learn of each other. */
  settle(): Promise<void> {
    return this.clock.sleep(SETTLE_MS)
  }

  /** A file of this many bytes at the origin server; each path and seed has bytes of its own. */
  file(path: string, size: number, behaviour: Partial<OriginFile> = {}): TargetUri {
    return this.origin.put(path, { bytes: bytesOf(this.random.uint32(), size), ...behaviour })
  }

  /** What the application must get. */
  sha256(uri: TargetUri): string | undefined {
    return this.origin.digestOf(uri)?.sha256
  }
}

/** Plays a scenario in virtual time. @throws what it threw, with the seed that replays it. */
export async function play<T>(
  seed: number,
  settings: ScenarioSettings,
  scene: (scenario: Scenario) => Promise<T>,
): Promise<T> {
  const scenario = new Scenario(seed, settings)
  try {
    return await scenario.clock.run(scene(scenario), settings.patienceMs ?? PATIENCE_MS)
  } catch (error) {
    if (error instanceof Error)
      error.message = `seed ${seed}, at ${scenario.clock.monotonic()} ms: ${error.message}`
    throw error
  }
}

/** Bytes that look random, the same for the same seed (xorshift, for speed). */
export function bytesOf(seed: number, size: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = seed | 1
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  return new Uint8Array(words.buffer, 0, size)
}

/** A datagram is read once, however many hear it: what it says cannot be changed. */
function remembering(read: (bytes: Uint8Array) => Decoded): (bytes: Uint8Array) => Decoded {
  const remembered = new WeakMap<Uint8Array, Decoded>()
  return (bytes) => {
    const known = remembered.get(bytes)
    if (known !== undefined) return known
    const decoded = read(bytes)
    remembered.set(bytes, decoded)
    return decoded
  }
}
