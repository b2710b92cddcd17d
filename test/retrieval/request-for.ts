/** A retrieval of one file, under a rule that shares it. */
import type { Policy } from '../../core/policy.ts'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import type { RetrievalRequest } from '../../retrieval/request.ts'

/** @param target a URL, or a name by content. */
export function requestFor(target: string): RetrievalRequest {
  const uri = (parseTargetUri(target) ?? target) as TargetUri
  const policy: Policy = {
    rule: '',
    share: true,
    immutable: true,
    store: true,
    verify: 'auto',
    waitForDownloads: true,
  }
  return {
    uri,
    target,
    fields: [['If-None-Match', '"a"']],
    policy,
    isNameable: true,
    mayAskPeers: true,
  } as const
}
