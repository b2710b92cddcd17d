/** Asking origin servers for the signatures that lie beside files: one small GET, when a peer has such a file. */
import type { Clock } from '../../core/clock.ts'
import { withField } from '../../core/fields.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Upstream, UpstreamResponse } from '../../core/upstream.ts'
import type { OriginQuestion } from '../../core/verifier.ts'
import { pemBlocks } from '../../signing/pem.ts'
import { askBriefly, forWhole, MAX_ASKING, MAX_REMEMBERED, NO_ANSWER_MS } from '../asking.ts'
import { Expiring } from '../expiring.ts'

export interface DetachedSignatures {
  /** Whether it is worth asking: not where there was none a moment ago. */
  mayAsk(uri: TargetUri): boolean
  /** As the origin server has it now. Takes at most `MAX_ASKING_MS`. Never fails. */
  ask(question: OriginQuestion): Promise<Uint8Array | undefined>
}

export interface DetachedSignaturesComponents {
  readonly clock: Clock
  readonly origin: Upstream
}

export const MAX_DETACHED_BYTES = 65_536

/** A node that asks nobody. */
export const noDetachedSignatures: DetachedSignatures = { mayAsk: () => false, ask: async () => undefined }

export function detachedSignatures(components: DetachedSignaturesComponents): DetachedSignatures {
  const absent = new Expiring<TargetUri, true>(components.clock, MAX_REMEMBERED)
  let asking = 0
  return {
    mayAsk: (uri) => !uri.includes('?') && absent.get(uri) === undefined,
    async ask(question) {
      if (asking >= MAX_ASKING) return undefined
      asking++
      const signature = await fetched(question, components).finally(() => asking--)
      if (signature === undefined) absent.set(question.uri, true, NO_ANSWER_MS)
      return signature
    },
  }
}

/** Not from a cache on the way: what is signed may be new. */
async function fetched(
  { target, fields, policy }: OriginQuestion,
  components: DetachedSignaturesComponents,
): Promise<Uint8Array | undefined> {
  const uri = `${target}${policy.signature ?? ''}`
  const uncached = withField(forWhole(fields), 'Cache-Control', 'no-cache')
  return askBriefly({ method: 'GET', uri, fields: uncached }, components, body)
}

async function body(response: UpstreamResponse): Promise<Uint8Array | undefined> {
  if (response.status !== 200) return undefined
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of response.body) {
      bytes += chunk.length
      if (bytes > MAX_DETACHED_BYTES) return undefined
      chunks.push(chunk)
    }
  } catch {
    return undefined // broken off, or too late: there is none
  }
  return decoded(Buffer.concat(chunks))
}

/** As DER, or as PEM under either of its names. */
function decoded(bytes: Buffer): Uint8Array {
  const text = bytes.toString('latin1')
  return pemBlocks(text, 'PKCS7')[0] ?? pemBlocks(text, 'CMS')[0] ?? bytes
}
