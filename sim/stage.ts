/**
 * Where a scenario of `npm run simulate` plays: sites with their nodes in one world, and a record of all that was asked
 * and of all that went wrong on purpose, which the checks (sim/checks.ts) and the figures are made from.
 */
import { hash } from 'node:crypto'
import { Fault } from '../core/fault.ts'
import { seededRandom, type Random } from '../core/random.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { HostileSettings, HostilePeer } from './hostile-peer.ts'
import type { DownloadEnd, PatentNode } from './patent-node.ts'
import type { Scenario } from './scenario.ts'
import type { OriginFile } from './virtual-origin.ts'
import type { Got } from './virtual-application.ts'
import type { TurnSettings } from './turns.ts'
import type { ClockSkew, VirtualClock } from './virtual-clock.ts'
import type { Crash } from './virtual-host.ts'
import { VirtualNode, type VirtualNodeSettings } from './virtual-node.ts'

/** What a run is made from, besides the scenario: the same values replay it exactly. */
export interface Parameters {
  readonly seed: number
  /** Of all subnets together. */
  readonly nodes: number
  readonly subnets: number
  /** The share of datagrams that is lost; absent: as the scenario has it. */
  readonly loss?: number
  /** Bytes of all files together; absent: as the scenario has it. */
  readonly bytes?: number
}

/** What the machines of a scenario are like. */
export interface Machines {
  readonly skew?: (random: Random) => ClockSkew
  readonly turns?: TurnSettings
  readonly node?: VirtualNodeSettings
}

/** One subnet with its own connection to the Internet. */
export interface Site {
  readonly subnet: string
  readonly nodes: readonly VirtualNode[]
  /** How often its LAN fell into two parts. */
  partitions: number
  /** Crashes of the node that was fetching, by file. */
  readonly diedFetching: Map<TargetUri, number>
  /** Machines that lie. */
  readonly liars: HostilePeer[]
  readonly plain: PatentNode[]
}

/** One request of an application; `got` is absent while it waits. */
export interface Asked {
  readonly site: Site
  readonly uri: TargetUri
  got?: Got
  /** When it was answered, in virtual ms. */
  endedAt?: number
}

const PLAIN_ENDS: readonly DownloadEnd[] = ['complete', 'complete, without a place', 'failed', 'silence']

/** A subnet is a /24, and some of it is for the liars. */
export const MAX_NODES_PER_SUBNET = 250

export class Stage {
  readonly world: Scenario
  readonly parameters: Parameters
  readonly sites: readonly Site[]
  readonly files = new Map<TargetUri, number>()
  readonly asked: Asked[] = []
  /** What went wrong and is no request of a node of ours. */
  readonly faults: string[] = []
  /** When the first request was made, in virtual ms. */
  beganAt = Infinity

  constructor(world: Scenario, parameters: Parameters, machines: Machines = {}) {
    this.world = world
    this.parameters = parameters
    const { nodes, subnets } = parameters
    this.sites = Array.from({ length: subnets }, (_, at) => {
      const count = Math.floor(((at + 1) * nodes) / subnets) - Math.floor((at * nodes) / subnets)
      return this.#site(`10.${at >> 8}.${at & 255}`, count, machines)
    })
  }

  get clock(): VirtualClock {
    return this.world.clock
  }

  get random(): Random {
    return this.world.random
  }

  get nodes(): readonly VirtualNode[] {
    return this.sites.flatMap(({ nodes }) => nodes)
  }

  /** Publishes a file at the origin server. */
  file(path: string, size: number, behaviour: Partial<OriginFile> = {}): TargetUri {
    const uri = this.world.file(path, size, behaviour)
    this.files.set(uri, size)
    return uri
  }

  /**
   * An application of this node asks, and reads to the end. Where peers lie, a large file may begin wrong; then it is cut
   * off before its end (V§2), and the application, as they all do, asks again.
   */
  async want(site: Site, node: VirtualNode, uri: TargetUri): Promise<Got> {
    const got = await this.#ask(site, node, uri)
    return wasRefused(got) && site.liars.length > 0 ? this.#ask(site, node, uri) : got
  }

  async #ask(site: Site, node: VirtualNode, uri: TargetUri): Promise<Got> {
    const asked: Asked = { site, uri }
    this.asked.push(asked)
    this.beganAt = Math.min(this.beganAt, this.clock.monotonic())
    asked.got = await node.get(uri, { client: `application ${this.asked.length}` })
    asked.endedAt = this.clock.monotonic()
    return asked.got
  }

  /** Whatever the node was fetching from the Internet must be fetched again by another. */
  crash(site: Site, node: VirtualNode, how: Crash): void {
    for (const { isFetcher, request } of node.assembly.retrievals.all()) {
      if (!isFetcher) continue
      site.diedFetching.set(request.uri, (site.diedFetching.get(request.uri) ?? 0) + 1)
    }
    node.crash(how)
  }

  async liar(site: Site, settings: HostileSettings): Promise<void> {
    site.liars.push(await this.world.hostilePeer(settings, site.subnet))
  }

  async plainNode(site: Site): Promise<PatentNode> {
    const node = await this.world.patentNode(site.subnet)
    site.plain.push(node)
    return node
  }

  /** A node of the patents asks; where nobody answers, it fetches the file itself, from a provider of its own. */
  async plainWants(site: Site, node: PatentNode, uri: TargetUri): Promise<void> {
    const location = await node.need(uri)
    if (location === undefined) return this.#plainDownload(node, uri)
    const host = this.world.lan.find(new URL(location).hostname)
    const isOurs = site.nodes.some(({ address }) => address === host?.address)
    const right = this.world.sha256(uri)
    const got = await node.fetch(location)
    // Whoever knows only the patents does not verify: what a liar gives it is between the two.
    if (isOurs && got !== undefined && sha256Of(got) !== right)
      this.faults.push(`${node.address} got wrong bytes of ${uri} from ${location}`)
    if (got !== undefined) node.holds(uri)
  }

  async #plainDownload(node: PatentNode, uri: TargetUri): Promise<void> {
    const end = PLAIN_ENDS[this.random.uint32() % PLAIN_ENDS.length] ?? 'complete'
    const forMs = 500 + 2500 * this.random.fraction()
    node.downloads(uri, forMs, end)
    await this.clock.sleep(forMs)
  }

  /** After a random time of up to `withinMs`. */
  async soon(withinMs: number): Promise<void> {
    await this.clock.sleep(this.random.fraction() * withinMs)
  }

  /** The same for every node of every site, all at once. */
  async everywhere(act: (site: Site, node: VirtualNode, at: number) => Promise<unknown>): Promise<void> {
    await Promise.all(this.sites.flatMap((site) => site.nodes.map((node, at) => act(site, node, at))))
  }

  #site(subnet: string, count: number, { skew, turns, node: settings = {} }: Machines): Site {
    const make = () => {
      const host = this.world.machine(subnet, {
        ...(skew && { skew: skew(this.random) }),
        ...(turns && { turns: { ...turns, random: seededRandom(this.random.uint32()) } }),
      })
      return new VirtualNode(this.world, host, this.random.uint32(), settings)
    }
    const nodes = Array.from({ length: count }, make)
    return { subnet, nodes, partitions: 0, diedFetching: new Map(), liars: [], plain: [] }
  }
}

/** The verifier had the last word, and the application knows that what it got is not the file. */
export function wasRefused({ outcome, error }: Got): boolean {
  return outcome === 'cut' && error instanceof Fault && error.code === 'VERIFICATION_FAILED'
}

function sha256Of(bytes: Uint8Array): string {
  return hash('sha256', bytes)
}
