/** The publisher's folder: what a web server shows, and in `.publish/`, closed to others, what is being prepared. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../core/fault.ts'
import type { CataloguePackage, Install } from '../catalogue.ts'
import { writeDurably } from '../files.ts'
import type { Role } from '../tuf/metadata.ts'

/** A component that waits for the next release. */
export interface StagedComponent {
  readonly component: string
  readonly version: string
  readonly minProduct: string | undefined
  readonly install: Install
  /** Names inside the package, with `/`. */
  readonly files: readonly { readonly name: string; readonly isExecutable: boolean }[]
}

export interface Published {
  /** Of its files, as they lie in a set. */
  readonly names: readonly string[]
  /** When the first certificate expires that its signature needs; milliseconds since 1970. */
  readonly certificateUntil: number
}

export interface Site {
  readonly format: 1
  readonly product: string
  /** Of TUF's metadata, as last written. */
  readonly versions: Readonly<Record<Role, number>>
  /** The stamp of the latest release. */
  readonly released: string | undefined
  /** When updaters stop believing the catalogue, unless it is renewed: the first of all roles and its certificate. Milliseconds since 1970. */
  readonly expiresAt: number | undefined
  readonly packages: readonly CataloguePackage[]
  /** More about each package that is public, by component; absent: released before this was kept. */
  readonly published?: Readonly<Record<string, Published>>
  /** When the first certificate expires that the catalogue's signature needs; milliseconds since 1970. */
  readonly catalogueCertificateUntil?: number
  readonly staged: readonly StagedComponent[]
}

export const PREPARED = '.publish'
export const METADATA = 'metadata'
export const STAGED = 'staged'

export function stagedFolder(site: string, component: string): string {
  return join(site, PREPARED, STAGED, component)
}

export function hasSite(folder: string): boolean {
  return existsSync(sitePath(folder))
}

/** @throws Fault BAD_REQUEST where there is none */
export function loadSite(folder: string): Site {
  if (!hasSite(folder))
    throw new Fault(
      'BAD_REQUEST',
      `${folder} is no publisher's folder; "ihave publish init ${folder}" makes one`,
    )
  return JSON.parse(readFileSync(sitePath(folder), 'utf8'))
}

export function saveSite(folder: string, site: Site): void {
  mkdirSync(join(folder, PREPARED), { recursive: true, mode: 0o700 })
  mkdirSync(join(folder, METADATA), { recursive: true })
  writeDurably(sitePath(folder), `${JSON.stringify(site, undefined, 2)}\n`, 0o600)
}

function sitePath(folder: string): string {
  return join(folder, PREPARED, 'site.json')
}
