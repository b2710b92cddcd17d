/** What was put aside as signed packages, each judged as an updater will judge it. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../core/fault.ts'
import { CABINET_INFO, writeCabinetInfo } from '../../signing/cabinet-info.ts'
import { writeCabinet, type Compression } from '../../signing/cabinet/write.ts'
import { signCabinet, type SigningIdentity } from '../../signing/sign.ts'
import type { CataloguePackage } from '../catalogue.ts'
import { openPackage } from '../installer/open-package.ts'
import { MAX_PACKAGE_BYTES, PACKAGE_LIMITS } from '../limits.ts'
import type { PublisherTrust } from '../trust-file.ts'
import { nextStamp, stampOf, stampTime } from '../version.ts'
import { placed } from '../set-names.ts'
import { usableUntil } from './certificate-until.ts'
import { stagedFolder, type Published, type Site, type StagedComponent } from './site.ts'

export interface PackageSettings {
  readonly released: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly compression: Compression
  readonly baseUrl: string | undefined
  readonly identity: SigningIdentity
  readonly trust: PublisherTrust
}

export interface MadePackage {
  readonly published: Published
  readonly wanted: CataloguePackage
  readonly bytes: Buffer
}

/** Later than the latest release, and no name twice: a minute is added until both hold. */
export function stampFor(folder: string, site: Site, at: number): string {
  const isTaken = (stamp: string) =>
    stamp <= (site.released ?? '') ||
    site.staged.some(({ component }) => existsSync(join(folder, `${component}.${stamp}.cab`)))
  let stamp = stampOf(at)
  if (stamp < (site.released ?? '')) stamp = site.released ?? stamp
  while (isTaken(stamp)) stamp = nextStamp(stamp)
  return stamp
}

/** @throws Refusal, Refused where updaters would refuse it; Fault BAD_REQUEST where it is larger than they take */
export function makePackage(
  folder: string,
  { product }: Site,
  { component, version, files, minProduct, install }: StagedComponent,
  { released, at, compression, baseUrl = '', identity, trust }: PackageSettings,
): MadePackage {
  const name = `${component}.${released}.cab`
  const info = writeCabinetInfo({ name, product, component, version, released })
  const content = files.map((file) => ({
    ...file,
    bytes: readFileSync(join(stagedFolder(folder, component), file.name)),
  }))
  const plain = writeCabinet(
    [{ name: CABINET_INFO, bytes: info }, ...content],
    compression,
    stampTime(released),
  )
  const certificateUntil = usableUntil('packages', identity, trust, at)
  const bytes = signCabinet(plain, identity)
  if (bytes.length > MAX_PACKAGE_BYTES)
    throw new Fault(
      'BAD_REQUEST',
      `${component}: a package of ${bytes.length} bytes, and updaters take at most ${MAX_PACKAGE_BYTES}: make several components of it`,
    )
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const wanted = {
    component,
    version,
    url: `${baseUrl}${name}`,
    size: bytes.length,
    sha256,
    minProduct,
    install,
  }
  openPackage(bytes, wanted, { product, number: 1, released, packages: [wanted] }, trust, PACKAGE_LIMITS, at)
  const names = files.map((file) => placed(install, file.name))
  return { wanted, bytes, published: { names, certificateUntil } }
}
