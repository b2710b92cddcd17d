/** HTTP dates (RFC 9110 5.6.7): exactly the three formats, nothing that a lenient parser would guess. */
import type { EpochMs } from '../../core/clock.ts'
import { hasField, type Fields } from '../../core/fields.ts'

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

const MONTH = `(?<month>${MONTHS.join('|')})`
const TIME = '(?<hour>[0-9]{2}):(?<minute>[0-9]{2}):(?<second>[0-9]{2})'
const SHORT_DAY = '(?:mon|tue|wed|thu|fri|sat|sun)'
const LONG_DAY = '(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)'

/** A cache matches without case, and takes no other zone than "GMT", not even "UTC" (RFC 9111 4.2). */
const FORMATS = [
  `${SHORT_DAY}, (?<day>[0-9]{2}) ${MONTH} (?<year>[0-9]{4}) ${TIME} gmt`,
  `${LONG_DAY}, (?<day>[0-9]{2})-${MONTH}-(?<year>[0-9]{2}) ${TIME} gmt`,
  `${SHORT_DAY} ${MONTH} (?<day>[0-9]{2}| [0-9]) ${TIME} (?<year>[0-9]{4})`,
].map((format) => new RegExp(`^${format}$`, 'i'))

const UNKNOWN_NOW = Date.UTC(2025, 0) as EpochMs

/**
 * Reads an IMF-fixdate, RFC 850 or asctime date; `undefined` for anything else and for days that do not exist.
 * The name of the day is not compared with the date, because it adds nothing to it.
 * @param now decides the century of a two-digit year: never more than 50 years ahead (RFC 9110 5.6.7).
 */
export function parseHttpDate(text: string, now: EpochMs = UNKNOWN_NOW): EpochMs | undefined {
  const known = read.get(text)
  if (known !== undefined) return known
  for (const format of FORMATS) {
    const parts = format.exec(text)?.groups
    if (parts) return remembered(text, parts, toEpochMs(parts, now))
  }
  return undefined
}

/** Dates that mean the same whenever they are read; servers repeat theirs for a second, and those of their files for good. */
const read = new Map<string, EpochMs>()
const REMEMBERED = 256

function remembered(
  text: string,
  { year }: Readonly<Record<string, string>>,
  date: EpochMs | undefined,
): EpochMs | undefined {
  if (date === undefined || year?.length !== 4) return date
  if (read.size >= REMEMBERED) read.clear()
  read.set(text, date)
  return date
}

/** What came without `Date` came when it came: so it is stored, and forwarded (RFC 9110 6.6.1). */
export function dated(fields: Fields, responseTime: EpochMs): Fields {
  return hasField(fields, 'date') ? fields : [...fields, ['Date', formatHttpDate(responseTime)]]
}

/**
 * The IMF-fixdate of a moment, to the second below.
 * @param at within the years 0 to 9999, which is all that the format can write.
 */
export function formatHttpDate(at: EpochMs): string {
  return new Date(at).toUTCString()
}

function toEpochMs(parts: Readonly<Record<string, string>>, now: EpochMs): EpochMs | undefined {
  const number = (name: string) => Number(parts[name])
  const month = MONTHS.indexOf(parts['month']?.toLowerCase() ?? '')
  const year = parts['year']?.length === 2 ? fullYear(number('year'), now) : number('year')
  // 60 is a leap second, which this arithmetic counts as the first second of the next minute.
  if (number('hour') > 23 || number('minute') > 59 || number('second') > 60) return undefined
  // Not Date.UTC, which reads the years 0 to 99 as 1900 to 1999.
  const date = new Date(0)
  date.setUTCFullYear(year, month, number('day'))
  if (date.getUTCDate() !== number('day')) return undefined
  return date.setUTCHours(number('hour'), number('minute'), number('second')) as EpochMs
}

function fullYear(lastTwoDigits: number, now: EpochMs): number {
  const thisYear = new Date(now).getUTCFullYear()
  const inThisCentury = thisYear - (thisYear % 100) + lastTwoDigits
  if (inThisCentury > thisYear + 50) return inThisCentury - 100
  return inThisCentury + 100 <= thisYear + 50 ? inThisCentury + 100 : inThisCentury
}
