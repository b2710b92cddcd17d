/**
 * TUF's client workflow (specification 5.3 to 5.6) over metadata that came together in one catalogue: each check names the
 * attack that it stops.
 */
import { insist, Refused } from '../refused.ts'
import {
  fileMeta,
  parseMetadata,
  readMetadata,
  type FileMeta,
  type Root,
  type Snapshot,
  type Targets,
  type Timestamp,
} from './metadata.ts'

/** What is remembered from one check to the next: versions that only grow. */
export interface Remembered {
  /** The bytes of the trusted root. */
  readonly root: string
  readonly timestamp: number
  readonly snapshot: number
  readonly targets: number
}

export interface MetadataFiles {
  readonly root: Uint8Array
  readonly timestamp: Uint8Array
  readonly snapshot: Uint8Array
  readonly targets: Uint8Array
}

export interface TrustedTargets {
  readonly targets: Readonly<Record<string, FileMeta>>
  readonly version: number
  /** What is to be remembered from now on. */
  readonly remembered: Remembered
  /** When the first of the four expires, in milliseconds since 1970. */
  readonly expiresAt: number
}

/** How many roots may lie between the remembered one and the new one. */
const MAX_ROTATIONS = 64

/** Fetches the root of that version, which the catalogue does not hold. */
export type FetchRoot = (version: number) => Promise<Uint8Array>

/**
 * The root that is to be believed now (5.3): each next one signed by the keys of the one before and by its own, so that a
 * stolen online key cannot replace it.
 * @param first public Ed25519 keys, hexadecimal, one of which must have signed the first root; none: the first is believed,
 *   because the catalogue's own signature led here
 * @throws Refused wrong-signer, replayed, malformed
 */
export async function trustedRoot(
  current: Uint8Array,
  remembered: Remembered | undefined,
  first: readonly string[],
  fetchRoot: FetchRoot,
): Promise<{ readonly root: Root; readonly bytes: Uint8Array }> {
  const wanted = parseMetadata<Root>(current, 'root').signed.version
  let trusted = remembered
    ? ownRoot(Buffer.from(remembered.root, 'utf8'))
    : await firstRoot(current, first, fetchRoot)
  let bytes: Uint8Array = remembered
    ? Buffer.from(remembered.root, 'utf8')
    : trusted.version === wanted
      ? current
      : await fetchRoot(trusted.version)
  insist(
    wanted >= trusted.version,
    'replayed',
    `the catalogue has root ${wanted}, and root ${trusted.version} is known`,
  )
  insist(wanted - trusted.version <= MAX_ROTATIONS, 'oversized', 'too many new roots at once')
  while (trusted.version < wanted) {
    const next = trusted.version + 1
    bytes = next === wanted ? current : await fetchRoot(next)
    readMetadata<Root>(bytes, 'root', trusted)
    const root = ownRoot(bytes)
    insist(root.version === next, 'replayed', `expected root ${next}, got root ${root.version}`)
    trusted = root
  }
  insist(Buffer.from(bytes).equals(current), 'mixed-set', `two different roots ${wanted}`)
  return { root: trusted, bytes }
}

async function firstRoot(current: Uint8Array, first: readonly string[], fetchRoot: FetchRoot): Promise<Root> {
  if (isSignedByOneOf(current, first)) return ownRoot(current)
  const original = await fetchRoot(1)
  insist(
    isSignedByOneOf(original, first),
    'wrong-signer',
    'the first root is not signed by the key that is trusted',
  )
  return ownRoot(original)
}

function isSignedByOneOf(bytes: Uint8Array, keys: readonly string[]): boolean {
  const root = ownRoot(bytes)
  return (
    keys.length === 0 ||
    root.roles.root.keyids.some((id) => keys.includes(root.keys[id]?.keyval.public ?? ''))
  )
}

/** A root that its own keys signed. */
function ownRoot(bytes: Uint8Array): Root {
  return readMetadata<Root>(bytes, 'root', parseMetadata<Root>(bytes, 'root').signed)
}

/**
 * The targets that are to be believed now.
 * @param now milliseconds since 1970. @throws Refused replayed, expired-catalogue, mixed-set, wrong-signer, malformed
 */
export function trustedTargets(
  files: Omit<MetadataFiles, 'root'>,
  { root, bytes }: { readonly root: Root; readonly bytes: Uint8Array },
  remembered: Remembered | undefined,
  now: number,
): TrustedTargets {
  // 5.4: a replayed timestamp would hide what came since; an expired one freezes.
  const timestamp = readMetadata<Timestamp>(files.timestamp, 'timestamp', root)
  notOlder('timestamp', timestamp.version, remembered?.timestamp)
  // 5.5: the snapshot that this timestamp means, so that nobody mixes old and new.
  const snapshotMeta = timestamp.meta['snapshot.json']
  isMeant('snapshot.json', files.snapshot, snapshotMeta)
  const snapshot = readMetadata<Snapshot>(files.snapshot, 'snapshot', root)
  insist(snapshot.version === snapshotMeta.version, 'mixed-set', 'the timestamp means another snapshot')
  notOlder('snapshot', snapshot.version, remembered?.snapshot)
  // 5.6: likewise for the targets.
  const targetsMeta = snapshot.meta['targets.json']
  isMeant('targets.json', files.targets, targetsMeta)
  const targets = readMetadata<Targets>(files.targets, 'targets', root)
  insist(targets.version === targetsMeta.version, 'mixed-set', 'the snapshot means other targets')
  notOlder('targets', targets.version, remembered?.targets)
  const all = [root, timestamp, snapshot, targets]
  for (const each of all) notExpired(each, now)
  return {
    targets: targets.targets,
    version: targets.version,
    remembered: {
      root: Buffer.from(bytes).toString('utf8'),
      timestamp: timestamp.version,
      snapshot: snapshot.version,
      targets: targets.version,
    },
    expiresAt: Math.min(...all.map(({ expires }) => Date.parse(expires))),
  }
}

function notOlder(role: string, version: number, known = 0): void {
  if (version < known)
    throw new Refused(
      'replayed',
      `an older catalogue: ${role} ${version}, and ${role} ${known} has been seen`,
    )
}

function notExpired(
  { _type, expires }: { readonly _type: string; readonly expires: string },
  now: number,
): void {
  if (Date.parse(expires) <= now)
    throw new Refused(
      'expired-catalogue',
      `the catalogue has expired: its ${_type} was valid until ${expires}`,
    )
}

function isMeant(name: string, bytes: Uint8Array, meta: FileMeta | undefined): void {
  const { length, hashes } = fileMeta(bytes)
  const isSame = meta?.length === length && meta.hashes?.sha256 === hashes.sha256
  insist(isSame, 'mixed-set', `${name} is not the one that belongs to this catalogue`)
}
