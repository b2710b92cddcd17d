/** The client library (R11): what `import … from 'ihave'` gives (docs/library.md). */
export { Fault, type Blame, type FaultCode } from '../core/fault.ts'
export type { Fields } from '../core/fields.ts'
export type {
  ByteSource,
  Origins,
  Progress,
  RetrievalOutcome,
} from '../service/applications/retrieval-words.ts'
export type { ToldProvider as Provider } from '../service/applications/told-provider.ts'
export type { Status } from '../service/status.ts'
export type { AnnouncedCopy } from '../service/applications/copies.ts'
export type { NodeEvent } from '../service/applications/events.ts'
export type { FindOutcome, Holder } from '../service/applications/finding.ts'
export type { CopySource } from './announced.ts'
export { connect, type ConnectOptions } from './connect.ts'
export { embed, type EmbedOptions, type Settings } from './embed.ts'
export type { Offered, OfferTerms, RequestOptions } from './functions.ts'
export type { Retrieved } from './retrieved.ts'
export {
  Session,
  type AnnounceOptions,
  type EventOptions,
  type FindOptions,
  type GetOptions,
} from './session.ts'
