/** What a run came to, in numbers: measured from the stage's record when everybody has been answered. */
import type { Parameters, Site, Stage } from './stage.ts'
import type { TargetUri } from '../core/target-uri.ts'

export interface Figures {
  readonly requests: number
  /** Bytes of all files together. */
  readonly bytes: number
  /** Copies that the origin server sent to one subnet: on average, and to the one that cost most. */
  readonly copies: number
  readonly worstCopies: number
  /** Datagrams that a node sent for each file, on average; presence apart. */
  readonly packets: number
  /** Datagrams of presence that a node sent in all, on average. */
  readonly presence: number
  /** Datagrams that the node sent that sent most. */
  readonly mostPackets: number
  /** Copies of everything that one node sent: on average, and the one that sent most. */
  readonly sent: number
  readonly busiest: number
  /** From a request to its last byte, in ms. */
  readonly doneMs: Spread
  readonly firstByteMs: Spread
  readonly longestStallMs: number
  /** From the first request to the last byte of all, in ms, and what one copy takes on the site's connection. */
  readonly completionMs: number
  readonly idealMs: number
  /** Events that the simulation took. */
  readonly events: number
  readonly virtualMs: number
}

export interface Spread {
  readonly p50: number
  readonly p95: number
  readonly max: number
}

export function figuresOf(stage: Stage, siteBytesPerSecond: number): Figures {
  const { sites, asked, files, nodes, clock, world } = stage
  const bytes = sum(files.values())
  const copies = sites.map((site) => copiesOf(stage, site))
  const presence = world.lan.counts.get('presence')?.packets ?? 0
  const packets = sum(nodes.map(({ address }) => world.lan.sentBy(address)))
  const sent = nodes.map(({ uploadedBytes }) => uploadedBytes / bytes)
  const got = asked.flatMap((each) => each.got ?? [])
  const done = got.filter(({ outcome }) => outcome === 'complete')
  return {
    requests: asked.length,
    bytes,
    copies: sum(copies) / copies.length,
    worstCopies: Math.max(...copies),
    packets: (packets - presence) / (nodes.length * files.size),
    presence: presence / nodes.length,
    mostPackets: greatest(nodes.map(({ address }) => world.lan.sentBy(address))),
    sent: sum(sent) / sent.length,
    busiest: greatest(sent),
    doneMs: spread(done.map(({ doneMs }) => doneMs)),
    firstByteMs: spread(done.map(({ firstByteMs }) => firstByteMs)),
    longestStallMs: greatest(done.map(({ longestStallMs }) => longestStallMs)),
    completionMs: greatest(asked.map(({ endedAt = 0 }) => endedAt)) - stage.beganAt,
    idealMs: (bytes / siteBytesPerSecond) * 1000,
    events: clock.happened,
    virtualMs: clock.monotonic(),
  }
}

/** Bytes of the origin server for one subnet, in copies of everything. */
export function copiesOf({ files, world }: Stage, { subnet }: Site): number {
  return sum(Array.from(files.keys(), (uri) => world.origin.sentTo(subnet, uri))) / sum(files.values())
}

/** Bytes of one file that the origin server sent to one subnet. */
export function sentTo({ world }: Stage, { subnet }: Site, uri: TargetUri): number {
  return world.origin.sentTo(subnet, uri)
}

/** How to say on a command line what a run was made from. */
export function commandOf(play: string, { seed, nodes, subnets, loss, bytes }: Parameters): string {
  const more = [
    ...(loss === undefined ? [] : [`--loss ${loss}`]),
    ...(bytes === undefined ? [] : [`--bytes ${bytes}`]),
  ]
  const whole = ['--scenario', play, '--nodes', nodes, '--subnets', subnets, '--seed', seed, ...more]
  return `npm run simulate -- ${whole.join(' ')}`
}

function spread(values: readonly number[]): Spread {
  const sorted = Float64Array.from(values).toSorted()
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return { p50: at(0.5), p95: at(0.95), max: at(1) }
}

export function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}

/** Of any number of them: `Math.max(...values)` takes no hundred thousand. */
function greatest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0)
}
