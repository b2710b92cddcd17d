/**
 * Asking origin servers for digests (V3): one HEAD, about 1 kB, when a peer has a file that nothing else proves. Answers are
 * remembered for as long as the response is fresh, and servers that publish none are not asked again for a while.
 */
import { sleep, type Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { withField, withoutFields, type Fields } from '../core/fields.ts'
import type { StoredResponse } from '../core/store.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Upstream } from '../core/upstream.ts'
import type { OriginQuestion } from '../core/verifier.ts'
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
export type Published = Digest | 'none'

export interface OriginDigests {
  /** What is remembered; `undefined`: it has not been asked, or too long ago. */
  known(uri: TargetUri): Published | undefined
  /** Whether it is worth asking: not where the server has often had nothing to say. */
  mayAsk(uri: TargetUri): boolean
  /** Takes at most `MAX_ASKING_MS`. Never fails: a server that does not answer says nothing. */
  ask(question: OriginQuestion): Promise<Published>
}

/** Within the patience that applications have for peers. */
export const MAX_ASKING_MS = 400
/** Questions at once, to all servers together. */
export const MAX_ASKING = 32
/** Answers, and servers, that are remembered, about 300 bytes each. */
export const MAX_REMEMBERED = 2_000
/** An answer is not used for longer, however long the response is fresh. */
export const MAX_ANSWER_MS = 3_600_000
/** "There is none" and "no answer" are used for so long. */
export const NO_ANSWER_MS = 60_000
/** A server that had nothing to say so many times in a row is left alone for so long. */
export const SILENT_AFTER = 3
export const SILENT_MS = 3_600_000

/** A node that asks nobody. */
export const noOriginDigests: OriginDigests = {
  known: () => undefined,
  mayAsk: () => false,
  ask: async () => 'none',
}

const CONDITIONS = [
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
]

export function originDigests(components: OriginDigestsComponents): OriginDigests {
  const { clock } = components
  const answers = new Expiring<TargetUri, Published>(clock, MAX_REMEMBERED)
  const silences = new Expiring<string, number>(clock, MAX_REMEMBERED)
  const asking = new Map<TargetUri, Promise<Published>>()

  const heed = (uri: TargetUri, published: Published, forMs: number) => {
    answers.set(uri, published, forMs)
    const silent = published === 'none' ? (silences.get(serverOf(uri)) ?? 0) + 1 : 0
    silences.set(serverOf(uri), silent, SILENT_MS)
  }
  const askOnce = async (question: OriginQuestion): Promise<Published> => {
    const { published, freshMs } = await head(question, components)
    const forMs = published === 'none' ? NO_ANSWER_MS : Math.min(freshMs, MAX_ANSWER_MS)
    heed(question.uri, published, forMs)
    return published
  }

  return {
    known: (uri) => answers.get(uri),
    mayAsk: (uri) => (silences.get(serverOf(uri)) ?? 0) < SILENT_AFTER,
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
  const ending = new AbortController()
  const requestTime = clock.wall()
  const request = { method: 'HEAD', uri: target, fields: headFields(fields), signal: ending.signal } as const
  try {
    const asked = origin.request(request).catch(() => undefined)
    const response = await Promise.race([asked, sleep(clock, MAX_ASKING_MS, ending.signal)])
    if (response?.status !== 200) return { published: 'none', freshMs: 0 }
    const published = publishedDigest(response.fields) ?? 'none'
    const times = { requestTime, responseTime: clock.wall() }
    return { published, freshMs: freshForMs({ status: 200, fields: response.fields, ...times }, policy) }
  } finally {
    ending.abort(NO_LONGER_NEEDED)
  }
}

/** Amazon's stores give their checksum only when asked so. */
function headFields(fields: Fields): Fields {
  return [
    ...forWhole(fields),
    ['Want-Repr-Digest', 'sha-256=10, sha-512=9'],
    ['x-amz-checksum-mode', 'ENABLED'],
  ]
}

/** As the application asks, but for the whole and uncoded. */
export function forWhole(fields: Fields): Fields {
  return withField(withoutFields(fields, CONDITIONS), 'Accept-Encoding', 'identity')
}

function serverOf(uri: TargetUri): string {
  return uri.slice(0, uri.indexOf('/', uri.indexOf('://') + 3))
}
