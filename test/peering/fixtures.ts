/** Nodes and packets for the tests of the peering shell. */
import { seededRandom } from '../../core/random.ts'
import type { Address } from '../../core/transport.ts'
import type { InquiryOwner, PeerDownload, PeerOffer } from '../../peering/inquiry.ts'
import type { LocalCopies, LocalOffer } from '../../peering/local-copies.ts'
import type { Located } from '../../peering/machines/answer.ts'
import type { LocalAlias, NodeId, RequestId, RequestPacket, ResponsePacket } from '../../peering/packets.ts'
import { Peering, type PeeringComponents, type PeeringSettings } from '../../peering/peering.ts'
import { FakeLan } from './fake-lan.ts'
import { manualClock, type ManualClock } from '../manual-clock.ts'

export const address = (number: number): Address => `10.0.${number >> 8}.${number & 255}` as Address
export const nodeId = (number: number): NodeId => number.toString(16).padStart(32, '0') as NodeId
export const ALIAS = 'a'.repeat(64) as LocalAlias
export const RESOURCE = 'http://example.org/pool/a_1.0.deb'
/** Where a stranger at this address would have a copy. */
export const placeAt = (peer: Address): string => `http://${peer}:6515/${ALIAS}`

export const OFFER: LocalOffer = {
  alias: ALIAS,
  size: 1000,
  digest: { algorithm: 'sha-256', hex: 'd'.repeat(64) },
  sentCopies: 0,
  etag: '"e"',
  lastModified: undefined,
  ageSeconds: 5,
}

/** What a node holds: changed by the test while the node runs. */
export class FakeCopies implements LocalCopies {
  readonly here = new Map<string, Located<LocalOffer>['kind']>()
  /** At its upload limit. */
  isBusy = false

  locate(resource: string): Located<LocalOffer> {
    const kind = this.isBusy ? 'absent' : (this.here.get(resource) ?? 'absent')
    return kind === 'absent' ? { kind } : { kind, offer: OFFER }
  }
}

/** Writes down what the machine tells the owner of a resource. */
export class FakeOwner implements InquiryOwner {
  readonly told: string[] = []
  readonly offers: PeerOffer[] = []
  readonly progress: PeerDownload[] = []

  retrieve(offer: PeerOffer): void {
    this.offers.push(offer)
    this.told.push(`retrieve ${offer.peer}`)
  }

  follow(download: PeerDownload): void {
    this.told.push(`follow ${download.peer}`)
  }

  retrieveFromInternet(): void {
    this.told.push('internet')
  }

  secondFetcher(download: PeerDownload): void {
    this.told.push(`second fetcher ${download.peer}`)
  }

  lateOffer(offer: PeerOffer): void {
    this.told.push(`late offer ${offer.peer}`)
  }

  /** Bytes held here. */
  heldBytes = 0

  isFurther({ receivedBytes }: PeerDownload): boolean {
    return this.heldBytes > receivedBytes
  }

  plainWaits = 0

  waitsForPlain(): void {
    this.plainWaits++
  }

  patientMs(): number {
    return Infinity
  }

  heardProgress(download: PeerDownload): void {
    this.progress.push(download)
  }

  failed(): void {
    this.told.push('failed')
  }
}

export interface FakeNode {
  readonly peering: Peering
  readonly copies: FakeCopies
  readonly address: Address
}

export interface World {
  readonly clock: ManualClock
  readonly lan: FakeLan
  /** A node that has not started. */
  readonly node: (
    number: number,
    settings?: Partial<PeeringSettings>,
    components?: Partial<PeeringComponents>,
  ) => FakeNode
}

export function world(): World {
  const clock = manualClock()
  const lan = new FakeLan(clock)
  return {
    clock,
    lan,
    node: (number, settings = {}, components = {}) => {
      const copies = new FakeCopies()
      const own = address(number)
      const peering = new Peering(
        {
          self: { node: nodeId(number), filePort: 6515 },
          serve: true,
          ask: true,
          silenceMs: 3000,
          maxDelayMs: 2000,
          transmissionMs: 200,
          ...settings,
        },
        {
          clock,
          random: seededRandom(number),
          transport: lan.transport(own),
          copies,
          isShunned: () => false,
          ...components,
        },
      )
      return { peering, copies, address: own }
    },
  }
}

/** "I need" of a node of the patents, or with what `more` gives it. */
export function plainRequest(id: number, more: Partial<RequestPacket> = {}): RequestPacket {
  return {
    type: 'request',
    more: [],
    id: id as RequestId,
    node: undefined,
    nonce: undefined,
    extras: [],
    href: RESOURCE,
    method: 'get',
    acceptProtocol: 'http',
    cachedOnly: false,
    maxDelayMs: undefined,
    ...more,
  }
}

/** "I have" of a node of the patents at `peer`, or with what `more` gives it. */
export function plainResponse(id: number, peer: Address, more: Partial<ResponsePacket> = {}): ResponsePacket {
  return {
    type: 'response',
    more: [],
    id: id as RequestId,
    node: undefined,
    nonce: undefined,
    extras: [],
    location: placeAt(peer),
    size: undefined,
    digest: undefined,
    etag: undefined,
    lastModified: undefined,
    ageSeconds: undefined,
    version: undefined,
    ...more,
  }
}
