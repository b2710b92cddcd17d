/** Versions and release stamps, and their order. */

/** What a version may look like: `4.5.1`, `2026.01-rc1`. */
const VERSION = /^[0-9A-Za-z][0-9A-Za-z.+_~-]{0,39}$/
const STAMP = /^\d{12}$/

export function isVersion(text: string): boolean {
  return VERSION.test(text)
}

export function isStamp(text: string): boolean {
  return STAMP.test(text)
}

/** Names of components: they become file names and sections. */
export function isComponentName(text: string): boolean {
  return /^[a-z0-9][a-z0-9_-]{0,39}$/i.test(text)
}

/**
 * Less than 0, 0, or more: number by number (`4.10` is newer than `4.9`), letters by their order. Where one ends it is the
 * older one, unless the other goes on with letters: `4.5-rc1` comes before `4.5`.
 */
export function compareVersions(one: string, other: string): number {
  const [ours, theirs] = [partsOf(one), partsOf(other)]
  for (let at = 0; at < Math.max(ours.length, theirs.length); at++) {
    const order = comparePart(ours[at], theirs[at])
    if (order !== 0) return order
  }
  return 0
}

function partsOf(version: string): readonly string[] {
  return version.match(/\d+|[a-z]+/gi) ?? []
}

function comparePart(one: string | undefined, other: string | undefined): number {
  if (one === undefined || other === undefined) {
    const [there, sign] = one === undefined ? [other ?? '', -1] : [one, 1]
    return /^\d/.test(there) ? (isZero(there) ? 0 : sign) : -sign
  }
  const [isNumber, isOtherNumber] = [/^\d/.test(one), /^\d/.test(other)]
  if (isNumber !== isOtherNumber) return isNumber ? 1 : -1
  if (!isNumber) return one < other ? -1 : one > other ? 1 : 0
  const difference = BigInt(one) - BigInt(other)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

function isZero(digits: string): boolean {
  return /^0+$/.test(digits)
}

/** `YYYYMMDDHHMM` in UTC, as in `vsasap.200101131511.cab` (patent B [0061]). */
export function stampOf(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\D/g, '').slice(0, 12)
}

/** The stamp one minute later. */
export function nextStamp(stamp: string): string {
  return stampOf(stampTime(stamp) + 60_000)
}

/** Milliseconds since 1970. */
export function stampTime(stamp: string): number {
  const [year, month, day, hour, minute] = [
    stamp.slice(0, 4),
    stamp.slice(4, 6),
    stamp.slice(6, 8),
    stamp.slice(8, 10),
    stamp.slice(10, 12),
  ]
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:00Z`)
}
