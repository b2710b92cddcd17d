/** What happens on a node and its LAN, for applications that listen (R11.1). */
import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import type { Listeners } from '../../core/listeners.ts'
import { withoutSecrets } from '../../core/redaction.ts'
import type { Store } from '../../core/store.ts'
import type { SiteWord } from '../../peering/peering.ts'
import type { Peer } from '../../peering/peer-table.ts'
import type { FunctionEvent, Functions } from '../../providers/functions.ts'
import type { UpdateEvent } from '../../update/installer/events.ts'
import type { Lan } from '../assembly.ts'
import type { ProductEvent } from '../product-updates.ts'
import { digestText } from './content-uri.ts'
import { LineQueue } from './line-queue.ts'
import { toldProvider, type ToldProvider } from './told-provider.ts'

export type NodeEvent =
  /** A packet of an application's type. Who sent it is what the packet says, unless a member of the site has signed it. */
  | {
      readonly kind: 'packet'
      readonly type: string
      readonly attributes: Readonly<Record<string, string>>
      readonly address: string
      readonly node?: string
      /** The site key of the member who signed it. */
      readonly member?: string
    }
  /** A response, or an announced copy, was stored or removed. */
  | {
      readonly kind: 'stored' | 'removed'
      /** Without its query. */
      readonly uri: string
      readonly size: number
      readonly digest: string
    }
  | { readonly kind: 'peer-came' | 'peer-left'; readonly address: string; readonly node?: string }
  /** Who performs a function has changed. */
  | { readonly kind: 'function-won' | 'function-learnt'; readonly provider: ToldProvider }
  | { readonly kind: 'function-dead'; readonly provider: ToldProvider; readonly reason: string }
  | { readonly kind: 'function-lost'; readonly function: string; readonly reason: string }
  /** What happens to a product that the node keeps up to date: what `ihave update run --json` says of a run. */
  | { readonly kind: 'update'; readonly name: string; readonly update: UpdateEvent }
  /** Whoever listens was too slow: so many events were not told. */
  | { readonly kind: 'lost'; readonly events: number }

export const EVENT_KINDS = [
  'packet',
  'stored',
  'removed',
  'peer-came',
  'peer-left',
  'function-won',
  'function-learnt',
  'function-dead',
  'function-lost',
  'update',
] as const

export interface EventsQuestion {
  /** Absent: all. */
  readonly kinds?: readonly (typeof EVENT_KINDS)[number][]
  /** Of packets, only these types. */
  readonly types?: readonly string[]
}

export interface EventsComponents {
  readonly clock: Clock
  readonly store: Pick<Store, 'subscribe'>
  readonly lan: Lan
  readonly functions: () => Functions | undefined
  readonly updates: Pick<Listeners<ProductEvent>, 'subscribe'>
}

/** Who is alive is looked at so often, in ms. */
const LOOK_MS = 500

const MAX_TYPES = 100

/** Everything that happens from the first line on, which says that it is listened. @throws Fault BAD_REQUEST */
export async function* events(
  question: unknown,
  signal: AbortSignal,
  components: EventsComponents,
): AsyncGenerator<NodeEvent | { readonly kind: 'listening' }> {
  const isWanted = filterFrom(question)
  const queue = new LineQueue<NodeEvent>((lost) => ({ kind: 'lost', events: lost }))
  const tell = (event: NodeEvent) => {
    if (isWanted(event)) queue.push(event)
  }
  const endings = listening(components, tell)
  const end = () => queue.end()
  signal.addEventListener('abort', end, { once: true })
  try {
    yield { kind: 'listening' }
    if (!signal.aborted) yield* queue
  } finally {
    signal.removeEventListener('abort', end)
    for (const each of endings) each()
  }
}

/** @returns what ends it. */
function listening(
  { clock, store, lan, functions, updates }: EventsComponents,
  tell: (event: NodeEvent) => void,
): readonly (() => void)[] {
  return [
    lan.listen((word) => {
      const event = packetEvent(word)
      if (event !== undefined) tell(event)
    }),
    store.subscribe(({ kind, response: { uri, size, digest: hex } }) =>
      tell({ kind, uri: withoutSecrets(uri), size, digest: digestText({ algorithm: 'sha-256', hex }) }),
    ),
    functions()?.subscribe((event) => {
      const told = functionEvent(event)
      if (told !== undefined) tell(told)
    }) ?? (() => {}),
    updates.subscribe(({ name, ...update }) => tell({ kind: 'update', name, update })),
    watchPeers(clock, () => lan.peers(), tell),
  ]
}

function packetEvent({ packet, from, signer }: SiteWord): NodeEvent | undefined {
  if (packet.type !== 'application' || !packet.name.includes('.')) return undefined
  const { name: type, extras, node } = packet
  return {
    kind: 'packet',
    type,
    attributes: Object.fromEntries(extras),
    address: from,
    ...(node === undefined ? {} : { node }),
    ...(signer.kind === 'member' ? { member: signer.member } : {}),
  }
}

function functionEvent(event: FunctionEvent): NodeEvent | undefined {
  switch (event.kind) {
    case 'function-won':
    case 'function-learnt':
      return { kind: event.kind, provider: toldProvider(event.provider) }
    case 'function-dead':
      return { kind: event.kind, provider: toldProvider(event.provider), reason: event.reason }
    case 'function-lost':
      return event
    case 'function-doubted':
    case 'function-refused':
      return undefined
  }
}

function watchPeers(
  clock: Clock,
  alive: () => readonly Peer[],
  tell: (event: NodeEvent) => void,
): () => void {
  let known = byAddress(alive())
  const look = () => {
    const now = byAddress(alive())
    for (const [address, node] of now) if (!known.has(address)) tell(peerEvent('peer-came', address, node))
    for (const [address, node] of known) if (!now.has(address)) tell(peerEvent('peer-left', address, node))
    known = now
    cancel = clock.after(LOOK_MS, look)
  }
  let cancel = clock.after(LOOK_MS, look)
  return () => cancel()
}

function byAddress(peers: readonly Peer[]): ReadonlyMap<string, string | undefined> {
  return new Map(peers.map(({ address, node }) => [address, node]))
}

function peerEvent(kind: 'peer-came' | 'peer-left', address: string, node: string | undefined): NodeEvent {
  return { kind, address, ...(node === undefined ? {} : { node }) }
}

function filterFrom(question: unknown): (event: NodeEvent) => boolean {
  const { kinds, types } = (question ?? {}) as Partial<Record<keyof EventsQuestion, unknown>>
  const areKinds = kinds === undefined || (isList(kinds) && kinds.every((each) => isKind(each)))
  if (!areKinds) throw new Fault('BAD_REQUEST', `kinds: expected some of ${EVENT_KINDS.join(', ')}`)
  if (types !== undefined && !isList(types))
    throw new Fault('BAD_REQUEST', `types: expected at most ${MAX_TYPES} types of packets`)
  return (event) => {
    if (event.kind === 'lost') return true
    if (kinds !== undefined && !kinds.includes(event.kind)) return false
    return event.kind !== 'packet' || types === undefined || types.includes(event.type)
  }
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= MAX_TYPES && value.every((each) => typeof each === 'string')
}

function isKind(kind: string): boolean {
  return EVENT_KINDS.some((each) => each === kind)
}
