/** Makes a whole set in a folder of its own: new packages unpacked, unchanged components copied, everything synced. */
import { createHash, type Hash } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { unpack, type Cabinet, type CabinetFile } from '../../signing/cabinet/read.ts'
import { CABINET_INFO } from '../../signing/cabinet-info.ts'
import type { Catalogue, CataloguePackage } from '../catalogue.ts'
import { makeFolder, newFolder, readPlainFile, syncFolder } from '../files.ts'
import { insist, Refused } from '../refused.ts'
import { placed, SET_FILE, SetNames } from '../set-names.ts'
import type { InstalledComponent, InstalledFile, InstalledSet, Installation } from './installation.ts'
import { payload } from './open-package.ts'

/** Where a component of the new set comes from. */
export type Part =
  | { readonly kind: 'package'; readonly wanted: CataloguePackage; readonly cabinet: Cabinet }
  /** As it is installed. */
  | {
      readonly kind: 'unchanged'
      readonly wanted: CataloguePackage
      readonly installed: InstalledComponent
      readonly from: string
    }

/** A set that is being made, part by part, as its packages come. What it leaves behind is removed at the end of the run, or by the next. */
export class StagedSet {
  readonly #installation: Installation
  readonly #id: string
  readonly #aside: string
  readonly #names = new SetNames()
  readonly #components = new Map<CataloguePackage, InstalledComponent>()

  constructor(installation: Installation, id: string) {
    this.#installation = installation
    this.#id = id
    this.#aside = join(installation.versions, `.new-${id}`)
    rmSync(this.#aside, { recursive: true, force: true })
    newFolder(this.#aside)
  }

  /**
   * Each part once.
   * @throws Refused unsafe-name where two files of the set have one name; disk where it cannot be written.
   */
  add(part: Part): void {
    for (const name of namesOf(part)) this.#names.add(name)
    this.#components.set(part.wanted, stagePart(this.#aside, this.#installation, part))
  }

  /** Every part is there: from now on it is a set that can be switched to. @throws Refused mixed-set where one is not */
  finish({ product, released, number }: Catalogue, wanted: readonly CataloguePackage[]): InstalledSet {
    const id = this.#id
    const components = wanted.map((each) => {
      const component = this.#components.get(each)
      if (component === undefined)
        throw new Refused('mixed-set', `${each.component} is neither here nor fetched`)
      return component
    })
    const set: InstalledSet = { format: 1, id, product, released, number, components }
    const writing = beginFile(this.#aside, SET_FILE, false)
    addBytes(writing, Buffer.from(`${JSON.stringify(set)}\n`))
    endFile(writing)
    syncFolders(this.#aside)
    rmSync(this.#installation.set(id), { recursive: true, force: true })
    renameSync(this.#aside, this.#installation.set(id))
    syncFolder(this.#installation.versions)
    return set
  }
}

/** Whether the files of an installed component are still what was installed. */
export function isIntact(folder: string, { files }: InstalledComponent): boolean {
  return files.every(({ name, sha256 }) => {
    try {
      const bytes = readPlainFile(join(folder, name))
      return bytes !== undefined && createHash('sha256').update(bytes).digest('hex') === sha256
    } catch {
      return false
    }
  })
}

function namesOf(part: Part): readonly string[] {
  return part.kind === 'package'
    ? payload(part.cabinet).map(({ name }) => placed(part.wanted.install, name))
    : part.installed.files.map(({ name }) => name)
}

function stagePart(aside: string, installation: Installation, part: Part): InstalledComponent {
  const { component, version, sha256 } = part.wanted
  const files =
    part.kind === 'package'
      ? unpackInto(aside, part.wanted, part.cabinet)
      : copyInto(aside, installation, part)
  return { component, version, sha256, files }
}

function copyInto(
  aside: string,
  installation: Installation,
  part: Extract<Part, { kind: 'unchanged' }>,
): readonly InstalledFile[] {
  for (const file of part.installed.files) {
    const writing = beginFile(aside, file.name, file.isExecutable)
    addBytes(writing, readPlainFile(join(installation.set(part.from), file.name)) ?? Buffer.alloc(0))
    const { sha256 } = endFile(writing)
    insist(sha256 === file.sha256, 'disk', `${file.name} changed while it was copied`)
  }
  return part.installed.files
}

function unpackInto(aside: string, wanted: CataloguePackage, cabinet: Cabinet): readonly InstalledFile[] {
  const files: InstalledFile[] = []
  let current: CabinetFile | undefined
  let writing: Writing | undefined
  const finish = () => {
    if (writing) files.push(endFile(writing))
    writing = undefined
  }
  for (const { file, bytes } of unpack(cabinet)) {
    if (file.name === CABINET_INFO) continue
    if (file !== current) {
      finish()
      current = file
      writing = beginFile(aside, placed(wanted.install, file.name), file.isExecutable)
    }
    if (writing) addBytes(writing, bytes)
  }
  finish()
  return files
}

interface Writing {
  readonly file: number
  readonly name: string
  readonly isExecutable: boolean
  readonly hash: Hash
  size: number
}

/**
 * Never follows a link and never replaces a file: the folder is new, so either would be somebody else's work. Whatever the umask,
 * applications of every user can read it, and only its owner can write.
 */
function beginFile(aside: string, name: string, isExecutable: boolean): Writing {
  const path = join(aside, name)
  try {
    makeFolder(dirname(path))
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0)
    const mode = isExecutable ? 0o755 : 0o644
    const file = openSync(path, flags, mode)
    fchmodSync(file, mode)
    return { file, name, isExecutable, hash: createHash('sha256'), size: 0 }
  } catch (cause) {
    throw new Refused('disk', `${name} cannot be written: ${String(cause)}`, { cause })
  }
}

function addBytes(writing: Writing, bytes: Buffer): void {
  writing.hash.update(bytes)
  writing.size += bytes.length
  for (let at = 0; at < bytes.length;) at += writeSync(writing.file, bytes, at)
}

function endFile({ file, name, isExecutable, hash, size }: Writing): InstalledFile {
  fsyncSync(file)
  closeSync(file)
  return { name, size, isExecutable, sha256: hash.digest('hex') }
}

/** From the innermost outwards. */
function syncFolders(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) syncFolders(join(folder, entry.name))
  syncFolder(folder)
}
