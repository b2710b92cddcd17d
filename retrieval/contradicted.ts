/**
 * An origin server can send one machine other bytes than the name says, or than the index that the machine trusts. Its application
 * may have them, and judges for itself. They are not kept: whoever offered them to others would look like a liar (V§4 "an honest
 * peer made to look like a liar").
 */
import type { GrowingCopy } from '../core/store.ts'
import type { Verifier } from '../core/verifier.ts'
import type { RetrievalRequest } from './request.ts'

/** Whether the whole body is not what its name, or a trusted index, says (V1, V2). @throws Fault STORE_FAILED */
export async function isContradicted(
  verifier: Pick<Verifier, 'knownDigest'>,
  { uri, policy }: Pick<RetrievalRequest, 'uri' | 'policy'>,
  copy: Pick<GrowingCopy, 'digest'>,
): Promise<boolean> {
  const digest = verifier.knownDigest(uri, policy)
  return digest !== undefined && (await copy.digest(digest.algorithm)) !== digest.hex
}

/** For the log. */
export const CONTRADICTED =
  'the origin server has sent other bytes than the name or a trusted index says; they are not kept'
