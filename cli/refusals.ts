/** What was refused, in words for people: at the gateway, and on the port for files. The code stands behind it, for the log. */
import type { LastCheck } from '../update/installer/installation.ts'
import type { Refusal } from '../gateway/wire.ts'
import type { AbuseKind } from '../peering/abuses.ts'

type Reason = Refusal | AbuseKind

const WORDS: Readonly<Record<Reason, string>> = {
  unsigned: 'a stranger’s request',
  'unknown-member': 'not from a member of this site',
  'another-time': 'kept back, or a clock that is wrong',
  'wrong-signature': 'changed, or meant for another machine',
  replayed: 'a replay',
  'too-many-nonces': 'more signed requests than can be remembered',
  'no-gateway': 'this machine is no gateway now',
  method: 'neither GET nor HEAD',
  'no-url': 'no URL that can be got',
  https: 'https',
  'not-shared': 'no rule calls this URL an update',
  credentials: 'somebody’s own: it has credentials',
  port: 'a port that is not for updates',
  'internal-address': 'an internal address',
  'internal-redirect': 'a redirect to an internal address',
  'too-many-requests': 'too many requests in a minute',
  'too-many-bytes': 'too many bytes in an hour',
  'too-many-at-once': 'too many at once',
  'other-url': 'another server’s URL: this is no proxy',
  connect: 'a tunnel to another server',
  upgrade: 'another protocol',
  page: 'from a page in a browser',
  'other-host': 'for another host',
  content: 'with content that no peer sends',
  path: 'nothing has this path',
  'off-link': 'a connection from beyond the LAN',
  'too-many-connections': 'too many connections at once',
  pipelined: 'many requests at once over one connection',
  malformed: 'no HTTP',
}

/** `a replay (replayed)`; a code of another version stays as it is. */
export function reasonText(reason: string): string {
  const words = Object.hasOwn(WORDS, reason) ? WORDS[reason as Reason] : undefined
  return words === undefined || words === reason ? reason : `${words} (${reason})`
}

/** `3 × a replay (replayed), 1 × https`; empty: nothing was. */
export function refusedText(refused: Readonly<Record<string, number>>): string {
  return Object.entries(refused)
    .map(([reason, count]) => `${count} × ${reasonText(reason)}`)
    .join(', ')
}

/** How a check ended, in a word or two. */
export function checkText({ outcome, reason }: LastCheck): string {
  return reason === undefined ? outcome : `${outcome} (${reason})`
}
