/** What a running node says of itself (`ihave status`, the control API). */
import type { StoreUsage } from '../core/store.ts'
import type { AbuseTotals } from '../peering/abuses.ts'
import type { IndexTotals } from '../verify/gathered-indexes.ts'
import type { ShunnedPeer } from '../verify/shunned-peers.ts'
import type { SignatureCounts } from '../verify/signature/signatures.ts'
import type { FunctionStatus } from './function-operations.ts'
import type { GatewayStatus } from './gateway-status.ts'
import type { ProductStatus } from './product-updates.ts'
import type { Totals } from './totals.ts'

/** In the words of the line that a start says. */
export type WhyAlone =
  | 'peering is off'
  | 'no LAN found: working alone'
  | 'peering.address is gone: working alone until it is back'
  | 'the LAN cannot be used (see the log): working alone'

export interface Status {
  readonly version: string
  readonly node: string
  readonly upMs: number
  /** The port of the control API on loopback; absent: none. */
  readonly control: number | undefined
  /** `host:port`, or `off`. */
  readonly proxy: string
  readonly peering: PeeringStatus | undefined
  /** Why there is no peering; absent where there is. */
  readonly whyAlone?: WhyAlone | undefined
  readonly cache: StoreUsage & { readonly directory: string }
  readonly transfers: readonly TransferStatus[]
  readonly totals: Totals
  /** What was refused on the port for files: what strangers tried there. */
  readonly filePort: AbuseTotals
  /** Service packets by what became of them. */
  readonly packets: Record<string, number>
  /** Indexes that passed through, by what became of them (docs/verification.md, V2). */
  readonly indexes: IndexTotals
  readonly shunned: readonly ShunnedPeer[]
  /** What publishers' signatures in peers' copies proved, and why some were refused. */
  readonly signatures: SignatureCounts
  /** Peers that members of the site warn of: they are asked last. */
  readonly cautions: readonly CautionStatus[]
  /** Products that the node keeps up to date. */
  readonly updates: readonly ProductStatus[]
  /** Who performs which function for the LAN. */
  readonly functions: readonly FunctionStatus[]
  /** Who reaches the Internet, and for whom (docs/gateway.md); absent where the machine belongs to no site. */
  readonly gateway?: GatewayStatus | undefined
}

export interface PeeringStatus {
  readonly address: string
  readonly packetPort: number
  /** Absent: it serves no files. */
  readonly filePort?: number
  readonly peers: readonly PeerStatus[]
  /** How long a question asked now would wait, in ms; absent when there is nobody to wait for. */
  readonly waitMs: number | undefined
}

export interface PeerStatus {
  readonly address: string
  /** Absent for a node that speaks only the patents' packets. */
  readonly node: string | undefined
  /** The member of the site that speaks from there; absent for a stranger. */
  readonly member?: { readonly id: string; readonly name: string | undefined } | undefined
  readonly roundTripMs: number | undefined
  readonly heardMsAgo: number
  /** Whether it has answered, or signed as a member: a datagram alone can be made in anybody's name. */
  readonly isReached: boolean
}

export interface CautionStatus {
  readonly peer: string
  /** The member that has caught it. */
  readonly member: string
  readonly heardMsAgo: number
  /** Under which name the wrong bytes came, where this node knows it. */
  readonly uri?: string | undefined
  /** Their SHA-256. */
  readonly body?: string | undefined
}

/** What is on its way to applications (R5.2). */
export interface TransferStatus {
  readonly uri: string
  readonly source: string
  /** The address of the machine that sends it; absent: no peer does. */
  readonly peer?: string | undefined
  readonly receivedBytes: number
  readonly totalBytes: number | undefined
  /** Of the last few seconds; 0 when nothing comes. */
  readonly bytesPerSecond: number | undefined
}
