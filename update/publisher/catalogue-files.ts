/** Everything around the packages: the catalogue, TUF metadata, and the signed cabinet that holds both. Opens nothing. */
import type { KeyObject } from 'node:crypto'
import { Fault } from '../../core/fault.ts'
import { checkAuthenticode } from '../../signing/authenticode.ts'
import { CABINET_INFO, writeCabinetInfo } from '../../signing/cabinet-info.ts'
import { readCabinet } from '../../signing/cabinet/read.ts'
import { writeCabinet } from '../../signing/cabinet/write.ts'
import { signCabinet, type SigningIdentity } from '../../signing/sign.ts'
import { CATALOGUE, CATALOGUE_CABINET, packageName, readCatalogue, writeCatalogue } from '../catalogue.ts'
import { CATALOGUE_LIMITS, MAX_CATALOGUE_BYTES } from '../limits.ts'
import { Refused } from '../refused.ts'
import type { PublisherTrust } from '../trust-file.ts'
import {
  expiryTime,
  fileMeta,
  parseMetadata,
  signMetadata,
  SPEC_VERSION,
  type Root,
  type Snapshot,
  type Targets,
  type Timestamp,
} from '../tuf/metadata.ts'
import { trustedTargets } from '../tuf/trusted.ts'
import { stampTime } from '../version.ts'
import { usableUntil } from './certificate-until.ts'
import type { PublicFile } from './publication.ts'
import { DAY_MS, OFFLINE_DAYS } from './root.ts'
import { METADATA, type Site } from './site.ts'

/** What a server renews between releases is signed by these. */
export interface OnlineKeys {
  readonly snapshot: KeyObject
  readonly timestamp: KeyObject
  readonly catalog: SigningIdentity
  readonly trust: PublisherTrust
}

/** What the offline keys signed, as bytes of files. */
export interface OfflineFiles {
  readonly root: Buffer
  readonly targets: Buffer
  readonly catalogue: Buffer
}

export interface CatalogueFiles {
  /** With the new versions and expiry. */
  readonly site: Site
  /** In the order in which they become public: the cabinet is last. */
  readonly files: readonly PublicFile[]
  readonly catalogueBytes: number
}

export function catalogueOf({ product, packages, versions, released = '' }: Site): Buffer {
  return writeCatalogue({ product, number: versions.targets, released, packages })
}

/** The digests of the catalogue and of every package. @param at milliseconds since 1970 */
export function makeTargets(
  { packages, versions }: Site,
  catalogue: Buffer,
  key: KeyObject,
  at: number,
): Buffer {
  const targets: Targets = {
    _type: 'targets',
    spec_version: SPEC_VERSION,
    version: versions.targets,
    expires: expiryTime(at + OFFLINE_DAYS * DAY_MS),
    targets: Object.fromEntries([
      [CATALOGUE, fileMeta(catalogue)],
      ...packages.map(
        (each) => [packageName(each), { length: each.size, hashes: { sha256: each.sha256 } }] as const,
      ),
    ]),
  }
  return signMetadata(targets, [key])
}

/**
 * Snapshot, timestamp and the signed cabinet around all of it.
 * @throws Refused, Refusal, Fault BAD_REQUEST where updaters would refuse it
 */
