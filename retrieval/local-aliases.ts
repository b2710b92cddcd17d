/** Local aliases (R1.3): unguessable names under which peers may get what this node holds. */
import { LRUCache } from 'lru-cache'
import type { Random } from '../core/random.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { LocalAlias } from '../peering/packets.ts'

/** Names that are valid at once; one that is forgotten costs its peer another question. */
const MAX_ALIASES = 50_000

export interface LocalAliases {
  aliasOf(uri: TargetUri): LocalAlias
  /** `undefined` for a name that was never given, or was forgotten. */
  uriOf(alias: LocalAlias): TargetUri | undefined
}

/** Made on first use and not kept over a restart: a name lives as long as the node that gave it. */
export function localAliases(random: Random): LocalAliases {
  const uris = new LRUCache<LocalAlias, TargetUri>({
    max: MAX_ALIASES,
    dispose: (uri) => aliases.delete(uri),
  })
  const aliases = new Map<TargetUri, LocalAlias>()
  return {
    aliasOf(uri) {
      const known = aliases.get(uri)
      // Asked for, it counts as used: what is offered again and again is not forgotten.
      if (known !== undefined && uris.get(known) !== undefined) return known
      const alias = random.hex(32) as LocalAlias
      aliases.set(uri, alias)
      uris.set(alias, uri)
      return alias
    },
    uriOf: (alias) => uris.get(alias),
  }
}
