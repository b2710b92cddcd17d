/**
 * Private questions (V§4): in a site, a resource is asked for by a keyed hash of its URL, which only members can tell.
 *
 * Stops whoever listens, or asks for what he knows already, from reading which machine lacks which patch.
 */
import { createHmac } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { SiteSecret } from './membership.ts'

/** Names that can be told back to their URLs, about 250 bytes each; one that is forgotten is not offered. */
export const MAX_NAMES = 100_000

export interface PrivateNames {
  /** What the LAN is told in the place of this URI: `site:EPOCH.KEYED-HASH`; the URI itself where there is no secret. */
  nameOf(uri: string): string
  /** The same, also where questions are clear. */
  privateNameOf(uri: string): string
  /** The URI that a name stands for, if it is one that this node has named; a clear URI stands for itself. */
  uriOf(name: string): string | undefined
}

/** @param secret the one in force; `undefined`: there is no site. @param isClear whether questions name URLs all the same. */
export function privateNames(secret: () => SiteSecret | undefined, isClear = false): PrivateNames {
  let known: KnownNames | undefined
  /** A new secret makes all names new; without one there are none, and no room is kept for them. */
  const current = () => {
    const now = secret()
    if (now?.key !== known?.secret.key) known = now && newNames(now)
    return known
  }
  const privateNameOf = (uri: string) => {
    const now = current()
    if (now === undefined) return uri
    const name = now.names.get(uri) ?? keyedName(now.secret, uri)
    now.names.set(uri, name)
    now.uris.set(name, uri)
    return name
  }
  return {
    privateNameOf,
    nameOf(uri) {
      const name = privateNameOf(uri)
      return isClear ? uri : name
    },
    uriOf(name) {
      return isPrivateName(name) ? current()?.uris.get(name) : name
    },
  }
}

interface KnownNames {
  readonly secret: SiteSecret
  readonly uris: LRUCache<string, string>
  readonly names: LRUCache<string, string>
}

function newNames(secret: SiteSecret): KnownNames {
  return { secret, uris: new LRUCache({ max: MAX_NAMES }), names: new LRUCache({ max: MAX_NAMES }) }
}

const SCHEME = 'site:'

/** Whether only members of a site can tell what this name stands for. */
export function isPrivateName(name: string): boolean {
  return name.startsWith(SCHEME)
}

function keyedName({ epoch, key }: SiteSecret, uri: string): string {
  const hash = createHmac('sha256', Buffer.from(key, 'hex')).update(`ihave name 1\n${uri}`).digest('hex')
  return `${SCHEME}${epoch}.${hash.slice(0, 32)}`
}
