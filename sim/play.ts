/** What a scenario of `npm run simulate` is: data, and what happens on the stage. */
import type { Random } from '../core/random.ts'
import type { ScenarioSettings } from './scenario.ts'
import type { Stage } from './stage.ts'
import type { TurnSettings } from './turns.ts'
import type { ClockSkew } from './virtual-clock.ts'
import type { LinkQuality } from './virtual-lan.ts'
import type { VirtualNodeSettings } from './virtual-node.ts'

/** What must hold in every run; what nobody can promise there is left out. */
export interface Limits {
  /**
   * What the origin server sends to one subnet, in copies, besides one for each fetcher that died and each partition. Lost packets cost what they cost: `lossCopies` for a loss of everything.
   */
  readonly copies: number
  readonly lossCopies?: number
  /** Datagrams that a node sends for each file, on average, presence apart. */
  readonly packets: number
  /** Copies of everything that one node sends. */
  readonly busiest: number
  /** Until the last byte is there, as a multiple of the time that one copy takes on the site's connection. */
  readonly completion?: number
  /** The longest that an application waits for its next byte, in ms. */
  readonly stallMs?: number
}

export interface Play {
  readonly name: string
  /** For people, in a few words. */
  readonly about: string
  /** Unless told otherwise. */
  readonly nodes: number
  readonly subnets: number
  /** Bytes of all files together. */
  readonly bytes: number
  /** The fewest of which the time says anything; absent: as of every scenario. */
  readonly leastBytes?: number
  readonly limits: Limits
  /** The network, drawn from the seed where it differs from run to run. */
  readonly lan?: (random: Random) => Partial<LinkQuality>
  readonly world?: ScenarioSettings
  /** Of every node. */
  readonly node?: VirtualNodeSettings
  readonly skew?: (random: Random) => ClockSkew
  /** How every node's program shares its processor. */
  readonly turns?: TurnSettings
  /** What happens; ends when everybody has been answered. `bytes`: of all files together. */
  readonly act: (stage: Stage, bytes: number) => Promise<void>
}

/** What each site's connection to the Internet carries: 20 Mbit/s. */
export const SITE_BYTES_PER_SECOND = 2_500_000
