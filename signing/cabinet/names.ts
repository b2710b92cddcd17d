/** Names of files inside cabinets: which are safe to unpack (zip-slip). */
import { CABINET } from './layout.ts'
import { demand } from '../refusal.ts'

/** Names that some systems take for devices, whatever follows the first dot. */
const DEVICES = /^(con|prn|aux|nul|com\d|lpt\d)$/i

/**
 * A name with `/` between its parts, as files are named inside packages.
 * @param written as it stands in the cabinet: with `\`, or with `/` as some programs write
 * @throws Refusal unsafe-name for whatever could lie outside the folder, or mean something else on another system.
 */
export function safeName(written: string): string {
  const name = written.replaceAll('\\', '/')
  const parts = name.split('/')
  const isSafe = parts.length <= 16 && parts.every((part) => isSafePart(part))
  demand(isSafe, 'unsafe-name', `a file name that leads elsewhere: ${JSON.stringify(written.slice(0, 80))}`)
  return name
}

function isSafePart(part: string): boolean {
  const isPlain = part !== '' && !/^\.\.?$|[. ]$|[\p{Cc}\p{Cf}:*?"<>|\uFFFD]/u.test(part)
  return isPlain && !DEVICES.test(part.split('.')[0] ?? '')
}

/** The name as it is written into a cabinet. @throws Refusal unsafe-name, also when it is too long. */
export function cabinetName(name: string): { readonly bytes: Buffer; readonly isUtf8: boolean } {
  const bytes = Buffer.from(safeName(name).replaceAll('/', '\\'), 'utf8')
  demand(
    bytes.length <= CABINET.maxNameBytes,
    'unsafe-name',
    `a file name of more than ${CABINET.maxNameBytes} bytes`,
  )
  return { bytes, isUtf8: bytes.some((byte) => byte >= 0x80) }
}
