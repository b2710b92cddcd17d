/** Local aliases (R1.3): unguessable names under which peers may get what this node holds. */
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
  /** In the order of use, the least recent first: room for all of them is not taken before there are so many. */
  const uris = new Map<LocalAlias, TargetUri>()
  const aliases = new Map<TargetUri, LocalAlias>()
  const use = (alias: LocalAlias, uri: TargetUri) => {
    uris.delete(alias)
    uris.set(alias, uri)
  }
  const forgetOldest = () => {
    for (const [alias, uri] of uris) {
      uris.delete(alias)
      return void aliases.delete(uri)
    }
  }
  return {
    aliasOf(uri) {
      const known = aliases.get(uri)
      const alias = known ?? (random.hex(32) as LocalAlias)
      if (known === undefined) aliases.set(uri, alias)
      // Asked for, it counts as used: what is offered again and again is not forgotten.
      use(alias, uri)
      if (uris.size > MAX_ALIASES) forgetOldest()
      return alias
    },
    uriOf(alias) {
      const uri = uris.get(alias)
      if (uri !== undefined) use(alias, uri)
      return uri
    },
  }
}
