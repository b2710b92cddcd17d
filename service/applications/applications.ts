/** What applications can ask of a node (R11), by the control API or in the same process: one implementation for both. */
import type { Bytes, Operation } from '../control-server.ts'
import { OPERATIONS } from '../control.ts'
import { copies, type CopiesComponents } from './copies.ts'
import { files, type FilesComponents, type FilesSettings } from './files.ts'
import { find, type FindingComponents } from './finding.ts'

/** Those of the node's operations that are for applications. */
export type ApplicationOperation = (typeof OPERATIONS)['retrieve' | 'find' | 'announce' | 'withdraw']

export interface Applications extends Bytes {
  readonly operations: Readonly<Record<ApplicationOperation, Operation>>
  /** Ends what applications wait for. */
  stop(): void
}

export interface ApplicationsComponents extends FilesComponents, FindingComponents, CopiesComponents {
  readonly store: CopiesComponents['store']
}

export function applications(settings: FilesSettings, components: ApplicationsComponents): Applications {
  const served = files(settings, components)
  const announced = copies(components)
  return {
    operations: {
      [OPERATIONS.retrieve]: (question, signal) => served.retrieve(question, signal),
      [OPERATIONS.find]: (question, signal) => find(question, signal, components),
      [OPERATIONS.announce]: (question, signal) => announced.announce(question, signal),
      [OPERATIONS.withdraw](question) {
        announced.withdraw(question)
        return []
      },
    },
    take: (id) => served.take(id),
    put: (id, bytes) => announced.put(id, bytes),
    stop: () => served.stop(),
  }
}
