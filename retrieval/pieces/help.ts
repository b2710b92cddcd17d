/** Whether, and how, a copy from a peer is helped out by others (docs/architecture.md, "Several sources"). */
import type { Clocks } from '../../core/clock.ts'
import { isContentName } from '../../core/content-name.ts'
import type { Fields } from '../../core/fields.ts'
import type { GrowingCopy } from '../../core/store.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Address } from '../../core/transport.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { Expectation } from '../../core/verifier.ts'
import type { OpenedSource } from '../peer-source.ts'
import type { RetrievalRequest } from '../request.ts'
import { askOriginForBlock } from './block-source.ts'
import { SeveralSources, WORTHWHILE_BYTES, type SeveralSourcesSettings } from './several-sources.ts'
import type { Holder, OriginReserve, SupplyEvents } from './supplier.ts'

export interface HelpComponents extends Clocks {
  readonly origin: Upstream
  readonly peers: Upstream
  /** What tells peers where this node passes on what it receives of the resource. */
  readonly relay: (uri: TargetUri) => Fields
  /** Asks the LAN who else has it; absent: nobody is asked. @returns what ends that. */
  readonly findHolders?: (uri: TargetUri, found: (holder: Holder) => void, over: () => void) => () => void
  /** How fast the Internet is, as measured, in bytes per second; absent, or `undefined`: it was not. */
  readonly originBytesPerSecond?: () => number | undefined
  /** Whether peers read this node's copy while it grows. */
  readonly isReadAlong: () => boolean
  /** Whether a peer, or that place on it, is left aside for this resource, perhaps since it answered: other retrievals may have found out. */
  readonly isShunned: (peer: Address, uri: TargetUri, location: string) => boolean
}

/** A complete copy of some size, of which it is known beforehand what it must show. */
export function mayBeHelped(
  opened: OpenedSource,
  expectation: Expectation,
): opened is OpenedSource & { readonly size: number } {
  const { size = 0, path } = opened
  return path === undefined && expectation.kind === 'digest' && size >= WORTHWHILE_BYTES
}

/** `undefined` where nobody can be asked. */
export function helped(
  request: RetrievalRequest,
  terms: Omit<SeveralSourcesSettings, 'fields'> & { readonly copy: GrowingCopy },
  components: HelpComponents,
  events: SupplyEvents,
): SeveralSources | undefined {
  const { findHolders, isShunned, relay } = components
  if (findHolders === undefined) return undefined
  const { copy, ...settings } = terms
  const find = (found: (holder: Holder) => void, over: () => void) => {
    const unlessShunned = (holder: Holder) => {
      if (!isShunned(holder.peer, request.uri, holder.location)) found(holder)
    }
    return findHolders(request.uri, unlessShunned, over)
  }
  return new SeveralSources(
    { ...settings, fields: relay(request.uri) },
    { ...components, copy, find, origin: reserveOf(request, components), events },
  )
}

/** What is asked for by a name alone has no place in the Internet. */
function reserveOf(
  { target, fields }: RetrievalRequest,
  { origin, originBytesPerSecond }: HelpComponents,
): OriginReserve {
  return {
    bytesPerSecond: () => (isContentName(target) ? undefined : originBytesPerSecond?.()),
    ask: (span, size, signal) => askOriginForBlock(origin, target, fields, span, size, signal),
  }
}
