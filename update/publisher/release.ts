/** `ihave publish release` and `refresh`: packages, metadata and the signed catalogue, ready for any web server. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../core/fault.ts'
import { checkAuthenticode } from '../../signing/authenticode.ts'
import { writeCabinetInfo, CABINET_INFO } from '../../signing/cabinet-info.ts'
import { writeCabinet, type Compression } from '../../signing/cabinet/write.ts'
import { signCabinet } from '../../signing/sign.ts'
import {
  CATALOGUE,
  CATALOGUE_CABINET,
  packageName,
  writeCatalogue,
  type CataloguePackage,
} from '../catalogue.ts'
import { writeDurably } from '../files.ts'
import { readTrust } from '../trust-file.ts'
import { expiryTime, fileMeta, signMetadata, SPEC_VERSION, type Targets } from '../tuf/metadata.ts'
import { nextStamp, stampOf, stampTime } from '../version.ts'
import { loadIdentity, loadKey, trustText } from './key-folder.ts'
import { DAY_MS, OFFLINE_DAYS } from './root.ts'
import { loadSite, METADATA, saveSite, stagedFolder, type Site, type StagedComponent } from './site.ts'

export interface ReleaseSettings {
  readonly keys: string
  /** The time of release, in milliseconds since 1970. */
  readonly at: number
  readonly compression: Compression
  /** How long the catalogue is believed without a refresh. */
  readonly validDays: number
  /** What packages' URLs begin with, where they lie elsewhere than the catalogue; ends in `/`. */
  readonly baseUrl: string | undefined
}

