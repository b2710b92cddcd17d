/**
 * TUF's client workflow (specification 5.3 to 5.6) over metadata that came together in one catalogue: each check names the
 * attack that it stops.
 */
import { insist, Refused } from '../refused.ts'
import {
  fileMeta,
  isSignedByOneOf,
  parseMetadata,
  readMetadata,
  type FileMeta,
  type Role,
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

/** How many roots one check follows; the next one goes on from there. */
export const MAX_ROTATIONS = 256

/** Fetches the root of that version, which the catalogue does not hold. */
export type FetchRoot = (version: number) => Promise<Uint8Array>

export interface RootQuestion {
  /** Public Ed25519 keys, hexadecimal, one of which must have signed the first root; none: the first is believed, because the
   *  catalogue's own signature led here. */
  readonly first: readonly string[]
  readonly fetchRoot: FetchRoot
  /** Each root on the way that is believed: what is remembered from now on, whatever becomes of the rest. */
  readonly onRoot?: (remembered: Remembered) => void
}

export interface TrustedRoot {
  readonly root: Root
  readonly bytes: Uint8Array
  /** What has been seen under keys that still count; `undefined`: nothing. */
  readonly seen: Remembered | undefined
}

/**
 * The root that is to be believed now (5.3): each next one signed by the keys of the one before and by its own, so that a
 * stolen online key cannot replace it.
 * @throws Refused wrong-signer, replayed, malformed, oversized
 */
export async function trustedRoot(
  current: Uint8Array,
  remembered: Remembered | undefined,
  question: RootQuestion,
): Promise<TrustedRoot> {
  const wanted = parseMetadata<Root>(current, 'root').signed.version
  let trusted = remembered ? rememberedRoot(remembered) : await firstRoot(current, question)
  const newest = trusted.root.version
  insist(wanted >= newest, 'replayed', `the catalogue has root ${wanted}, and root ${newest} is known`)
  for (let steps = 0; trusted.root.version < wanted; steps++) {
    insist(
      steps < MAX_ROTATIONS,
      'oversized',
      `${MAX_ROTATIONS} new roots were followed, and there are ${wanted - trusted.root.version} more: the next check goes on`,
    )
    const next = trusted.root.version + 1
    trusted = following(trusted, next === wanted ? current : await question.fetchRoot(next))
    if (trusted.seen) question.onRoot?.(trusted.seen)
  }
  insist(Buffer.from(trusted.bytes).equals(current), 'mixed-set', `two different roots ${wanted}`)
  return trusted
}

function rememberedRoot(seen: Remembered): TrustedRoot {
  const bytes = Buffer.from(seen.root, 'utf8')
  return { root: ownRoot(bytes), bytes, seen }
}

async function firstRoot(current: Uint8Array, { first, fetchRoot }: RootQuestion): Promise<TrustedRoot> {
  const isPinned = (bytes: Uint8Array) => first.length === 0 || isSignedByOneOf(bytes, 'root', first)
  const bytes = isPinned(current) ? current : await fetchRoot(1)
  insist(isPinned(bytes), 'wrong-signer', 'the first root is not signed by the key that is trusted')
  return { root: ownRoot(bytes), bytes, seen: nothingSeen(bytes) }
}

function nothingSeen(root: Uint8Array): Remembered {
  return { root: Buffer.from(root).toString('utf8'), timestamp: 0, snapshot: 0, targets: 0 }
}

/** The next root, where the keys of the one before and its own signed it. */
function following({ root: before, seen }: TrustedRoot, bytes: Uint8Array): TrustedRoot {
  readMetadata<Root>(bytes, 'root', before)
  const root = ownRoot(bytes)
  const next = before.version + 1
  insist(root.version === next, 'replayed', `expected root ${next}, got root ${root.version}`)
  return { root, bytes, seen: stillSeen(seen ?? nothingSeen(bytes), before, root, bytes) }
}

/**
 * Numbers that were seen under keys that are no longer believed are forgotten (5.3.11): whoever stole such a key can have driven
 * them up, so that nothing the publisher signs would be newer.
 */
function stillSeen(seen: Remembered, before: Root, root: Root, bytes: Uint8Array): Remembered {
  const isKept = (role: Role) => before.roles[role].keyids.join() === root.roles[role].keyids.join()
  const areOnline = isKept('timestamp') && isKept('snapshot')
  return {
    root: Buffer.from(bytes).toString('utf8'),
    timestamp: areOnline ? seen.timestamp : 0,
    snapshot: areOnline ? seen.snapshot : 0,
    // Only the key of the targets can drive this up; forgotten without need, it would let new online keys show an old list.
    targets: isKept('targets') ? seen.targets : 0,
  }
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
  { root, bytes, seen }: TrustedRoot,
  now: number,
): TrustedTargets {
  // 5.4: a replayed timestamp would hide what came since; an expired one freezes.
  const timestamp = readMetadata<Timestamp>(files.timestamp, 'timestamp', root)
  notOlder('timestamp', timestamp.version, seen?.timestamp)
  // 5.5: the snapshot that this timestamp means, so that nobody mixes old and new.
  const snapshotMeta = timestamp.meta['snapshot.json']
  isMeant('snapshot.json', files.snapshot, snapshotMeta)
  const snapshot = readMetadata<Snapshot>(files.snapshot, 'snapshot', root)
  insist(snapshot.version === snapshotMeta.version, 'mixed-set', 'the timestamp means another snapshot')
  notOlder('snapshot', snapshot.version, seen?.snapshot)
  // 5.6: likewise for the targets.
  const targetsMeta = snapshot.meta['targets.json']
  isMeant('targets.json', files.targets, targetsMeta)
  const targets = readMetadata<Targets>(files.targets, 'targets', root)
  insist(targets.version === targetsMeta.version, 'mixed-set', 'the snapshot means other targets')
  notOlder('targets', targets.version, seen?.targets)
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
