/** What applications can ask of a node (R11), by the control API or in the same process: one implementation for both. */
import type { Bytes, Operation } from '../control-server.ts'
import { OPERATIONS } from '../control.ts'
import { copies, type CopiesComponents } from './copies.ts'
import { events, type EventsComponents } from './events.ts'
import { files, type FilesComponents, type FilesSettings } from './files.ts'
import { find, type FindingComponents } from './finding.ts'
import { keptAlive } from './kept-alive.ts'
import { packetSpeaker } from './packets.ts'
import { offer, provider, report, type ProvidingComponents } from './providing.ts'

/** Those of the node's operations that are for applications. */
export type ApplicationOperation = (typeof OPERATIONS)[
  | 'retrieve'
  | 'find'
  | 'announce'
  | 'withdraw'
  | 'say'
  | 'events'
  | 'offer'
  | 'provider'
  | 'report']

export interface Applications extends Bytes {
  readonly operations: Readonly<Record<ApplicationOperation, Operation>>
  /** Ends what applications wait for. */
  stop(): void
}

export interface ApplicationsComponents
  extends FilesComponents, FindingComponents, CopiesComponents, ProvidingComponents {
  readonly store: CopiesComponents['store']
  readonly updates: EventsComponents['updates']
}

export function applications(settings: FilesSettings, components: ApplicationsComponents): Applications {
  const served = files(settings, components)
  const announced = copies(components)
  const say = packetSpeaker(components)
  // Whoever asks takes a long silence for a node that is not well.
  const lasting = (lines: AsyncIterable<unknown>) => keptAlive(lines, components.clock)
  return {
    operations: {
      [OPERATIONS.retrieve]: (question, signal) => served.retrieve(question, signal),
      [OPERATIONS.find]: (question, signal) => find(question, signal, components),
      [OPERATIONS.announce]: (question, signal) => announced.announce(question, signal),
      [OPERATIONS.withdraw](question) {
        announced.withdraw(question)
        return []
      },
      [OPERATIONS.say](question) {
        say(question)
        return []
      },
      [OPERATIONS.events]: (question, signal) => lasting(events(question, signal, components)),
      [OPERATIONS.offer]: (question, signal) => lasting(offer(question, signal, components)),
      [OPERATIONS.provider]: (question, signal) => lasting(provider(question, signal, components)),
      [OPERATIONS.report](question) {
        report(question, components)
        return []
      },
    },
    take: (id) => served.take(id),
    put: (id, bytes) => announced.put(id, bytes),
    stop: () => served.stop(),
  }
}
