/** The types that settings can have: what is written in `proxy.config.yaml`, and what it means. */
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { resolve } from 'node:path'
import type { Address } from '../core/transport.ts'
import { compileGlob } from '../retrieval/glob.ts'
import { functionName, type FunctionName } from '../providers/functions.ts'
import { addressOf } from '../providers/place.ts'
import { isComponentName } from '../update/version.ts'

type Reading<T> =
  | { readonly kind: 'value'; readonly value: T }
  /** `expected` completes the sentence "expected …". */
  | { readonly kind: 'refused'; readonly expected: string }

export interface SettingType<T> {
  /** What may be written, as it completes "expected …". */
  readonly expected: string
  /** The unit of the value that the program gets, where it has one. */
  readonly unit?: 'bytes' | 'ms'
  /** @param baseDirectory what relative paths are relative to. */
  read(written: unknown, baseDirectory: string): Reading<T>
}

/** Where a server listens. Port 0 lets the system choose. */
export interface ListenAddress {
  /** An IP address, or `localhost`. */
  readonly host: string
  readonly port: number
}

/** A network in CIDR notation, in the form that `net.BlockList.addSubnet` takes. */
export interface Network {
  readonly address: string
  /** Leading bits that the addresses of the network have in common. */
  readonly prefixLength: number
  readonly family: 'ipv4' | 'ipv6'
}

/** From a function that returns `undefined` for what it does not accept. */
function settingType<T>(
  expected: string,
  accept: (written: unknown, baseDirectory: string) => T | undefined,
): SettingType<T> {
  return {
    expected,
    read: (written, baseDirectory) => {
      const value = accept(written, baseDirectory)
      return value === undefined ? { kind: 'refused', expected } : { kind: 'value', value }
    },
  }
}

export const boolean = settingType('true or false', (written) =>
  typeof written === 'boolean' ? written : undefined,
)

export const text = settingType('a line of 1 to 100 characters', (written) =>
  typeof written === 'string' && /^.{1,100}$/u.test(written) ? written : undefined,
)

/** A word of a command, which no shell reads. */
export const word = settingType('a word of 1 to 1000 characters', (written) =>
  typeof written === 'string' && /^[^\0]{1,1000}$/u.test(written) ? written : undefined,
)

export const httpUrl = settingType('an http or https URL', (written) => {
  if (typeof written !== 'string' || !/^https?:\/\/./.test(written) || !URL.canParse(written))
    return undefined
  return written
})

export const componentName = settingType('a name of letters, digits, "-" and "_"', (written) =>
  typeof written === 'string' && isComponentName(written) ? written : undefined,
)

/** `04:30`; quotes are needed in YAML 1.1 only, but harmless. @returns minutes since midnight */
export const timeOfDay = settingType("a time of day such as '04:30'", (written) => {
  const [, hours, minutes] =
    typeof written === 'string' ? (/^([01]\d|2[0-3]):([0-5]\d)$/.exec(written) ?? []) : []
  return hours === undefined ? undefined : Number(hours) * 60 + Number(minutes)
})

export const urlGlob: SettingType<string> = {
  expected: 'a URL glob',
  read(written) {
    if (typeof written !== 'string') return { kind: 'refused', expected: this.expected }
    const compiled = compileGlob(written)
    return compiled.kind === 'glob'
      ? { kind: 'value', value: written }
      : { kind: 'refused', expected: compiled.expected }
  },
}

/** `embedded`, or the end of a URL: `.p7s`. */
export const signaturePlace = settingType('embedded, or an ending such as .p7s or .sign', (written) => {
  const isEnding = typeof written === 'string' && /^\.[A-Za-z0-9.]{1,20}$/.test(written)
  return written === 'embedded' ? written : isEnding ? (written as `.${string}`) : undefined
})

export function integer(least: number, most: number): SettingType<number> {
  return numberWithin(least, most, `a whole number from ${least} to ${most}`)
}

/** A port; `least` is 0 where the system may choose one. */
export function port(least: 0 | 1): SettingType<number> {
  return numberWithin(least, 65535, `a port from ${least} to 65535`)
}

/** Where a function is performed. */
export interface FunctionPlace {
  readonly function: FunctionName
  readonly location: string
}

/** `internet-gateway=http://192.168.1.7:6515/`. */
export const functionPlace: SettingType<FunctionPlace> = settingType(
  'a function and its place, such as print=http://192.168.1.7:8080/',
  (written) => {
    const [, called = '', location = ''] =
      typeof written === 'string' ? (/^([^=]+)=(.+)$/.exec(written) ?? []) : []
    const name = functionName(called)
    return name === undefined || addressOf(location) === undefined ? undefined : { function: name, location }
  },
)

/** What a criterion counts: `wired=20`. */
export const weight = (criteria: readonly string[]): SettingType<readonly [name: string, weight: number]> =>
  settingType(`one of ${criteria.join(', ')} with what it counts, such as ${criteria[0]}=20`, (written) => {
    const [, name = '', digits] = typeof written === 'string' ? (/^(\w+)=(\d{1,4})$/.exec(written) ?? []) : []
    return criteria.includes(name) ? ([name, Number(digits)] as const) : undefined
  })

