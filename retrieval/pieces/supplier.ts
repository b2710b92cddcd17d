/** Whoever brings pieces of a body: a node of the LAN that has it, or the origin server. */
import { Fault } from '../../core/fault.ts'
import type { ByteSpan } from '../../core/ranges.ts'
import type { Address } from '../../core/transport.ts'
import type { Pace } from '../pace.ts'
import { askForBlock, type Asker, type BlockReply, type Body } from './block-source.ts'

export interface Supplier {
  /** Tells it from the others of one body. */
  readonly id: string
  /** It has the first pieces, so many; `Infinity`: all. */
  readonly pieces: number
  /** What it has shown so far; `undefined`: nothing. */
  readonly bytesPerSecond: number | undefined
  readonly pace: Pace
  /** The one that it began with, which goes on alone where peers read along. */
  readonly isFirst: boolean
  /** @throws Fault when it has no such bytes. */
  ask(span: ByteSpan, signal: AbortSignal): Promise<BlockReply>
  /** So many bytes of it have been written. @param isStated whether it has said itself that they are right. */
  wrote(bytes: number, isStated: boolean): void
  /** It was of no use. */
  failed(fault: Fault): void
}

/** A node that has the body, or the beginning of it. */
export interface Holder {
  readonly peer: Address
  readonly location: string
  /** It has the first ones, so many bytes; `Infinity`: all. */
  readonly heldBytes: number
}

/** A peer that is asked for pieces, and where. */
export type Helper = Pick<Holder, 'peer' | 'location'>

export interface SupplyEvents {
  /** Bytes of a peer, or of the origin server, have been written; `isStated` as in `Supplier.wrote`. */
  wrote(helper: Helper | undefined, bytes: number, isStated: boolean): void
  /** A peer, or the origin server, was of no use. */
  failed(helper: Helper | undefined, fault: Fault): void
}

/** @param isSpare whether the asker is being served elsewhere as well. */
export function peerSupplier(
  helper: Helper,
  terms: Pick<Supplier, 'pieces' | 'bytesPerSecond' | 'pace'> & { readonly isSpare: boolean },
  asker: Omit<Asker, 'signal'>,
  body: Body,
  events: SupplyEvents,
): Supplier {
  const { isSpare, ...known } = terms
  const { peer, location } = helper
  return {
    ...known,
    id: peer,
    isFirst: !isSpare,
    ask: (span, signal) => askForBlock({ ...asker, signal }, body, { location, span, isSpare }),
    wrote: (bytes, isStated) => events.wrote(helper, bytes, isStated),
    failed: (fault) => events.failed(helper, fault),
  }
}

/** What the origin server has to be asked with. */
export interface OriginReserve {
  /** How fast it was when it was measured, in bytes per second; `undefined`: it was not. */
  readonly bytesPerSecond: () => number | undefined
  /** The bytes of `span`, exactly. @throws Fault when it answers otherwise. */
  readonly ask: (span: ByteSpan, size: number, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>
}

/** An origin server may take its time: the others go on meanwhile. */
const ORIGIN_PACE: Pace = { periodMs: 2000, leastBytes: 16 * 1024, code: 'RESPONSE_TIMEOUT' }

/** It is asked for no more than the body in all. */
export function originSupplier(reserve: OriginReserve, { size }: Body, events: SupplyEvents): Supplier {
  let leftBytes = size
  const ask = (span: ByteSpan, signal: AbortSignal) => {
    leftBytes -= span.end - span.start
    if (leftBytes < 0) throw new Fault('RESPONSE_REFUSED', 'expected no more bytes than the body has')
    return reserve.ask(span, size, signal)
  }
  return {
    id: 'origin server',
    pieces: Infinity,
    bytesPerSecond: reserve.bytesPerSecond(),
    pace: ORIGIN_PACE,
    isFirst: false,
    ask: async (span, signal) => ({ kind: 'opened', body: await ask(span, signal), isStated: false }),
    wrote: (bytes) => events.wrote(undefined, bytes, false),
    failed: (fault) => events.failed(undefined, fault),
  }
}
