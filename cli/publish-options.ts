/** What the commands of `ihave publish` have in common. */
import { Fault } from '../core/fault.ts'
import type { Options } from './command.ts'

export const KEYS_OPTION = {
  keys: { type: 'string', value: 'FOLDER', meaning: 'the publisher’s keys (if nothing is said, ./keys)' },
} as const satisfies Options

export const AT_OPTION = {
  at: {
    type: 'string',
    value: 'TIME',
    meaning:
      'the time to be written, such as 2001-01-13T15:11Z (if nothing is said, SOURCE_DATE_EPOCH or now)',
  },
} as const satisfies Options

export const VALID_OPTION = {
  'valid-days': {
    type: 'string',
    value: 'N',
    meaning: 'how long updaters believe the catalogue without a refresh (if nothing is said, 14)',
  },
} as const satisfies Options

export function keysFrom(value: string | undefined): string {
  return value ?? 'keys'
}

/** The one operand. @throws Fault BAD_REQUEST */
export function siteFrom(positionals: readonly string[]): string {
  const [site, ...others] = positionals
  if (site === undefined || others.length > 0) throw new Fault('BAD_REQUEST', 'expected one folder: SITE')
  return site
}

/** Milliseconds since 1970, whole seconds. @throws Fault BAD_REQUEST */
export function timeFrom(value: string | undefined, environment: NodeJS.ProcessEnv, now: number): number {
  const epoch = environment['SOURCE_DATE_EPOCH'] ?? ''
  const time = value === undefined ? (epoch === '' ? now : Number(epoch) * 1000) : Date.parse(withZone(value))
  if (Number.isNaN(time) || time < 0)
    throw new Fault('BAD_REQUEST', `expected a time such as 2001-01-13T15:11Z, got "${value ?? epoch}"`)
  return Math.floor(time / 1000) * 1000
}

/** Times without a zone are UTC, on every machine. */
function withZone(text: string): string {
  return /T/.test(text) && !/(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? `${text}Z` : text
}

/** @throws Fault BAD_REQUEST */
export function daysFrom(value: string | undefined): number {
  if (value === undefined) return 14
  if (/^[1-9]\d{0,3}$/.test(value)) return Number(value)
  throw new Fault('BAD_REQUEST', `--valid-days: expected a number of days, got "${value}"`)
}

/** A certificate and its key, or neither. @param names for people. @throws Fault BAD_REQUEST */
export function pair(certificate: string | undefined, privateKey: string | undefined, names: string) {
  if (certificate === undefined && privateKey === undefined) return undefined
  if (certificate !== undefined && privateKey !== undefined) return { certificate, privateKey }
  throw new Fault('BAD_REQUEST', `expected both or none of ${names}`)
}

/** `2026-01-27 15:11 UTC` */
export function dateText(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
