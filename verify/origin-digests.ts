/**
 * Asking origin servers for digests (V3): one HEAD, about 1 kB, when a peer has a file that nothing else proves. Answers are
 * remembered for as long as the response is fresh, and servers that publish none are not asked again for a while.
 */
import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { Fields } from '../core/fields.ts'
import type { StoredResponse } from '../core/store.ts'
import { originOf, type TargetUri } from '../core/target-uri.ts'
import type { Upstream } from '../core/upstream.ts'
import type { OriginQuestion } from '../core/verifier.ts'
import { askBriefly, forWhole, lengthIn, MAX_ASKING, MAX_REMEMBERED, NO_ANSWER_MS } from './asking.ts'
import { Expiring } from './expiring.ts'
import { publishedDigest } from './published-digest.ts'

export interface OriginDigestsComponents {
  readonly clock: Clock
  readonly origin: Upstream
  /** For how long a response is fresh, in ms (RFC 9111 4.2). */
  readonly freshForMs: (response: HeadResponse, policy: OriginQuestion['policy']) => number
}

type HeadResponse = Pick<StoredResponse, 'status' | 'fields' | 'requestTime' | 'responseTime'>

/** What an origin server says of a file. */
export type Published = PublishedDigest | 'none'

export interface PublishedDigest extends Digest {
  /** Bytes of the body, where the server says so. */
  readonly size?: number
}

export interface OriginDigests {
  /** What is remembered; `undefined`: it has not been asked, or too long ago. */
  known(uri: TargetUri): Published | undefined
  /** Whether it is worth asking: not where the server has often had nothing to say. */
  mayAsk(uri: TargetUri): boolean
  /** Takes at most `MAX_ASKING_MS`. Never fails: a server that does not answer says nothing. */
  ask(question: OriginQuestion): Promise<Published>
}

/** An answer is not used for longer, however long the response is fresh. */
export const MAX_ANSWER_MS = 3_600_000
/** A server that had nothing to say so many times in a row is left alone for so long. */
export const SILENT_AFTER = 3
export const SILENT_MS = 3_600_000

/** A node that asks nobody. */
export const noOriginDigests: OriginDigests = {
  known: () => undefined,
  mayAsk: () => false,
  ask: async () => 'none',
}

export function originDigests(components: OriginDigestsComponents): OriginDigests {
  const { clock } = components
  const answers = new Expiring<TargetUri, Published>(clock, MAX_REMEMBERED)
  const silences = new Expiring<string, number>(clock, MAX_REMEMBERED)
  const asking = new Map<TargetUri, Promise<Published>>()

  const heed = (uri: TargetUri, published: Published, forMs: number) => {
    answers.set(uri, published, forMs)
    const silent = published === 'none' ? (silences.get(originOf(uri)) ?? 0) + 1 : 0
    silences.set(originOf(uri), silent, SILENT_MS)
  }
  const askOnce = async (question: OriginQuestion): Promise<Published> => {
    const { published, freshMs } = await head(question, components)
    const forMs = published === 'none' ? NO_ANSWER_MS : Math.min(freshMs, MAX_ANSWER_MS)
    heed(question.uri, published, forMs)
    return published
  }

  return {
    known: (uri) => answers.get(uri),
    mayAsk: (uri) => (silences.get(originOf(uri)) ?? 0) < SILENT_AFTER,
    async ask(question) {
      const { uri } = question
      const known = answers.get(uri) ?? asking.get(uri)
      if (known !== undefined) return known
      if (asking.size >= MAX_ASKING) return 'none'
      const answer = askOnce(question).finally(() => asking.delete(uri))
      asking.set(uri, answer)
      return answer
    },
  }
}

async function head(
  { target, fields, policy }: OriginQuestion,
  { clock, origin, freshForMs }: OriginDigestsComponents,
): Promise<{ readonly published: Published; readonly freshMs: number }> {
  const requestTime = clock.wall()
  const request = { method: 'HEAD', uri: target, fields: headFields(fields) } as const
  const answer = await askBriefly(request, { clock, origin }, (response) => {
    if (response.status !== 200) return undefined
    const times = { requestTime, responseTime: clock.wall() }
    const freshMs = freshForMs({ status: 200, fields: response.fields, ...times }, policy)
    return { published: publishedIn(response.fields) ?? 'none', freshMs } as const
  })
  return answer ?? { published: 'none', freshMs: 0 }
}

function publishedIn(fields: Fields): PublishedDigest | undefined {
  const digest = publishedDigest(fields)
  const size = lengthIn(fields)
  return digest === undefined || size === undefined ? digest : { ...digest, size }
}

/** Amazon's stores give their checksum only when asked so. */
function headFields(fields: Fields): Fields {
  return [
    ...forWhole(fields),
    ['Want-Repr-Digest', 'sha-256=10, sha-512=9'],
    ['x-amz-checksum-mode', 'ENABLED'],
  ]
}
