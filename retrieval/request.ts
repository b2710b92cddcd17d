/** What is to be retrieved, and on which terms. */
import type { Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { OnInformation } from '../core/upstream.ts'
import type { Begun } from './begun.ts'

export interface RetrievalRequest {
  readonly uri: TargetUri
  /** The target as the application wrote it: what the origin server is asked for. */
  readonly target: string
  /** What goes to the origin server: end-to-end fields, conditional or for a range only where the application was. */
  readonly fields: Fields
  readonly policy: Policy
  /** Whether the request may be named to the LAN (V§3). */
  readonly isNameable: boolean
  /** Whether the LAN is asked; a validation, or a request that peers have spoilt, is the origin server's alone. */
  readonly mayAskPeers: boolean
  /** The validators of the version that the origin server has now, where it has been asked: no peer's other one is of use. */
  readonly version?: Fields | undefined
  /** Told of the origin server's interim responses to this very request. */
  readonly onInformation?: OnInformation | undefined
  /** The origin server's response, where it has been asked already. */
  readonly begun?: Begun | undefined
}

/** On whose behalf the origin server is asked for bytes: one application, or the first of several that wait for the same. */
export interface Asker {
  /** In its words (RFC 9111 3.4, 4.3.1): what one application may have, and says of itself, is not another one's. */
  readonly request: RetrievalRequest
  /** The origin server refuses them to this one. @returns whether another one is there, and asks from now on. */
  askAsAnother(): boolean
}

/** One application. */
export function alone(request: RetrievalRequest): Asker {
  return { request, askAsAnother: () => false }
}
