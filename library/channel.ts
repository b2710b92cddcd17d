/** The way from a session to its node: the same questions and answers, over the control API or in the same process. */
import type { OperationName } from '../service/control.ts'

export interface Channel {
  /**
   * The lines of an answer as they come. Whoever stops reading ends the node's work.
   * @throws Fault of the node; NODE_UNREACHABLE when it has gone, ABORTED when `signal` aborts.
   */
  ask(operation: OperationName, question: unknown, signal: AbortSignal): AsyncIterable<unknown>
  /** The bytes of a retrieval. @throws Fault as above. */
  read(id: string, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** Sends the bytes of an announced copy. @throws Fault as above, and what `bytes` throws. */
  send(id: string, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>
  /** The end of the session: its questions have been given up by then. */
  close(): Promise<void>
}
