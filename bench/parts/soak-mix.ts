/** What the soak asks for: everything that programs do to a proxy, in a seeded mix. */
import type { Agent } from 'node:http'
import type { Random } from '../../core/random.ts'
import { contentPath } from './content.ts'
import type { SoakRequest } from './soak-request.ts'

/** How many of a hundred requests. */
const SHARES = { hit: 34, miss: 16, joined: 10, range: 16, head: 8, post: 7, absent: 5, broken: 4 } as const

const KNOWN_SIZES = [0, 1, 1024, 10_240, 65_536, 102_400, 1_048_576]
/** Stored objects that are asked for again and again. */
const KNOWN = 50
/** So many requests in a row may name the same new object. */
const JOINED = 40
const ABORTED = 0.15
const OWN_CONNECTION = 0.3

/** @returns the requests, one after the other. Connections are kept in `agent`. */
export function soakMix(random: Random, agent: Agent): (number: number) => SoakRequest {
  const below = (limit: number) => Math.floor(random.fraction() * limit)
  /** Small ones are more frequent, as on real servers. */
  const size = () => Math.floor(2 ** (random.fraction() * 18))
  const known = () => {
    const number = below(KNOWN)
    return { bytes: KNOWN_SIZES[number % KNOWN_SIZES.length] ?? 0, name: `known-${number}` }
  }
  const requestOf = (number: number): Pick<SoakRequest, 'method' | 'path' | 'range'> => {
    const kind = kindOf(below(100))
    switch (kind) {
      case 'hit': {
        const { bytes, name } = known()
        return { method: 'GET', path: contentPath('whole', bytes, name) }
      }
      case 'miss':
        return { method: 'GET', path: contentPath('whole', size(), `new-${number}`) }
      case 'joined':
        return { method: 'GET', path: contentPath('whole', 300_000, `joined-${Math.floor(number / JOINED)}`) }
      case 'range':
        return rangeOf(number)
      case 'head': {
        const { bytes, name } = known()
        return { method: 'HEAD', path: contentPath('whole', bytes, name) }
      }
      case 'post':
        return { method: 'POST', path: contentPath('digest', size(), `sent-${number}`) }
      case 'absent':
        return { method: 'GET', path: contentPath('absent', 0, `none-${number}`) }
      case 'broken':
        return { method: 'GET', path: contentPath('broken', 1 + size(), `broken-${number}`) }
    }
  }
  /** Of a stored object, or of one that may not be there. */
  const rangeOf = (number: number): Pick<SoakRequest, 'method' | 'path' | 'range'> => {
    const bytes = 1_048_576
    const name = below(2) === 0 ? 'known-6' : `parts-${Math.floor(number / JOINED)}`
    const start = below(bytes)
    const end = start + 1 + below(Math.min(bytes - start, 100_000))
    return { method: 'GET', path: contentPath('whole', bytes, name), range: { start, end } }
  }
  return (number) => ({
    ...requestOf(number),
    ...(random.fraction() < ABORTED ? { abort: { afterMs: below(40), afterBytes: size() } } : {}),
    agent: random.fraction() < OWN_CONNECTION ? undefined : agent,
  })
}

type Kind = keyof typeof SHARES

/** @param percent From 0 to before 100. */
function kindOf(percent: number): Kind {
  let upTo = 0
  for (const [kind, share] of Object.entries(SHARES)) if (percent < (upTo += share)) return kind as Kind
  return 'hit'
}
