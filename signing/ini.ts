/** Files of sections, keys and values, as the patents' `cabinfo.ini` is one; strict, so that one text has one meaning. */
import { demand } from './refusal.ts'

/** Sections by name, each with its values by key, in the order of the file. */
export type Ini = ReadonlyMap<string, ReadonlyMap<string, string>>

const MAX_BYTES = 1_000_000
const LINE = /^(?:\[([!-Z\\^-~]{1,80})\]|([a-z][a-z0-9-]{0,39})=([^\p{Cc}]{0,2000})|)$/u

/** @throws Refusal malformed */
export function readIni(bytes: Uint8Array): Ini {
  demand(bytes.length <= MAX_BYTES, 'malformed', 'a list of settings that is too long')
  const sections = new Map<string, Map<string, string>>()
  let current: Map<string, string> | undefined
  for (const line of Buffer.from(bytes).toString('utf8').split(/\r?\n/)) {
    const found = LINE.exec(line)
    demand(
      found !== null,
      'malformed',
      `expected [section] or key=value, got ${JSON.stringify(line.slice(0, 60))}`,
    )
    const [, section, key, value = ''] = found
    if (section !== undefined) {
      demand(!sections.has(section), 'malformed', `the section [${section}] comes twice`)
      current = new Map()
      sections.set(section, current)
    } else if (key !== undefined) {
      demand(
        current !== undefined && !current.has(key),
        'malformed',
        `${key} comes twice, or before any section`,
      )
      current.set(key, value)
    }
  }
  return sections
}

/** With the line ends of the patents' time. Values that are `undefined` are left out. */
export function writeIni(
  sections: readonly (readonly [string, Readonly<Record<string, string | number | undefined>>])[],
): Buffer {
  const lines = sections.flatMap(([name, values]) => [
    `[${name}]`,
    ...Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`])),
    '',
  ])
  return Buffer.from(lines.join('\r\n'), 'utf8')
}
