/** Which sets there are below `versions`, and whether they are still what was installed. */
import { existsSync } from 'node:fs'
import type { Catalogue, CataloguePackage } from '../catalogue.ts'
import { readHistory } from './history.ts'
import type { InstalledSet, Installation } from './installation.ts'
import { isIntact } from './stage.ts'

/** Components of a set that are not what was installed any more; where even its list is gone, that. */
export function brokenParts(installation: Installation, id: string): readonly string[] {
  const set = installation.readSet(id)
  if (set === undefined) return ['all of it']
  const broken = set.components.filter((each) => !isIntact(installation.set(id), each))
  return broken.map(({ component }) => component)
}

/** Sets that were installed before the current one, the latest first. */
export function formerSets(installation: Installation): readonly string[] {
  const current = installation.currentId()
  const installed = readHistory(installation.history).flatMap((entry) =>
    entry.kind === 'installed' ? [entry.id] : [],
  )
  const latestFirst = [...new Set(installed.toReversed())]
  return latestFirst.filter((id) => id !== current && existsSync(installation.set(id)))
}

/** What was installed before the current set, not after it; not the broken set in whose place it came. */
export function previousOf(installation: Installation): string | undefined {
  const current = installation.currentId()
  let earlier = readHistory(installation.history)
  for (let id = current; id !== undefined;) {
    const at = earlier.findLastIndex((entry) => entry.kind === 'installed' && entry.id === id)
    const entry = earlier[at]
    const from = entry?.kind === 'installed' ? entry.from : undefined
    const isStep = from !== undefined && (from === current || isReplaced(installation, from))
    if (!isStep) return from !== undefined && existsSync(installation.set(from)) ? from : undefined
    earlier = earlier.slice(0, at)
    id = from
  }
  return undefined
}

/** Whether the current set was installed because this one, of the same release, is broken: nobody would go back to it. */
export function isReplaced(installation: Installation, id: string): boolean {
  const current = installation.currentId()
  return id !== current && isSameRelease(id, current) && !isWhole(installation, id)
}

/** The second set of one release has the first one's name, and a number. */
function isSameRelease(id: string, other: string | undefined): boolean {
  return id.split('.')[0] === other?.split('.')[0]
}

function isWhole(installation: Installation, id: string): boolean {
  return brokenParts(installation, id).length === 0
}

/** A set that was left and is still here, whole, and just what this release consists of: nothing need be fetched. */
export function keptSet(
  installation: Installation,
  { released, number, product }: Catalogue,
  wanted: readonly CataloguePackage[],
): InstalledSet | undefined {
  for (const id of formerSets(installation)) {
    const set = installation.readSet(id)
    const isSame =
      set?.number === number &&
      set.released === released &&
      set.product === product &&
      set.components.length === wanted.length &&
      wanted.every((each) => set.components.some((one) => isOf(one, each)))
    if (isSame && isWhole(installation, id)) return set
  }
  return undefined
}

function isOf(
  { component, version, sha256 }: InstalledSet['components'][number],
  wanted: CataloguePackage,
): boolean {
  return component === wanted.component && version === wanted.version && sha256 === wanted.sha256
}

/** A name that no set has; the second of one release ends in `.2`. */
export function freeId(installation: Installation, wanted: string): string {
  for (let attempt = 1; ; attempt++) {
    const id = attempt === 1 ? wanted : `${wanted}.${attempt}`
    if (!existsSync(installation.set(id))) return id
  }
}
