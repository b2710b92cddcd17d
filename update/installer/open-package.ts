/** From a package's bytes to a cabinet that is believed to be the one that the catalogue means (patent B, FIG. 8, 248). */
import { createHash } from 'node:crypto'
import { checkAuthenticode } from '../../signing/authenticode.ts'
import { CABINET_INFO, readCabinetInfo } from '../../signing/cabinet-info.ts'
import { readCabinet, type Cabinet, type CabinetLimits } from '../../signing/cabinet/read.ts'
import type { Trust } from '../../signing/chain.ts'
import { packageName, type Catalogue, type CataloguePackage } from '../catalogue.ts'
import { insist } from '../refused.ts'

/**
 * The signature first, then what the signed part says of itself, then the digest: so the reason is the one that tells most.
 * @param now milliseconds since 1970. @throws Refused, Refusal
 */
export function openPackage(
  bytes: Buffer,
  wanted: CataloguePackage,
  catalogue: Catalogue,
  trust: Trust,
  limits: CabinetLimits,
  now: number,
): Cabinet {
  checkAuthenticode(bytes, trust, now)
  const cabinet = readCabinet(bytes, limits)
  const info = readCabinetInfo(cabinet)
  const name = packageName(wanted)
  insist(
    info.name === name,
    'wrong-name',
    `expected ${name}, got a signed file whose own name is ${info.name}`,
  )
  insist(
    info.product === catalogue.product,
    'wrong-product',
    `it is for ${info.product}, not for ${catalogue.product}`,
  )
  const isKnown = catalogue.packages.some(({ component }) => component === info.component)
  insist(isKnown, 'unknown-component', `its component ${info.component} is not in the catalogue`)
  const isWanted = info.component === wanted.component && info.version === wanted.version
  const expected = `${wanted.component} ${wanted.version}`
  insist(isWanted, 'wrong-version', `expected ${expected}, got ${info.component} ${info.version}`)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const isSame = bytes.length === wanted.size && sha256 === wanted.sha256
  insist(
    isSame,
    'wrong-digest',
    `expected ${wanted.size} bytes with SHA-256 ${wanted.sha256}, got ${bytes.length}, ${sha256}`,
  )
  return cabinet
}

/** Files that are installed: all but what the package says of itself. */
export function payload({ files }: Cabinet): Cabinet['files'] {
  return files.filter(({ name }) => name !== CABINET_INFO)
}
