/** What a catalogue asks for, compared with what is installed (patent B, FIG. 8, 244). Pure. */
import type { Catalogue, CataloguePackage } from '../catalogue.ts'
import { insist } from '../refused.ts'
import { compareVersions } from '../version.ts'
import type { InstalledComponent, InstalledSet } from './installation.ts'

export interface PlanSettings {
  /** Components that are wanted; absent: all. */
  readonly components: readonly string[] | undefined
  readonly mayDowngrade: boolean
  /** The product's version where it was installed by other means. */
  readonly productVersion: string | undefined
  /** Whether an install command is configured. */
  readonly hasInstallCommand: boolean
}

export interface Plan {
  /** Everything that the new set consists of. */
  readonly wanted: readonly CataloguePackage[]
  readonly needed: readonly {
    readonly wanted: CataloguePackage
    readonly installed: InstalledComponent | undefined
  }[]
  /** Whether components disappear, which makes a new set although nothing is fetched. */
  readonly isShrinking: boolean
}

/** @throws Refused unknown-component, downgrade, product-too-old, command-missing */
export function planOf(
  catalogue: Catalogue,
  installed: InstalledSet | undefined,
  settings: PlanSettings,
): Plan {
  const { components } = settings
  for (const name of components ?? []) {
    const isKnown = catalogue.packages.some(({ component }) => component === name)
    insist(isKnown, 'unknown-component', `the catalogue of ${catalogue.product} has no component ${name}`)
  }
  const wanted = catalogue.packages.filter(({ component }) => components?.includes(component) ?? true)
  const compared = wanted.map((each) => ({
    wanted: each,
    installed: installed?.components.find(({ component }) => component === each.component),
  }))
  for (const each of compared) check(each.wanted, each.installed, catalogue, settings)
  return {
    wanted,
    needed: compared.filter((each) => each.installed?.sha256 !== each.wanted.sha256),
    isShrinking: (installed?.components ?? []).some(
      ({ component }) => !wanted.some((each) => each.component === component),
    ),
  }
}

function check(
  { component, version, minProduct, install }: CataloguePackage,
  installed: InstalledComponent | undefined,
  catalogue: Catalogue,
  { mayDowngrade, productVersion, hasInstallCommand }: PlanSettings,
): void {
  const isOlder = installed !== undefined && compareVersions(version, installed.version) < 0
  const older = `${component} ${version} is older than ${installed?.version ?? ''}, which is installed`
  insist(mayDowngrade || !isOlder, 'downgrade', `${older}; --allow-downgrade permits it`)
  insist(
    install.kind !== 'command' || hasInstallCommand,
    'command-missing',
    `${component} is installed by a command, and none is configured (--install-command)`,
  )
  if (minProduct === undefined) return
  const own = productVersion ?? versionInSet(catalogue)
  const isEnough = own !== undefined && compareVersions(own, minProduct) >= 0
  const known = own === undefined ? 'its version is not known (--product-version)' : `it is ${own}`
  insist(
    isEnough,
    'product-too-old',
    `${component} ${version} needs ${catalogue.product} ${minProduct}, and ${known}`,
  )
}

/** A component that is named like the product brings the product's version with it. */
function versionInSet({ product, packages }: Catalogue): string | undefined {
  return packages.find(({ component }) => component.toLowerCase() === product.toLowerCase())?.version
}
