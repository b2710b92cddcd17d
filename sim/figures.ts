/** What a run came to, in numbers: measured from the stages' records when everybody has been answered. */
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

/** What was measured on one stage; figures may be of several, one subnet on each. */
export interface Measured {
  readonly nodes: number
  readonly requests: number
  readonly files: number
  readonly bytes: number
  readonly copies: readonly number[]
  readonly packets: readonly number[]
  readonly presence: number
  readonly sent: readonly number[]
  readonly doneMs: readonly number[]
  readonly firstByteMs: readonly number[]
  readonly longestStallMs: number
  readonly completionMs: number
  readonly idealMs: number
  readonly events: number
  readonly virtualMs: number
}

export function measure(stage: Stage, siteBytesPerSecond: number): Measured {
  const { sites, asked, files, nodes, clock, world } = stage
  const bytes = sum(files.values())
  const got = asked.flatMap((each) => each.got ?? [])
  const done = got.filter(({ outcome }) => outcome === 'complete')
  return {
    nodes: nodes.length,
    requests: asked.length,
    files: files.size,
    bytes,
    copies: sites.map((site) => copiesOf(stage, site)),
    packets: nodes.map(({ address }) => world.lan.sentBy(address)),
    presence: world.lan.counts.get('presence')?.packets ?? 0,
    sent: nodes.map(({ uploadedBytes }) => uploadedBytes / bytes),
    doneMs: done.map(({ doneMs }) => doneMs),
    firstByteMs: done.map(({ firstByteMs }) => firstByteMs),
    longestStallMs: greatest(done.map(({ longestStallMs }) => longestStallMs)),
    completionMs: greatest(asked.map(({ endedAt = 0 }) => endedAt)) - stage.beganAt,
    idealMs: (bytes / siteBytesPerSecond) * 1000,
    events: clock.happened,
    virtualMs: clock.monotonic(),
  }
}

export function figuresOf(measured: readonly Measured[]): Figures {
  const of = (pick: (each: Measured) => number) => measured.map(pick)
  const all = (pick: (each: Measured) => readonly number[]) => measured.flatMap(pick)
  const nodes = sum(of((each) => each.nodes))
  const copies = all((each) => each.copies)
  const presence = sum(of((each) => each.presence))
  const packets = all((each) => each.packets)
  const sent = all((each) => each.sent)
  return {
    requests: sum(of((each) => each.requests)),
    bytes: greatest(of((each) => each.bytes)),
    copies: sum(copies) / copies.length,
    worstCopies: greatest(copies),
    packets: (sum(packets) - presence) / (nodes * greatest(of((each) => each.files))),
    presence: presence / nodes,
    mostPackets: greatest(packets),
    sent: sum(sent) / sent.length,
    busiest: greatest(sent),
    doneMs: spread(all((each) => each.doneMs)),
    firstByteMs: spread(all((each) => each.firstByteMs)),
    longestStallMs: greatest(of((each) => each.longestStallMs)),
    completionMs: greatest(of((each) => each.completionMs)),
    idealMs: greatest(of((each) => each.idealMs)),
    events: sum(of((each) => each.events)),
    virtualMs: greatest(of((each) => each.virtualMs)),
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
