/**
 * Which packages an update is going to ask for, found out from its catalogue before it runs, so that they can be on their way
 * while its thread starts. Nothing is decided here, and nothing written: the update begins with the same bytes, does all of it
 * again under its lock, and tells what is wrong.
 */
import { existsSync } from 'node:fs'
import type { CataloguePackage } from '../catalogue.ts'
import { Refused } from '../refused.ts'
import { keptPackage } from './downloads.ts'
import { Installation } from './installation.ts'
import { openCatalogue } from './open-catalogue.ts'
import { planOf } from './plan.ts'
import type { UpdaterSettings } from './updater.ts'

/**
 * Absolute URLs, in the order in which they will be asked for; none where the update will refuse, or has nothing to do.
 * @param catalogue the bytes of `myupdate.cab`, as they came
 * @param now milliseconds since 1970
 */
export async function packagesAhead(
  catalogue: Buffer,
  settings: UpdaterSettings,
  now: number,
): Promise<readonly string[]> {
  const installation = new Installation(settings.into)
  try {
    const needed = await neededPackages(catalogue, installation, settings, now)
    return needed
      .filter(({ size, sha256 }) => {
        const isKept = existsSync(keptPackage(installation.downloads, sha256))
        return size <= settings.maxPackageBytes && !isKept
      })
      .map(({ url }) => new URL(url, settings.catalog).href)
  } catch {
    return [] // the update says why
  }
}

async function neededPackages(
  bytes: Buffer,
  installation: Installation,
  settings: UpdaterSettings,
  now: number,
): Promise<readonly CataloguePackage[]> {
  const { remembered, product, heldBack } = installation.state()
  const { trust, installCommand, isAgain } = settings
  const question = { trust, remembered, product, now, fetchRoot: noOtherRoot }
  const { catalogue } = await openCatalogue(bytes, question)
  if (heldBack?.number === catalogue.number && !isAgain) return []
  const hasInstallCommand = installCommand !== undefined
  const plan = planOf(catalogue, installation.current(), { ...settings, hasInstallCommand })
  return plan.needed.map(({ wanted }) => wanted)
}

/** After a rotation by more than one step there is no head start. */
async function noOtherRoot(): Promise<never> {
  throw new Refused('not-found', 'only the root in the catalogue is looked at')
}
