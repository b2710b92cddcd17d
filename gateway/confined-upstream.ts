/**
 * What is fetched for others is connected to at addresses of the Internet only (V§4: SSRF, DNS rebinding), whatever the node's
 * own applications may reach. Told apart by the URL, so that one copy of it can be for both.
 */
import type { Clock, Monotonic } from '../core/clock.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import type { CallingUpstream, Upstream } from '../core/upstream.ts'

/** What was begun for others may be gone on with for this long after they have gone, in ms. */
export const CONFINED_MS = 120_000

/**
 * For whom something is fetched: a member that has come to this machine because of its Internet access, so that no other
 * machine's gateway is asked for it; or the site, by this machine's own wish.
 */
export type ConfinedFor = 'member' | 'site'

export interface Ways {
  /** For the node's own applications. */
  readonly free: CallingUpstream
  /** To addresses of the Internet, directly or by way of a gateway, which is confined itself. */
  readonly site: Upstream
  /** To addresses of the Internet, and directly. */
  readonly member: Upstream
}

export interface Confinement {
  readonly upstream: CallingUpstream
  /** From now on until it is released. A while after that it is still confined, but no member waits for it. */
  readonly confine: (uri: TargetUri, whom: ConfinedFor) => () => void
}

export function confinement(clock: Clock, ways: Ways): Confinement {
  const { free } = ways
  const users = { member: new Map<TargetUri, number>(), site: new Map<TargetUri, number>() }
  const lately = new Map<TargetUri, Monotonic>()
  const forget = (now: Monotonic) => {
    for (const [uri, until] of lately) {
      if (until > now) return
      lately.delete(uri)
    }
  }
  const wayFor = (target: string) => {
    const uri = parseTargetUri(target)
    forget(clock.monotonic())
    if (uri === undefined) return free
    if (users.member.has(uri)) return ways.member
    return users.site.has(uri) || lately.has(uri) ? ways.site : free
  }
  return {
    upstream: {
      get mayCall() {
        return free.mayCall !== false && users.member.size + users.site.size + lately.size === 0
      },
      call: (...asked) => free.call(...asked),
      request: (request) => wayFor(request.uri).request(request),
      prepare: (uri) => wayFor(uri).prepare?.(uri),
    },
    confine(uri, whom) {
      const same = users[whom]
      same.set(uri, (same.get(uri) ?? 0) + 1)
      let isReleased = false
      return () => {
        if (isReleased) return
        isReleased = true
        const others = (same.get(uri) ?? 1) - 1
        if (others > 0) return void same.set(uri, others)
        same.delete(uri)
        const now = clock.monotonic()
        forget(now)
        lately.delete(uri)
        lately.set(uri, (now + CONFINED_MS) as Monotonic)
      }
    },
  }
}
