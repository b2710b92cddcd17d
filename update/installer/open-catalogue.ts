/** From the bytes of `myupdate.cab` to a catalogue that is believed, or the reason why not. */
import { checkAuthenticode } from '../../signing/authenticode.ts'
import { readCabinetInfo } from '../../signing/cabinet-info.ts'
import { readCabinet, unpackFile, type Cabinet } from '../../signing/cabinet/read.ts'
import { CATALOGUE, CATALOGUE_CABINET, packageName, readCatalogue, type Catalogue } from '../catalogue.ts'
import { CATALOGUE_LIMITS } from '../limits.ts'
import { insist, Refused } from '../refused.ts'
import type { PublisherTrust } from '../trust-file.ts'
import { fileMeta, type FileMeta } from '../tuf/metadata.ts'
import { trustedRoot, trustedTargets, type FetchRoot, type Remembered } from '../tuf/trusted.ts'

export interface CatalogueQuestion {
  readonly trust: PublisherTrust
  readonly remembered: Remembered | undefined
  /** The product that is updated; `undefined` before the first time, then whatever is signed. */
  readonly product: string | undefined
  /** Milliseconds since 1970. */
  readonly now: number
  readonly fetchRoot: FetchRoot
  /** Each root on the way that is believed, to be remembered whatever becomes of the rest. */
  readonly onRoot?: (remembered: Remembered) => void
}

export interface OpenedCatalogue {
  readonly catalogue: Catalogue
  readonly signer: string
  readonly remembered: Remembered
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** @throws Refused, Refusal */
export async function openCatalogue(bytes: Buffer, question: CatalogueQuestion): Promise<OpenedCatalogue> {
  const { trust, remembered, now, product } = question
  const { signer } = checkAuthenticode(bytes, trust, now)
  const cabinet = readCabinet(bytes, CATALOGUE_LIMITS)
  const info = readCabinetInfo(cabinet)
  const isCatalogue = info.name === CATALOGUE_CABINET
  insist(
    isCatalogue,
    'wrong-name',
    `expected ${CATALOGUE_CABINET}, got a signed file whose name is ${info.name}`,
  )
  const isOurs = product === undefined || info.product === product
  insist(isOurs, 'wrong-product', `expected updates of ${product}, got a catalogue of ${info.product}`)
  const first = trust.rootKeys
  const root = await trustedRoot(part(cabinet, 'root.json'), remembered, { ...question, first })
  const files = {
    timestamp: part(cabinet, 'timestamp.json'),
    snapshot: part(cabinet, 'snapshot.json'),
    targets: part(cabinet, 'targets.json'),
  }
  const trusted = trustedTargets(files, root, now)
  const content = part(cabinet, CATALOGUE)
  belongs(CATALOGUE, fileMeta(content), trusted.targets)
  const catalogue = readCatalogue(content)
  for (const each of catalogue.packages)
    belongs(packageName(each), { length: each.size, hashes: { sha256: each.sha256 } }, trusted.targets)
  const isOne = catalogue.product === info.product && info.version === String(trusted.version)
  insist(isOne, 'mixed-set', 'the catalogue and what surrounds it are not of one release')
  return { catalogue, signer, remembered: trusted.remembered, expiresAt: trusted.expiresAt }
}

/** Everything is what the offline keys signed together. */
function belongs(
  name: string,
  { length, hashes }: FileMeta,
  targets: Readonly<Record<string, FileMeta>>,
): void {
  const target = Object.hasOwn(targets, name) ? targets[name] : undefined
  const isSame = target?.length === length && target.hashes?.sha256 === hashes.sha256
  insist(isSame, 'mixed-set', `${name} is not the one that the publisher signed with this release`)
}

function part(cabinet: Cabinet, name: string): Buffer {
  const bytes = unpackFile(cabinet, name)
  if (bytes === undefined) throw new Refused('malformed', `the catalogue has no ${name}`)
  return bytes
}
