/**
 * What must hold in every simulated run, whatever happened in it (requirement R4, R5; docs/simulation.md): every request
 * ends right, the origin server sends no more than it must, and nobody carries the load of the others.
 */
import { HOLD_BACK_BYTES } from '../retrieval/release.ts'
import { WINDOW_BYTES } from './body-flow.ts'
import { sentTo, sum, type Figures } from './figures.ts'
import type { Play } from './play.ts'
import { wasRefused, type Asked, type Site, type Stage } from './stage.ts'

/** What a fetcher that dies had under way, and what another held back and lost with it, in bytes. */
const LOST_WITH_FETCHER_BYTES = HOLD_BACK_BYTES + WINDOW_BYTES

/** What one liar may cost: as much as a fetcher that died. */
const LIAR_COPIES = 1

/** An answer that comes late costs a block of what the origin server had begun to send, not a copy. */
const LATE_BYTES = 64 * 1024

/** With more loss than this no time is promised. */
const PROMISED_LOSS = 0.1

/** What the one that fetches a file says of it besides. */
const FETCHER_PACKETS = 12

/** More failures of one kind are not spelt out. */
const MAX_TOLD = 5

/** @returns what does not hold, in words; nothing where all is well. */
export function failuresOf(play: Play, stage: Stage, figures: Figures): string[] {
  return [
    ...several(stage.asked.flatMap((asked) => wrongAnswer(stage, asked))),
    ...several(stage.faults),
    ...several(stage.sites.flatMap((site) => tooManyCopies(play, stage, site))),
    ...exceeding(play, stage, figures),
  ]
}

function wrongAnswer(stage: Stage, { site, uri, got }: Asked): string[] {
  if (got === undefined) return [`${uri}: no answer`]
  // Its own node has crashed, and the application knows.
  if (got.outcome === 'crashed' || (site.liars.length > 0 && wasRefused(got))) return []
  if (got.outcome !== 'complete' || got.status !== 200)
    return [`${uri}: ${got.outcome} after ${got.bytes} bytes, status ${got.status}: ${String(got.error)}`]
  return got.sha256 === stage.world.sha256(uri) ? [] : [`${uri}: wrong bytes`]
}

/**
 * One copy, and one more for each fetcher that died, each partition and each liar; lost packets cost their share.
 */
function tooManyCopies({ limits }: Play, stage: Stage, site: Site): string[] {
  const { files, world, parameters } = stage
  const loss = world.lan.loss
  const allowed = sum(
    Array.from(files, ([uri, size]) => {
      const died = site.diedFetching.get(uri) ?? 0
      const more = died + site.partitions + LIAR_COPIES * site.liars.length
      return size * (limits.copies + more) + died * LOST_WITH_FETCHER_BYTES + LATE_BYTES
    }),
  )
  const forLosses = (limits.lossCopies ?? 0) * loss * sum(files.values())
  const sent = sum(Array.from(files.keys(), (uri) => sentTo(stage, site, uri)))
  if (sent <= allowed + forLosses + 1) return []
  const whole = sum(files.values())
  const [copies, limit] = [sent, allowed + forLosses].map((bytes) => (bytes / whole).toFixed(3))
  const where = parameters.subnets === 1 ? '' : ` to ${site.subnet}.*`
  return [`the origin server sent ${copies} copies${where}, at most ${limit} expected`]
}

function exceeding({ limits }: Play, { world, parameters }: Stage, figures: Figures): string[] {
  const isLossy = world.lan.loss > PROMISED_LOSS
  const { packets, busiest, completionMs, idealMs, longestStallMs } = figures
  const bounds: readonly (readonly [what: string, value: number, limit: number | undefined])[] = [
    // What the fetcher says to everybody falls on few where there are few.
    ['packets per node and file', packets, limits.packets + FETCHER_PACKETS / parameters.nodes],
    ['copies that one node sent', busiest, limits.busiest],
    [
      'time until the last byte, of the ideal',
      completionMs / idealMs,
      isLossy ? undefined : limits.completion,
    ],
    ['longest stall, in ms', longestStallMs, limits.stallMs],
  ]
  return bounds.flatMap(([what, value, limit]) =>
    limit === undefined || value <= limit ? [] : [`${what}: ${value.toFixed(2)}, at most ${limit} expected`],
  )
}

function several(failures: readonly string[]): string[] {
  const more = failures.length - MAX_TOLD
  return more <= 0 ? [...failures] : [...failures.slice(0, MAX_TOLD), `and ${more} more like these`]
}
