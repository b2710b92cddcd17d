/**
 * `ihave publish release` and `refresh`: packages, metadata and the signed catalogue, ready for any web server. Every key is
 * looked at, and everything made and judged, before the first file is written.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../core/fault.ts'
import type { Compression } from '../../signing/cabinet/write.ts'
import { CATALOGUE, CATALOGUE_CABINET, type CataloguePackage } from '../catalogue.ts'
import { readTrust } from '../trust-file.ts'
import {
  catalogueOf,
  makeCatalogueFiles,
  makeTargets,
  type CatalogueFiles,
  type OfflineFiles,
  type OnlineKeys,
} from './catalogue-files.ts'
import { loadIdentity, trustText } from './key-folder.ts'
import { withSite, type OpenSite } from './open-site.ts'
import { makePackage, stampFor, type MadePackage } from './packages.ts'
import { publish } from './publication.ts'
import { loadRoleKey } from './settle-keys.ts'
import { METADATA, type Site } from './site.ts'

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
  /** When updaters stop believing the catalogue, in milliseconds since 1970. */
  readonly expiresAt: number
}

/**
 * Goes on with a release that was broken off when all but its last steps were done.
 * @throws Fault BAD_REQUEST where nothing was added, keys are not there, or updaters would refuse it; then nothing is changed
 */
export function release(folder: string, settings: ReleaseSettings): Release {
  return withSite(folder, settings.keys, (open) => {
    if (open.site.staged.length > 0) return releaseStaged(folder, open, settings)
    if (open.finished.length > 0) return finishedRelease(folder, open)
    throw new Fault('BAD_REQUEST', 'nothing was added since the last release; "ihave publish add" first')
  })
}

/** Renews what expires soon, with the online keys alone. @throws Fault BAD_REQUEST; then nothing is changed */
export function refresh(
  folder: string,
  { keys, at, validDays }: Pick<ReleaseSettings, 'keys' | 'at' | 'validDays'>,
): Release {
  return withSite(folder, keys, ({ site, root }) => {
    if (site.released === undefined)
      throw new Fault('BAD_REQUEST', 'nothing was released yet; "ihave publish release" first')
    const online = loadOnlineKeys(keys, root)
    const made = makeCatalogueFiles(site, publicFiles(folder, root), online, at, validDays)
    publish(folder, { ...made, made: [] })
    return described(made, [])
  })
}

/** @throws Fault BAD_REQUEST where one of them is not there, or not the one that updaters know */
export function loadOnlineKeys(keys: string, root: Buffer): OnlineKeys {
  return {
    snapshot: loadRoleKey(keys, 'snapshot', root),
    timestamp: loadRoleKey(keys, 'timestamp', root),
    catalog: loadIdentity(keys, 'catalog'),
    trust: readTrust(trustText(keys)),
  }
}

/** What the offline keys signed last. */
export function publicFiles(folder: string, root: Buffer): OfflineFiles {
  const targets = readFileSync(join(folder, METADATA, 'targets.json'))
  return { root, targets, catalogue: readFileSync(join(folder, CATALOGUE)) }
}

function releaseStaged(
  folder: string,
  { site, root }: OpenSite,
  { keys, at, compression, validDays, baseUrl }: ReleaseSettings,
): Release {
  const online = loadOnlineKeys(keys, root)
  const identity = loadIdentity(keys, 'packages')
  const targetsKey = loadRoleKey(keys, 'targets', root)
  const released = stampFor(folder, site, at)
  const settings = { released, at, compression, baseUrl, identity, trust: online.trust }
  const packages = site.staged.map((each) => makePackage(folder, site, each, settings))
  const next = afterRelease(site, released, packages)
  const catalogue = catalogueOf(next)
  const targets = makeTargets(next, catalogue, targetsKey, at)
  const made = makeCatalogueFiles(next, { root, targets, catalogue }, online, at, validDays)
  const cabinets = packages.map(({ wanted, bytes }) => ({
    path: `${wanted.component}.${released}.cab`,
    bytes,
  }))
  const wanted = packages.map((each) => each.wanted)
  publish(folder, { site: made.site, made: wanted, files: [...cabinets, ...made.files] })
  return described(made, wanted)
}

function afterRelease(site: Site, released: string, made: readonly MadePackage[]): Site {
  const names = new Set(made.map(({ wanted }) => wanted.component))
  const packages = [
    ...site.packages.filter(({ component }) => !names.has(component)),
    ...made.map(({ wanted }) => wanted),
  ].toSorted((one, other) => (one.component < other.component ? -1 : 1))
  const versions = { ...site.versions, targets: site.versions.targets + 1 }
  const published = {
    ...site.published,
    ...Object.fromEntries(made.map((each) => [each.wanted.component, each.published])),
  }
  return { ...site, versions, released, packages, published, staged: [] }
}

function described({ site, catalogueBytes }: CatalogueFiles, packages: readonly CataloguePackage[]): Release {
  const { product, released = '', expiresAt = 0 } = site
  return { product, released, packages, catalogueBytes, expiresAt }
}

function finishedRelease(folder: string, { site, finished }: OpenSite): Release {
  const catalogueBytes = statSync(join(folder, CATALOGUE_CABINET)).size
  return described({ site, files: [], catalogueBytes }, finished)
}
