/** `ihave publish add`: the files of a component, put aside for the next release. */
import { cpSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { Fault } from '../../core/fault.ts'
import type { Install } from '../catalogue.ts'
import { compareVersions, isComponentName, isVersion } from '../version.ts'
import { loadIdentity } from './key-folder.ts'
import { withSite } from './open-site.ts'
import { checkPackage, type PackageFile } from './package-rules.ts'
import { saveSite, stagedFolder, type Site, type StagedComponent } from './site.ts'

export interface Addition {
  readonly component: string
  readonly version: string
  readonly minProduct: string | undefined
  readonly install: Install
  /** Files, and folders with all that is in them. */
  readonly paths: readonly string[]
  /** Where the key is that will sign the package: said here rather than at the release when it is not. Absent: not looked at. */
  readonly keys?: string
}

interface Source extends PackageFile {
  readonly path: string
  readonly isExecutable: boolean
}

/** Replaces what was added before for the same component. @throws Fault BAD_REQUEST, also for whatever updaters would refuse */
export function addComponent(folder: string, addition: Addition): StagedComponent {
  const { component, version, minProduct, install, paths, keys } = addition
  return withSite(folder, keys, ({ site }) => {
    if (keys !== undefined) loadIdentity(keys, 'packages')
    checkWords(addition)
    checkAgainst(site, addition)
    const sources = paths.flatMap((path) => sourcesOf(path, nameOf(path))).toSorted(byName)
    checkPackage(site, component, install, sources)
    const files = sources.map(({ name, isExecutable }) => ({ name, isExecutable }))
    const staged: StagedComponent = { component, version, minProduct, install, files }
    putAside(folder, site, staged, sources)
    return staged
  })
}

/** Whole or not at all: what was put aside before goes only when the new files are there, and never mixes with them. */
function putAside(folder: string, site: Site, staged: StagedComponent, sources: readonly Source[]): void {
  const { component } = staged
  const [target, aside] = [stagedFolder(folder, component), stagedFolder(folder, `.${component}`)]
  rmSync(aside, { recursive: true, force: true })
  mkdirSync(aside, { recursive: true, mode: 0o700 })
  for (const { path, name } of sources) cpSync(path, join(aside, name))
  const others = site.staged.filter((each) => each.component !== component)
  saveSite(folder, { ...site, staged: others })
  rmSync(target, { recursive: true, force: true })
  renameSync(aside, target)
  saveSite(folder, { ...site, staged: [...others, staged] })
}

function checkWords({ component, version, minProduct, paths }: Addition): void {
  if (!isComponentName(component) || component.toLowerCase() === 'catalog')
    throw new Fault('BAD_REQUEST', `--component: expected letters, digits, "-" and "_", got "${component}"`)
  for (const each of [version, ...(minProduct === undefined ? [] : [minProduct])])
    if (!isVersion(each)) throw new Fault('BAD_REQUEST', `expected a version such as 4.5.1, got "${each}"`)
  if (paths.length === 0) throw new Fault('BAD_REQUEST', 'expected the files of the package')
}

function checkAgainst({ packages, staged }: Site, { component, version }: Addition): void {
  const known = packages.find((each) => each.component === component)
  if (known && compareVersions(version, known.version) < 0)
    throw new Fault(
      'BAD_REQUEST',
      `${component} ${known.version} is released already, and ${version} is older`,
    )
  const other = [...packages, ...staged].find(
    (each) => each.component !== component && each.component.toLowerCase() === component.toLowerCase(),
  )
  if (other)
    throw new Fault(
      'BAD_REQUEST',
      `--component: there is ${other.component} already; "${component}" is too alike`,
    )
}

/** Of `.` and `..` too: the folder that they mean. */
function nameOf(path: string): string {
  return basename(resolve(path))
}

/** @throws Fault BAD_REQUEST for what is neither a file nor a folder: links lead elsewhere on another machine */
function sourcesOf(path: string, name: string): readonly Source[] {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) throw new Fault('BAD_REQUEST', `there is no ${path}`)
  if (stats.isFile()) return [{ path, name, bytes: stats.size, isExecutable: (stats.mode & 0o111) !== 0 }]
  if (!stats.isDirectory()) throw new Fault('BAD_REQUEST', `${path}: expected a file or a folder`)
  return readdirSync(path).flatMap((each) => sourcesOf(join(path, each), `${name}/${each}`))
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1
}
