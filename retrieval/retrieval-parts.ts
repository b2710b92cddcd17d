/** What a retrieval is given, and what its parts share: it (retrieval.ts), its source in use, its beginning and its failover. */
import type { Clock } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import type { StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Address } from '../core/transport.ts'
import type { Inquiry, InquiryOwner } from '../peering/inquiry.ts'
import type { AnnouncedDownload } from '../peering/peering.ts'
import type { ShunReason, Suspicion } from '../verify/shunned-peers.ts'
import type { Announcement } from './announcement.ts'
import type { Answer } from './answer.ts'
import type { Arrival, ArrivalComponents, ArrivalSettings } from './arrival.ts'
import type { Blame } from './blame.ts'
import type { UnverifiedCopy } from './keeping.ts'
import type { LineUse } from './line-use.ts'
import type { OriginTrials } from './origin-trial.ts'
import type { PassedOn } from './passed-on.ts'
import type { PeerReaders } from './peer-readers.ts'
import type { Proofs } from './proofs.ts'
import type { RangeSupport } from './range-support.ts'
import type { Readers } from './readers.ts'
import type { RetrievalRequest } from './request.ts'
import type { Retrieval } from './retrieval.ts'
import type { RetrievalReport } from './source.ts'
import type { Tolerance } from './tolerance.ts'
import type { Yielding } from './yielding.ts'

export interface RetrievalSettings extends ArrivalSettings {
  /** What came is kept for this long when every application has gone, in ms. */
  readonly lingerMs: number
}

/** What happens to a retrieval as a whole; its owner keeps the list of those that run. */
export interface RetrievalEvents {
  /** The node is fetching this from the Internet, and says so. */
  announce(retrieval: Retrieval): AnnouncedDownload
  shun(peer: Address, reason: ShunReason, detail: string, suspect?: Suspicion): void
  /** Bytes that turned out wrong had been delivered: the next request goes to the origin server. */
  poisoned(uri: TargetUri): void
  /** Peers were asked, and none has it. */
  absent(uri: TargetUri): void
  stored(response: StoredResponse, unverified: UnverifiedCopy | undefined): void
  /** The origin server has sent other bytes than a name or a trusted index says: they were not stored. */
  contradicted(uri: TargetUri, body: Sha256): void
  /** The last byte has come, also of a response that was only passed on. */
  ended(report: RetrievalReport): void
  log(message: string, detail: Record<string, unknown>): void
  over(retrieval: Retrieval): void
}

export interface RetrievalComponents extends Omit<
  ArrivalComponents,
  'onAnswerable' | 'onHelperFailure' | 'isReadAlong' | 'asker'
> {
  /** Whether a peer is known that could answer a question. */
  readonly isAnybodyThere: () => boolean
  /** Whether this node had to wait for its turn at the processor lately; absent: never. */
  readonly isBusy?: () => boolean
  /** How fast origin servers would be at this moment. */
  readonly trials: OriginTrials
  readonly rangeSupport: RangeSupport
  /** What comes over the line that everybody shares. */
  readonly lineUse: LineUse
  /** What goes to one application as it comes. */
  readonly passedOn: PassedOn
  /** @param isForPart only a part is wanted of what peers have: it would never be fetched for others. */
  readonly inquire: (
    resource: string,
    waitForDownloads: boolean,
    owner: InquiryOwner,
    isForPart: boolean,
  ) => Inquiry
  /** Calls `ask`, which inquires, in a moment, with what others ask meanwhile (peering/gathering.ts); absent: at once. */
  readonly gather?: (ask: () => void) => void
  readonly events: RetrievalEvents
}

/** One retrieval, as its parts see it. */
export interface RetrievalParts {
  readonly request: RetrievalRequest
  readonly components: RetrievalComponents
  /** Of time in which this node could listen. */
  readonly listening: Clock
  readonly arrival: Arrival
  readonly answer: Answer
  readonly proofs: Proofs
  readonly blame: Blame
  readonly tolerance: Tolerance
  readonly yielding: Yielding
  readonly announcement: Announcement
  readonly readers: Readers
  readonly peerReaders: PeerReaders
  /** Not paused, handed over, or over. */
  isRunning(): boolean
  /** The question to the LAN; `undefined` before it, and where nobody is asked. */
  inquiry(): Inquiry | undefined
}
