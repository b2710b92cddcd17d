/** Which packages the demo downloads. */
import type { Sha256 } from '../core/digest.ts'

/** A package as apt's lists know it. */
export interface Package {
  readonly name: string
  /** Bytes of its file. */
  readonly size: number
  readonly sha256: Sha256
}

/** Small, common, and for the most part old friends. The first that an archive has are taken. */
export const CANDIDATES: readonly string[] = [
  'cowsay',
  'hello',
  'sl',
  'figlet',
  'tree',
  'jq',
  'htop',
  'tmux',
  'nano',
  'rsync',
  'wget',
  'screen',
  'ncdu',
  'pv',
  'less',
  'bc',
  'dc',
  'lolcat',
  'toilet',
  'fortune-mod',
  'bsdgames',
  'zip',
  'unzip',
  'mc',
]

const DOZEN = 12
/** Keeps the whole at a few megabytes. */
const MAX_PACKAGE_BYTES = 1_000_000

/**
 * A dozen of them, in the order of `CANDIDATES`; fewer where an archive has fewer.
 * @throws Error when it has none.
 */
export function choosePackages(known: readonly Package[]): readonly Package[] {
  const small = known.filter(({ size }) => size <= MAX_PACKAGE_BYTES)
  const chosen = CANDIDATES.flatMap((name) => small.find((each) => each.name === name) ?? [])
  if (chosen.length === 0) throw new Error(`apt's lists have none of ${CANDIDATES.join(', ')}`)
  return chosen.slice(0, DOZEN)
}

/** Reads what `apt-cache show` prints; a stanza without name, size or SHA-256 (a virtual package) is left out. */
export function parsePackages(text: string): Package[] {
  return text.split(/\n\n+/).flatMap((stanza) => {
    const name = field(stanza, 'Package')
    const size = Number(field(stanza, 'Size'))
    const sha256 = field(stanza, 'SHA256')
    if (name === undefined || !(size > 0) || !/^[0-9a-f]{64}$/.test(sha256 ?? '')) return []
    return [{ name, size, sha256: sha256 as Sha256 }]
  })
}

function field(stanza: string, name: string): string | undefined {
  return new RegExp(`^${name}: *(\\S+) *$`, 'm').exec(stanza)?.[1]
}
