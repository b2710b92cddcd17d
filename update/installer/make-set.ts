/** A release as a set on the disk: what is needed is fetched and unpacked as it comes, so that little is left to do after the last byte. */
import type { Clock } from '../../core/clock.ts'
import type { Catalogue, CataloguePackage } from '../catalogue.ts'
import { downloadAll, type DownloadSettings, type DownloadTools } from './downloads.ts'
import type { InstalledSet, Installation } from './installation.ts'
import type { Plan } from './plan.ts'
import { StagedSet, type Part } from './stage.ts'

export interface SetToMake {
  readonly installation: Installation
  /** The set's name. */
  readonly id: string
  readonly catalogue: Catalogue
  readonly plan: Plan
  /** What is installed. */
  readonly before: InstalledSet | undefined
}

/** @throws Refused, Refusal: the first refusal ends all */
export async function makeSet(
  { installation, id, catalogue, plan, before }: SetToMake,
  settings: Omit<DownloadSettings, 'folder'>,
  {
    clock,
    ...tools
  }: Pick<DownloadTools, 'fetcher' | 'emit' | 'report'> & { readonly clock: Pick<Clock, 'wall'> },
): Promise<InstalledSet> {
  const needed = plan.needed.map(({ wanted }) => wanted)
  const staging = new StagedSet(installation, id)
  for (const part of unchangedParts(plan, needed, before)) staging.add(part)
  await downloadAll(
    needed,
    catalogue,
    { ...settings, folder: installation.downloads },
    {
      ...tools,
      now: () => clock.wall(),
      onPackage: (wanted, cabinet) => staging.add({ kind: 'package', wanted, cabinet }),
    },
  )
  return staging.finish(catalogue, plan.wanted)
}

function unchangedParts(
  { wanted }: Plan,
  needed: readonly CataloguePackage[],
  before: InstalledSet | undefined,
): readonly Part[] {
  const unchanged = wanted.filter((each) => !needed.includes(each))
  return unchanged.flatMap((each): Part[] => {
    const installed = before?.components.find(({ component }) => component === each.component)
    return installed && before ? [{ kind: 'unchanged', wanted: each, installed, from: before.id }] : []
  })
}
