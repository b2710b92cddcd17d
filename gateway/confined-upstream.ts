/**
 * What is fetched for others is connected to at addresses of the Internet only (V§4: SSRF, DNS rebinding), whatever the node's
 * own applications may reach. Told apart by the URL, so that one copy of it can be for both.
 */
import type { Clock, Monotonic } from '../core/clock.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import type { Upstream } from '../core/upstream.ts'

/** What was begun for others may be gone on with for this long after they have gone, in ms. */
export const CONFINED_MS = 120_000

export interface Confinement {
  readonly upstream: Upstream
  /** From now on until it is released, and a while after that. */
  readonly confine: (uri: TargetUri) => () => void
}

export function confinement(
  clock: Clock,
  { free, confined }: { readonly free: Upstream; readonly confined: Upstream },
): Confinement {
  const users = new Map<TargetUri, number>()
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
    return uri !== undefined && (users.has(uri) || lately.has(uri)) ? confined : free
  }
  return {
    upstream: {
      request: (request) => wayFor(request.uri).request(request),
      prepare: (uri) => wayFor(uri).prepare?.(uri),
    },
    confine(uri) {
      users.set(uri, (users.get(uri) ?? 0) + 1)
      let isReleased = false
      return () => {
        if (isReleased) return
        isReleased = true
        const others = (users.get(uri) ?? 1) - 1
        if (others > 0) return void users.set(uri, others)
        users.delete(uri)
        const now = clock.monotonic()
        forget(now)
        lately.delete(uri)
        lately.set(uri, (now + CONFINED_MS) as Monotonic)
      }
    },
  }
}
