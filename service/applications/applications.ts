/** What applications can ask of a node (R11), by the control API or in the same process: one implementation for both. */
import type { Bytes, Operation } from '../control-server.ts'
import { OPERATIONS } from '../control.ts'
import { files, type FilesComponents, type FilesSettings } from './files.ts'

/** Declared apart, so that a node's own operations can be told from these. */
export type ApplicationOperation = typeof OPERATIONS.retrieve

export interface Applications extends Bytes {
  readonly operations: Readonly<Record<ApplicationOperation, Operation>>
  /** Ends what applications wait for. */
  stop(): void
}

export function applications(settings: FilesSettings, components: FilesComponents): Applications {
  const served = files(settings, components)
  return {
    operations: { [OPERATIONS.retrieve]: (question, signal) => served.retrieve(question, signal) },
    take: (id) => served.take(id),
    stop: () => served.stop(),
  }
}
