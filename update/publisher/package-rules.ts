/**
 * What updaters would refuse of a package, said when its files are put aside: the same predicates that an updater has
 * (`SetNames`, `cabinetName`, `PACKAGE_LIMITS`). Opens nothing.
 */
import { Fault } from '../../core/fault.ts'
import { cabinetName, safeName } from '../../signing/cabinet/names.ts'
import { CABINET_INFO } from '../../signing/cabinet-info.ts'
import { Refusal } from '../../signing/refusal.ts'
import type { Install } from '../catalogue.ts'
import { PACKAGE_LIMITS } from '../limits.ts'
import { Refused } from '../refused.ts'
import { placed, SET_FILE, SetNames } from '../set-names.ts'
import type { Site } from './site.ts'

export interface PackageFile {
  /** Inside the package, with `/`. */
  readonly name: string
  readonly bytes: number
}

/** @throws Fault BAD_REQUEST with the file and the reason */
export function checkPackage(
  site: Site,
  component: string,
  install: Install,
  files: readonly PackageFile[],
): void {
  checkSizes(files)
  const names = files.map(({ name }) => name)
  for (const name of names) checkName(install, name)
  checkSet(site, component, install, names)
}

/** A package has `cabinfo.ini` besides its files. */
function checkSizes(files: readonly PackageFile[]): void {
  const { maxFiles, maxUnpackedBytes } = PACKAGE_LIMITS
  const bytes = files.reduce((sum, each) => sum + each.bytes, 0)
  if (files.length === 0) throw new Fault('BAD_REQUEST', 'expected at least one file, found empty folders')
  if (files.length > maxFiles - 1)
    throw new Fault(
      'BAD_REQUEST',
      `${files.length} files, and updaters take at most ${maxFiles - 1} in a package: make several components of them`,
    )
  // Some room for cabinfo.ini.
  if (bytes > maxUnpackedBytes - 10_000)
    throw new Fault(
      'BAD_REQUEST',
      `${bytes} bytes, and updaters take at most ${maxUnpackedBytes} in a package: make several components of them`,
    )
}

function checkName(install: Install, name: string): void {
  if (name.toLowerCase() === CABINET_INFO)
    throw new Fault('BAD_REQUEST', `${name}: a file of that name is what the package says of itself`)
  if (placed(install, name).toLowerCase() === SET_FILE)
    throw new Fault(
      'BAD_REQUEST',
      `${name}: a file of that name, at the top, is what the installed set says of itself`,
    )
  // It would be a folder's name inside a cabinet.
  if (name.includes('\\')) throw new Fault('BAD_REQUEST', `${name}: expected a file name without "\\"`)
  saying(name, () => {
    cabinetName(name)
    safeName(placed(install, name))
  })
}

/** With everything that the next set will consist of: what is public and is not replaced, and what is put aside. */
function checkSet(site: Site, component: string, install: Install, names: readonly string[]): void {
  const set = new SetNames()
  const staged = site.staged.filter((each) => each.component !== component)
  for (const { component: other } of site.packages)
    if (other !== component && !staged.some((each) => each.component === other))
      for (const name of site.published?.[other]?.names ?? []) set.add(name)
  for (const each of staged) for (const { name } of each.files) set.add(placed(each.install, name))
  for (const name of names) saying(`${name} of ${component}`, () => set.add(placed(install, name)))
}

function saying(what: string, check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof Refused)) throw error
    throw new Fault('BAD_REQUEST', `${what}: ${error.message} (updaters say ${error.reason})`, {
      cause: error,
    })
  }
}
