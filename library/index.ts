/** The client library (R11): what `import … from 'ihave'` gives (docs/library.md). */
export { Fault, type FaultCode } from '../core/fault.ts'
export type { Fields } from '../core/fields.ts'
export type {
  ByteSource,
  Origins,
  Progress,
  RetrievalOutcome,
} from '../service/applications/retrieval-words.ts'
export type { Status } from '../service/status.ts'
export { connect, type ConnectOptions } from './connect.ts'
export type { Retrieved } from './retrieved.ts'
export { Session, type GetOptions } from './session.ts'
