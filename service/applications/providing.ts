/** Functions that applications perform for the LAN, and ask for (R10, R11.1). */
import { NO_LONGER_NEEDED } from '../../core/ended.ts'
import { Fault } from '../../core/fault.ts'
import { functionName, type FunctionName, type Functions } from '../../providers/functions.ts'
import { placeFault } from '../../providers/place.ts'
import { LineQueue } from './line-queue.ts'
import { toldProvider, type ToldProvider } from './told-provider.ts'

export interface OfferQuestion {
  /** 1 to 64 letters, digits, `-`, `.`; one with a dot, such as `spelling.example.org`, is nobody else's. */
  readonly function: string
  /** Where this application performs it: `http://address:port/…`, at this node's address on the LAN, port 80 or >= 1024. */
  readonly location: string
  /** How well, 0 to 1,000,000; absent: what this machine is worth (docs/providers.md). */
  readonly value?: number
}

/** The lines of an offer, which stands as long as they are read. */
export type OfferLine =
  | { readonly kind: 'offered' }
  /** This application is the one who performs it from now on; or no longer. */
  | { readonly kind: 'won'; readonly provider: ToldProvider }
  | { readonly kind: 'lost'; readonly reason: string }

export interface ProviderQuestion {
  readonly function: string
  /** Contacts the provider, or asks the LAN again, before it is believed. */
  readonly fresh?: boolean
}

export interface ReportQuestion extends Pick<ToldProvider, 'function' | 'node' | 'term'> {
  readonly reason: string
}

export interface ProvidingComponents {
  /** `undefined`: functions are off, or there is no LAN. */
  readonly functions: () => Functions | undefined
  /** This node's address on the LAN. */
  readonly address: () => string | undefined
  /** What this machine is worth as a provider. */
  readonly ownValue: () => number
}

const MAX_VALUE = 1_000_000

/** @throws Fault BAD_REQUEST */
export async function* offer(
  question: unknown,
  signal: AbortSignal,
  components: ProvidingComponents,
): AsyncGenerator<OfferLine> {
  const functions = functionsOf(components)
  const { name, location, value } = offerFrom(question, components.address())
  const lines = new LineQueue<OfferLine>(() => ({ kind: 'offered' }))
  const unsubscribe = functions.subscribe((event) => {
    if (event.kind === 'function-won' && event.provider.function === name)
      lines.push({ kind: 'won', provider: toldProvider(event.provider) })
    if (event.kind === 'function-lost' && event.function === name)
      lines.push({ kind: 'lost', reason: event.reason })
  })
  lines.push({ kind: 'offered' })
  const offering = functions.offer(name, { location: () => location, value: value ?? components.ownValue })
  const end = () => lines.end()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    yield* lines
  } finally {
    signal.removeEventListener('abort', end)
    unsubscribe()
    offering.withdraw()
  }
}

/** One line: the provider, or `null`. @throws Fault BAD_REQUEST */
export async function* provider(
  question: unknown,
  signal: AbortSignal,
  components: ProvidingComponents,
): AsyncGenerator<ToldProvider | null> {
  const functions = functionsOf(components)
  const { fresh = false } = (question ?? {}) as { readonly fresh?: unknown }
  const until = new AbortController()
  const found = await functions.find(nameFrom(question), {
    fresh: fresh === true,
    signal: AbortSignal.any([signal, until.signal]),
  })
  until.abort(NO_LONGER_NEEDED)
  yield found === undefined ? null : toldProvider(found)
}

/** What is not known any more has been reported by somebody else. @throws Fault BAD_REQUEST */
export function report(question: unknown, components: ProvidingComponents): void {
  const functions = functionsOf(components)
  const { node, term, reason } = (question ?? {}) as Partial<Record<keyof ReportQuestion, unknown>>
  const name = nameFrom(question)
  if (typeof node !== 'string' || typeof term !== 'number' || typeof reason !== 'string')
    throw new Fault('BAD_REQUEST', 'expected { "function", "node", "term", "reason" }')
  const known = functions
    .known()
    .find((each) => each.function === name && each.node === node && each.term === term)
  if (known !== undefined) functions.report(known, reason.replaceAll(/[^ -~]/g, '?').slice(0, 200))
}

function functionsOf({ functions }: ProvidingComponents): Functions {
  const known = functions()
  if (known !== undefined) return known
  throw new Fault(
    'BAD_REQUEST',
    'nobody can be found or offered here: functions are off on this node (functions.enabled), or it has no LAN',
  )
}

function nameFrom(question: unknown): FunctionName {
  const { function: text } = (question ?? {}) as { readonly function?: unknown }
  const name = typeof text === 'string' ? functionName(text) : undefined
  if (name !== undefined) return name
  throw new Fault('BAD_REQUEST', 'function: expected 1 to 64 letters, digits, "-", "."')
}

function offerFrom(question: unknown, address: string | undefined) {
  const name = nameFrom(question)
  const { location, value } = (question ?? {}) as Partial<Record<keyof OfferQuestion, unknown>>
  const place = typeof location === 'string' ? location : ''
  const fault = address === undefined ? 'this node has no LAN' : placeFault(place, address)
  if (fault !== undefined) throw new Fault('BAD_REQUEST', `location: ${fault}; got "${place.slice(0, 200)}"`)
  const isValue = typeof value === 'number' && value >= 0 && value <= MAX_VALUE
  if (value !== undefined && !isValue) throw new Fault('BAD_REQUEST', `value: expected 0 to ${MAX_VALUE}`)
  return { name, location: place, value: value === undefined ? undefined : () => value }
}
