/** What becomes of a retrieval that nobody reads any more (field note 12), as a pure decision. */
import type { Stored } from '../cache/semantics/freshness.ts'
import type { DownloadProgress } from '../peering/local-copies.ts'
import { isResumable } from './origin-source.ts'

/** It is finished all the same when no more than this is missing. */
const WORTH_FINISHING_BYTES = 1024 * 1024

export interface Unread {
  readonly progress: DownloadProgress
  readonly response: Pick<Stored, 'status' | 'fields'>
  /** Whether its name always means the same bytes. */
  readonly isImmutable: boolean
  /** Whether it comes from the origin server alone: what that has sent is kept for whoever comes, without the retrieval. */
  readonly isFromOrigin: boolean
}

/** `pause`: what is here stays for a while, and the uplink does not work for nobody. */
export function whenUnread({
  progress,
  response,
  isImmutable,
  isFromOrigin,
}: Unread): 'finish' | 'pause' | 'give-up' {
  const { totalBytes, receivedBytes } = progress
  if (totalBytes !== undefined && totalBytes - receivedBytes <= WORTH_FINISHING_BYTES) return 'finish'
  // A file that could have changed meanwhile is not continued later: two versions are never joined.
  const mayResume = response.status === 200 && (isImmutable || isResumable(response.fields))
  return mayResume && !isFromOrigin ? 'pause' : 'give-up'
}