export interface Release {
  readonly product: string
  readonly released: string
  /** Made by this release; others stay as they were. */
  readonly packages: readonly CataloguePackage[]
  readonly catalogueBytes: number
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** @throws Fault BAD_REQUEST where nothing was added, or keys are not there */
export function release(folder: string, settings: ReleaseSettings): Release {
  const site = loadSite(folder)
  if (site.staged.length === 0)
    throw new Fault('BAD_REQUEST', 'nothing was added since the last release; "ihave publish add" first')
  const released = stampFor(folder, site, settings.at)
  const made = site.staged.map((each) => makePackage(folder, site, each, released, settings))
  const names = new Set(made.map(({ component }) => component))
  const packages = [...site.packages.filter(({ component }) => !names.has(component)), ...made].toSorted(
    (one, other) => (one.component < other.component ? -1 : 1),
  )
  const versions = { ...site.versions, targets: site.versions.targets + 1 }
  const next: Site = { ...site, versions, released, packages, staged: [] }
  writeTargets(folder, next, settings)
  const { site: finished, catalogueBytes } = writeOnline(folder, next, settings)
  for (const { component } of made) rmSync(stagedFolder(folder, component), { recursive: true, force: true })
  return {
    product: site.product,
    released,
    packages: made,
    catalogueBytes,
    expiresAt: finished.expiresAt ?? 0,
  }
}

/** Renews what expires soon, with the online keys alone. @throws Fault BAD_REQUEST */
export function refresh(
  folder: string,
  settings: Pick<ReleaseSettings, 'keys' | 'at' | 'validDays'>,
): Release {
  const site = loadSite(folder)
  if (site.released === undefined)
    throw new Fault('BAD_REQUEST', 'nothing was released yet; "ihave publish release" first')
  const { site: finished, catalogueBytes } = writeOnline(folder, site, settings)
  const { product, released } = site
  return { product, released, packages: [], catalogueBytes, expiresAt: finished.expiresAt ?? 0 }
}

/** Later than the latest release, and no name twice: a minute is added until both hold. */
function stampFor(folder: string, site: Site, at: number): string {
  const isTaken = (stamp: string) =>
    stamp <= (site.released ?? '') ||
    site.staged.some(({ component }) => existsSync(join(folder, `${component}.${stamp}.cab`)))
  let stamp = stampOf(at)
  if (stamp < (site.released ?? '')) stamp = site.released ?? stamp
  while (isTaken(stamp)) stamp = nextStamp(stamp)
  return stamp
}

function makePackage(
  folder: string,
  { product }: Site,
  { component, version, files, minProduct, install }: StagedComponent,
  released: string,
  { keys, compression, baseUrl = '' }: ReleaseSettings,
): CataloguePackage {
  const name = `${component}.${released}.cab`
  const info = writeCabinetInfo({ name, product, component, version, released })
  const content = files.map((file) => ({
    ...file,
    bytes: readFileSync(join(stagedFolder(folder, component), file.name)),
  }))
  const plain = writeCabinet(
    [{ name: CABINET_INFO, bytes: info }, ...content],
    compression,
    stampTime(released),
  )
  const cabinet = signChecked(plain, keys, 'packages', released)
  writeDurably(join(folder, name), cabinet)
  const sha256 = createHash('sha256').update(cabinet).digest('hex')
  return { component, version, url: `${baseUrl}${name}`, size: cabinet.length, sha256, minProduct, install }
}

/** What updaters would refuse is not published. */
function signChecked(
  cabinet: Buffer,
  keys: string,
  signer: 'packages' | 'catalog',
  released: string,
): Buffer {
  const signed = signCabinet(cabinet, loadIdentity(keys, signer))
  checkAuthenticode(signed, readTrust(trustText(keys)), stampTime(released))
  return signed
}

/** What the offline keys sign: the catalogue, and the digests of everything. */
function writeTargets(folder: string, site: Site, { keys, at }: ReleaseSettings): void {
  const { product, packages, versions, released = '' } = site
  const catalogue = writeCatalogue({ product, number: versions.targets, released, packages })
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
  writeDurably(join(folder, CATALOGUE), catalogue)
  writeDurably(join(folder, METADATA, 'targets.json'), signMetadata(targets, [loadKey(keys, 'targets')]))
}

/** Snapshot, timestamp and the signed cabinet around all of it, which is written last. */
function writeOnline(
  folder: string,
  site: Site,
  { keys, at, validDays }: Pick<ReleaseSettings, 'keys' | 'at' | 'validDays'>,
): { readonly site: Site; readonly catalogueBytes: number } {
  const { product, released = '' } = site
  const versions = {
    ...site.versions,
    snapshot: site.versions.snapshot + 1,
    timestamp: site.versions.timestamp + 1,
  }
  const expiresAt = at + validDays * DAY_MS
  const common = { spec_version: SPEC_VERSION, expires: expiryTime(expiresAt) }
  const metadata = (name: string) => readFileSync(join(folder, METADATA, name))
  const targets = metadata('targets.json')
  const snapshot = signMetadata(
    {
      _type: 'snapshot',
      ...common,
      version: versions.snapshot,
      meta: { 'targets.json': { version: versions.targets, ...fileMeta(targets) } },
    },
    [loadKey(keys, 'snapshot')],
  )
  const timestamp = signMetadata(
    {
      _type: 'timestamp',
      ...common,
      version: versions.timestamp,
      meta: { 'snapshot.json': { version: versions.snapshot, ...fileMeta(snapshot) } },
    },
    [loadKey(keys, 'timestamp')],
  )
  const info = {
    name: CATALOGUE_CABINET,
    product,
    component: 'catalog',
    version: String(versions.targets),
    released,
  }
  const files = [
    { name: CABINET_INFO, bytes: writeCabinetInfo(info) },
    { name: CATALOGUE, bytes: readFileSync(join(folder, CATALOGUE)) },
    { name: 'root.json', bytes: metadata('root.json') },
    { name: 'timestamp.json', bytes: timestamp },
    { name: 'snapshot.json', bytes: snapshot },
    { name: 'targets.json', bytes: targets },
  ]
  const cabinet = signChecked(writeCabinet(files, 'mszip', stampTime(released)), keys, 'catalog', stampOf(at))
  const finished: Site = { ...site, versions, expiresAt }
  // A version once used must never be used for something else, so it is written down before anybody can see it.
  saveSite(folder, finished)
  writeDurably(join(folder, METADATA, 'snapshot.json'), snapshot)
  writeDurably(join(folder, METADATA, 'timestamp.json'), timestamp)
  writeDurably(join(folder, CATALOGUE_CABINET), cabinet)
  return { site: finished, catalogueBytes: cabinet.length }
}