export function makeCatalogueFiles(
  before: Site,
  offline: OfflineFiles,
  keys: OnlineKeys,
  at: number,
  validDays: number,
): CatalogueFiles {
  const { snapshot: snapshots, timestamp: timestamps } = before.versions
  const site = {
    ...before,
    versions: { ...before.versions, snapshot: snapshots + 1, timestamp: timestamps + 1 },
  }
  const expires = expiryTime(at + validDays * DAY_MS)
  const snapshot = makeSnapshot(site, offline.targets, keys.snapshot, expires)
  const timestamp = makeTimestamp(site, snapshot, keys.timestamp, expires)
  const catalogueCertificateUntil = usableUntil('catalog', keys.catalog, keys.trust, at)
  const rolesUntil = believedUntil(offline, { snapshot, timestamp }, at)
  const expiresAt = Math.min(rolesUntil, catalogueCertificateUntil)
  const cabinet = makeCabinet(site, offline, { snapshot, timestamp }, keys.catalog)
  checkCabinet(cabinet, offline.catalogue, keys.trust, at)
  const files = [
    { path: `${METADATA}/targets.json`, bytes: offline.targets },
    { path: CATALOGUE, bytes: offline.catalogue },
    { path: `${METADATA}/snapshot.json`, bytes: snapshot },
    { path: `${METADATA}/timestamp.json`, bytes: timestamp },
    { path: CATALOGUE_CABINET, bytes: cabinet },
  ]
  return { site: { ...site, expiresAt, catalogueCertificateUntil }, files, catalogueBytes: cabinet.length }
}

function makeSnapshot({ versions }: Site, targets: Buffer, key: KeyObject, expires: string): Buffer {
  const signed: Snapshot = {
    _type: 'snapshot',
    spec_version: SPEC_VERSION,
    expires,
    version: versions.snapshot,
    meta: { 'targets.json': { version: versions.targets, ...fileMeta(targets) } },
  }
  return signMetadata(signed, [key])
}

function makeTimestamp({ versions }: Site, snapshot: Buffer, key: KeyObject, expires: string): Buffer {
  const signed: Timestamp = {
    _type: 'timestamp',
    spec_version: SPEC_VERSION,
    expires,
    version: versions.timestamp,
    meta: { 'snapshot.json': { version: versions.snapshot, ...fileMeta(snapshot) } },
  }
  return signMetadata(signed, [key])
}

interface OnlineFiles {
  readonly snapshot: Buffer
  readonly timestamp: Buffer
}

function makeCabinet(
  { product, versions, released = '' }: Site,
  { root, targets, catalogue }: OfflineFiles,
  { snapshot, timestamp }: OnlineFiles,
  identity: SigningIdentity,
): Buffer {
  const [name, version] = [CATALOGUE_CABINET, String(versions.targets)]
  const files = [
    {
      name: CABINET_INFO,
      bytes: writeCabinetInfo({ name, product, component: 'catalog', version, released }),
    },
    { name: CATALOGUE, bytes: catalogue },
    { name: 'root.json', bytes: root },
    { name: 'timestamp.json', bytes: timestamp },
    { name: 'snapshot.json', bytes: snapshot },
    { name: 'targets.json', bytes: targets },
  ]
  return signCabinet(writeCabinet(files, 'mszip', stampTime(released)), identity)
}

/** @returns milliseconds since 1970. @throws Fault BAD_REQUEST where a role has expired, with what renews it */
function believedUntil({ root, targets }: OfflineFiles, online: OnlineFiles, at: number): number {
  const { signed } = parseMetadata<Root>(root, 'root')
  try {
    const believed = { root: signed, bytes: root, seen: undefined }
    return trustedTargets({ targets, ...online }, believed, at).expiresAt
  } catch (error) {
    if (!(error instanceof Refused) || error.reason !== 'expired-catalogue') throw error
    const renewal = '"ihave publish rotate --key root" renews root and targets'
    throw new Fault('BAD_REQUEST', `${error.message}; ${renewal}`, { cause: error })
  }
}

/** What updaters would refuse is not published. */
function checkCabinet(cabinet: Buffer, catalogue: Buffer, trust: PublisherTrust, at: number): void {
  checkAuthenticode(cabinet, trust, at)
  readCabinet(cabinet, CATALOGUE_LIMITS)
  readCatalogue(catalogue)
  if (cabinet.length > MAX_CATALOGUE_BYTES)
    throw new Fault(
      'BAD_REQUEST',
      `a catalogue of ${cabinet.length} bytes, and updaters take at most ${MAX_CATALOGUE_BYTES}: it has too many components`,
    )
}
