/** Which bytes to ask the origin server for, given what is missing and what is on its way. Pure. */
import type { ByteSpan } from '../core/ranges.ts'

/** A request to the origin server under way. */
export interface InFlight {
  /** The next byte that it brings. */
  readonly at: number
  /** It brings no byte from here on; `Infinity` when nobody knows. */
  readonly end: number
}

/** All of a body, whatever its size turns out to be. */
export const WHOLE: ByteSpan = { start: 0, end: Infinity }

export type Step<Flight extends InFlight> =
  /** Nobody brings these. */
  | { readonly kind: 'fetch'; readonly span: ByteSpan }
  /** `flight` brings these, soon enough to wait. */
  | { readonly kind: 'follow'; readonly span: ByteSpan; readonly flight: Flight }

/** A byte that is this far behind what a request under way brings next is asked for by itself. */
export const SOON_BYTES = 4 * 1024 * 1024

/** Two holes with less than this between them are one request: a head costs as much. */
export const JOINED_GAP_BYTES = 1024

/** A request under way that comes to more than this that is here already ends there: asking anew costs less. */
export const SKIPPED_BYTES = 1024 * 1024

/** What brings every byte of `holes` (in any order), each byte once: what is on its way is waited for. */
export function plan<Flight extends InFlight>(
  holes: readonly ByteSpan[],
  flights: readonly Flight[],
): Step<Flight>[] {
  const ascending = holes.toSorted((one, other) => one.start - other.start)
  return joined(ascending, flights).flatMap((hole) => stepsFor(hole, flights))
}

/** Whether a request at `at` had better end: this much is here from there on, or brought by another. */
export function isWorthSkipping(at: number, heldUntil: number, others: readonly InFlight[]): boolean {
  let end = heldUntil
  for (let other = covering(end); other !== undefined; other = covering(end)) end = other.end
  return end - at > SKIPPED_BYTES

  function covering(offset: number): InFlight | undefined {
    return others.find((each) => each.at <= offset && offset < each.end)
  }
}

function stepsFor<Flight extends InFlight>(hole: ByteSpan, flights: readonly Flight[]): Step<Flight>[] {
  const steps: Step<Flight>[] = []
  for (let start = hole.start; start < hole.end;) {
    const step = nextStep({ start, end: hole.end }, flights)
    steps.push(step)
    start = step.span.end
  }
  return steps
}

function nextStep<Flight extends InFlight>(
  { start, end }: ByteSpan,
  flights: readonly Flight[],
): Step<Flight> {
  const flight = flights.find((each) => each.at <= start && start < each.end && start - each.at <= SOON_BYTES)
  if (flight !== undefined) return { kind: 'follow', span: { start, end: Math.min(end, flight.end) }, flight }
  const next = flights.filter(({ at }) => at > start).map(({ at }) => at)
  return { kind: 'fetch', span: { start, end: Math.min(end, ...next) } }
}

/** Holes as one where so little lies between them that asking for it again is cheaper, and nobody brings either. */
function joined(holes: readonly ByteSpan[], flights: readonly InFlight[]): ByteSpan[] {
  const all: ByteSpan[] = []
  for (const hole of holes) {
    const last = all.at(-1)
    const isNear = last !== undefined && hole.start - last.end < JOINED_GAP_BYTES
    const isFree = !flights.some(({ at, end }) => at < hole.end && end > (last?.start ?? 0))
    if (isNear && isFree) all[all.length - 1] = { start: last.start, end: Math.max(last.end, hole.end) }
    else all.push(hole)
  }
  return all
}
