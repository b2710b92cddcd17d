/**
 * What is known of providers as a server resource (FIG. 8, 406): `GET /functions` on the port for files. Each result is as its
 * provider signed it, with the pass of its signer, so that whoever reads it can verify it without believing this node.
 */
import type { Result } from './result.ts'

/** One line of JSON for each provider. */
export function providersDocument(
  results: readonly { readonly result: Result; readonly pass: string | undefined }[],
): string {
  const functions = results.map(({ result, pass }) => ({
    ...result,
    ...(pass === undefined ? {} : { pass }),
  }))
  return JSON.stringify({ functions })
}
