/** A session with a node in the same process. */
import { Fault } from '../core/fault.ts'
import type { Node } from '../service/node.ts'
import type { Channel } from './channel.ts'

/** @param left what is to be done when the node has stopped. */
export function localChannel(node: Node, left: () => Promise<void>): Channel {
  let closing: Promise<void> | undefined
  return {
    async *ask(operation, question, signal) {
      mustGoOn(signal)
      for await (const line of node.operations[operation](question, signal)) {
        mustGoOn(signal)
        yield line
      }
      mustGoOn(signal)
    },
    async *read(id, signal) {
      const bytes = node.applications.take(id)
      if (bytes === undefined) throw new Fault('NOT_FOUND', 'there are no such bytes, or they were read')
      try {
        for await (const chunk of bytes.body) {
          mustGoOn(signal)
          yield chunk
        }
      } catch (error) {
        mustGoOn(signal)
        throw error
      }
    },
    async send(id, bytes, signal) {
      const taking = node.applications.put(id, bytes)
      if (taking === undefined) throw new Fault('NOT_FOUND', 'nobody waits for these bytes')
      await taking
      mustGoOn(signal)
    },
    close: () => (closing ??= node.stop().then(left)),
  }
}

/** Whoever has given up is told so, whatever the node makes of it. @throws Fault ABORTED */
function mustGoOn(signal: AbortSignal): void {
  if (signal.aborted) throw new Fault('ABORTED', 'given up by its caller')
}