/** A duration, written and meant in milliseconds. */
export function duration(mostMs: number, leastMs = 0): SettingType<number> {
  return { ...numberWithin(leastMs, mostMs, `milliseconds from ${leastMs} to ${mostMs}`), unit: 'ms' }
}

function numberWithin(least: number, most: number, expected: string): SettingType<number> {
  return settingType(expected, (written) => (isWithin(written, least, most) ? written : undefined))
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ...['k', 'm', 'g', 't'].flatMap((letter, at): [string, number][] => [
    [`${letter}b`, 1000 ** (at + 1)],
    [`${letter}ib`, 1024 ** (at + 1)],
  ]),
])

/** An amount of bytes: `20 GB` (powers of 1000), `512 MiB` (powers of 1024), or a bare number of bytes. */
export function size(least: '0 B' | '1 kB' | '1 MB'): SettingType<number> {
  const leastBytes = bytesOf(least) ?? 0
  const expected = `a size of at least ${least}, such as 20 GB or 512 MiB`
  const accept = (written: unknown) => {
    const bytes = bytesOf(written)
    return isWithin(bytes, leastBytes, Number.MAX_SAFE_INTEGER) ? bytes : undefined
  }
  return { ...settingType(expected, accept), unit: 'bytes' }
}

function bytesOf(written: unknown): number | undefined {
  if (typeof written === 'number') return written
  if (typeof written !== 'string') return undefined
  const [, amount, unit = ''] = /^(\d{1,15}(?:\.\d{1,15})?) ?([a-z]{1,3})$/i.exec(written) ?? []
  const factor = UNITS.get(unit.toLowerCase())
  return amount === undefined || factor === undefined ? undefined : Math.round(Number(amount) * factor)
}

export const listenAddress = settingType('an IP address (or localhost) with a port', (written) => {
  if (typeof written !== 'string') return undefined
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(written) ?? []
  const host = bracketed ?? plain ?? ''
  const isHost = bracketed === undefined ? isIPv4(host) || host === 'localhost' : isIPv6(host)
  return isHost && isWithin(Number(digits), 0, 65535) ? { host, port: Number(digits) } : undefined
}) satisfies SettingType<ListenAddress>

export const loopbackAddress = settingType('a loopback address with a port', (written) => {
  const reading = listenAddress.read(written, '')
  if (reading.kind === 'refused') return undefined
  const { host } = reading.value
  return host === 'localhost' || host === '::1' || host.startsWith('127.') ? reading.value : undefined
}) satisfies SettingType<ListenAddress>

export const ipv4Address = settingType('an IPv4 address', (written) =>
  typeof written === 'string' && isIPv4(written) ? (written as Address) : undefined,
)

export const network: SettingType<Network> = settingType('a network such as 192.168.0.0/16', (written) => {
  if (typeof written !== 'string') return undefined
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(written) ?? []
  const version = isIP(address)
  const most = version === 4 ? 32 : 128
  const prefixLength = bits === undefined ? most : Number(bits)
  if (version === 0 || prefixLength > most) return undefined
  return { address, prefixLength, family: version === 4 ? 'ipv4' : 'ipv6' }
})

/** A path, made absolute. `~` means nothing here, so it is refused rather than taken for a name. */
export const path = settingType('a path', (written, baseDirectory) =>
  typeof written === 'string' && written !== '' && !/^~|\0/.test(written)
    ? resolve(baseDirectory, written)
    : undefined,
)

/** One of these words. */
export function oneOf<const T extends readonly (string | boolean)[]>(...choices: T): SettingType<T[number]> {
  return settingType(alternatives(choices.map(String)), (written) =>
    choices.find((choice) => choice === written),
  )
}

/** `a`, `a or b`, `a, b or c`. */
function alternatives(words: readonly string[]): string {
  const last = words.at(-1) ?? ''
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`
}

/** What the first type accepts, else what the second does. */
export function either<A, B>(first: SettingType<A>, second: SettingType<B>): SettingType<A | B> {
  const expected = alternatives([first.expected, second.expected])
  return {
    expected,
    ...(second.unit && { unit: second.unit }),
    read(written, baseDirectory) {
      const reading = first.read(written, baseDirectory)
      if (reading.kind === 'value') return reading
      const other = second.read(written, baseDirectory)
      return other.kind === 'value' ? other : { kind: 'refused', expected }
    },
  }
}

/** A list of at most 1,000 items; in YAML `[80, 443]`, or a line with a hyphen for each. */
export function listOf<T>(item: SettingType<T>, items: string): SettingType<readonly T[]> {
  return settingType(`a list of ${items}`, (written, baseDirectory) => {
    if (!Array.isArray(written) || written.length > 1000) return undefined
    const readings = written.map((each) => item.read(each, baseDirectory))
    const values = readings.flatMap((reading) => (reading.kind === 'value' ? [reading.value] : []))
    return values.length === written.length ? values : undefined
  })
}

function isWithin(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
}
