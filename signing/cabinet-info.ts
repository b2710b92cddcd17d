/**
 * `cabinfo.ini`: what a cabinet says of itself inside its signed part, so that an old signed file under a new name is
 * found out (R8.3, patent B [0066]).
 */
import { unpackFile, type Cabinet } from './cabinet/read.ts'
import { readIni, writeIni } from './ini.ts'
import { demand } from './refusal.ts'

export const CABINET_INFO = 'cabinfo.ini'

export interface CabinetInfo {
  /** The file name under which it was published. */
  readonly name: string
  readonly product: string
  readonly component: string
  readonly version: string
  /** `YYYYMMDDHHMM`, UTC. */
  readonly released: string
}

export function writeCabinetInfo({ name, product, component, version, released }: CabinetInfo): Buffer {
  return writeIni([['cabinfo', { format: 1, name, product, component, version, released }]])
}

/** @throws Refusal malformed where there is none, or it does not say everything */
export function readCabinetInfo(cabinet: Cabinet): CabinetInfo {
  const file = cabinet.files.find(({ name }) => name === CABINET_INFO)
  demand(file !== undefined && file.size <= 10_000, 'malformed', `the cabinet has no ${CABINET_INFO}`)
  const values = readIni(unpackFile(cabinet, CABINET_INFO) ?? Buffer.alloc(0)).get('cabinfo')
  demand(values?.get('format') === '1', 'malformed', `${CABINET_INFO} is of another format`)
  const value = (key: string) => {
    const found = values?.get(key) ?? ''
    demand(found !== '', 'malformed', `${CABINET_INFO} does not say its ${key}`)
    return found
  }
  return {
    name: value('name'),
    product: value('product'),
    component: value('component'),
    version: value('version'),
    released: value('released'),
  }
}
