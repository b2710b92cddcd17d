/** `ihave publish add`: the files of a component, put aside for the next release. */
import { cpSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Fault } from '../../core/fault.ts'
import { safeName } from '../../signing/cabinet/names.ts'
import { CABINET_INFO } from '../../signing/cabinet-info.ts'
import type { Install } from '../catalogue.ts'
import { compareVersions, isComponentName, isVersion } from '../version.ts'
import { loadSite, saveSite, stagedFolder, type StagedComponent } from './site.ts'

export interface Addition {
  readonly component: string
  readonly version: string
  readonly minProduct: string | undefined
  readonly install: Install
  /** Files, and folders with all that is in them. */
  readonly paths: readonly string[]
}

interface Source {
  readonly path: string
  readonly name: string
  readonly isExecutable: boolean
}

/** Replaces what was added before for the same component. @throws Fault BAD_REQUEST, Refusal unsafe-name */
export function addComponent(folder: string, addition: Addition): StagedComponent {
  const site = loadSite(folder)
  const { component, version, minProduct, install, paths } = addition
  check(addition)
  const known = site.packages.find((each) => each.component === component)
  if (known && compareVersions(version, known.version) < 0)
    throw new Fault(
      'BAD_REQUEST',
      `${component} ${known.version} is released already, and ${version} is older`,
    )
  const sources = paths.flatMap((path) => sourcesOf(path, basename(path)))
  checkNames(sources)
  const target = stagedFolder(folder, component)
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true, mode: 0o700 })
  for (const { path, name } of sources) cpSync(path, join(target, name))
  const files = sources.map(({ name, isExecutable }) => ({ name, isExecutable })).toSorted(byName)
  const staged: StagedComponent = { component, version, minProduct, install, files }
  const others = site.staged.filter((each) => each.component !== component)
  saveSite(folder, { ...site, staged: [...others, staged] })
  return staged
}

function check({ component, version, minProduct, paths }: Addition): void {
  if (!isComponentName(component) || component.toLowerCase() === 'catalog')
    throw new Fault('BAD_REQUEST', `--component: expected letters, digits, "-" and "_", got "${component}"`)
  for (const each of [version, ...(minProduct === undefined ? [] : [minProduct])])
    if (!isVersion(each)) throw new Fault('BAD_REQUEST', `expected a version such as 4.5.1, got "${each}"`)
  if (paths.length === 0) throw new Fault('BAD_REQUEST', 'expected the files of the package')
}

function checkNames(sources: readonly Source[]): void {
  const names = sources.map(({ name }) => safeName(name).toLowerCase())
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw new Fault('BAD_REQUEST', `two of the files would be named ${twice}`)
  if (names.includes(CABINET_INFO))
    throw new Fault('BAD_REQUEST', `${CABINET_INFO} is what the package says of itself`)
  if (names.length === 0) throw new Fault('BAD_REQUEST', 'expected at least one file, found empty folders')
}

/** @throws Fault BAD_REQUEST for what is neither a file nor a folder: links lead elsewhere on another machine */
function sourcesOf(path: string, name: string): readonly Source[] {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) throw new Fault('BAD_REQUEST', `there is no ${path}`)
  if (stats.isFile()) return [{ path, name, isExecutable: (stats.mode & 0o111) !== 0 }]
  if (!stats.isDirectory()) throw new Fault('BAD_REQUEST', `${path}: expected a file or a folder`)
  return readdirSync(path)
    .toSorted()
    .flatMap((each) => sourcesOf(join(path, each), `${name}/${each}`))
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1
}
