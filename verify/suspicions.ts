/**
 * Peers that are left aside for what they sent under a name, and what clears them of it: the word of the origin server of that name,
 * which no peer can have given. It may send the very same bytes (two programs wanted the file, or what named its digest was wrong), or
 * say that the file has changed since an application was given it, which then has asked for the change. Without that an origin server
 * could have honest peers left aside. Of the change its first word after the suspicion counts: later ones are about other versions.
 */
import { LRUCache } from 'lru-cache'
import type { Sha256 } from '../core/digest.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Culprit, Suspicion } from './shunned-peers.ts'

/** More names than this are not remembered; the one that was suspected longest ago goes first. */
export const MAX_NAMES = 1000

/** Nor more suspicions of one name. */
export const MAX_PER_NAME = 8

/** Dates of HTTP are whole seconds (RFC 9110 5.6.7), in ms. */
const DATE_UNIT_MS = 1000

interface Held {
  readonly culprit: Culprit
  readonly body: Sha256
  readonly givenAgoMs: number | undefined
}

/** What peers are suspected of, by the name under which they sent it. */
export class Suspicions {
  readonly #held = new LRUCache<TargetUri, readonly Held[]>({ max: MAX_NAMES })

  /** Without a body there is nothing to compare with. */
  note(culprit: Culprit, { uri, body, givenAgoMs }: Suspicion): void {
    if (body === undefined) return
    const others = this.#held.get(uri) ?? []
    this.#held.set(uri, [...others, { culprit, body, givenAgoMs }].slice(-MAX_PER_NAME))
  }

  /**
   * What the origin server sent under a name.
   * @param modifiedAgoMs how long before that the file changed, by the server's own clock; absent: it does not say
   * @returns who had done no wrong, for each suspicion of it
   */
  clearedBy(uri: TargetUri, sent: Sha256, modifiedAgoMs = Infinity): readonly Culprit[] {
    const held = this.#held.get(uri)
    if (held === undefined) return []
    const isCleared = ({ body, givenAgoMs }: Held) =>
      body === sent || modifiedAgoMs <= (givenAgoMs ?? -Infinity) + DATE_UNIT_MS
    const left = held.filter((each) => !isCleared(each))
    if (left.length > 0) this.#held.set(uri, left.map(judged))
    else this.#held.delete(uri)
    return held.filter(isCleared).map(({ culprit }) => culprit)
  }
}

/** From now on nothing clears it but the same bytes. */
function judged({ culprit, body }: Held): Held {
  return { culprit, body, givenAgoMs: undefined }
}
