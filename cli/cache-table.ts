/** Stored responses as lines for people. */
import { formatBytes, formatDuration } from '../core/units.ts'
import type { CacheEntry } from '../service/cache-operations.ts'

const HEADINGS = ['SIZE', 'AGE', 'FRESH FOR', 'FROM', 'SHARED', 'URL']

/** With a line of headings; nothing without entries. The URL comes last: it may be long. */
export function cacheTable(entries: readonly CacheEntry[]): string {
  if (entries.length === 0) return ''
  const rows = [HEADINGS, ...entries.map((entry) => cells(entry))]
  const widths = HEADINGS.map((_, column) =>
    rows.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0),
  )
  return rows.map((row) => `${line(row, widths)}\n`).join('')
}

/** `3 responses, 1.2 MB`: equal bodies count once, as on the disk. */
export function totalsOf(entries: readonly CacheEntry[]): { responses: number; bytes: number } {
  const bodies = new Map(entries.map(({ digest, id, bytes }) => [digest ?? id, bytes]))
  return { responses: entries.length, bytes: [...bodies.values()].reduce((sum, bytes) => sum + bytes, 0) }
}

export function countOf(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

function cells({ bytes, ofBytes, ageMs, freshMs, source, shared, uri }: CacheEntry): string[] {
  const fresh = freshMs > 0 ? formatDuration(freshMs) : 'stale'
  const size = formatBytes(bytes) + (ofBytes === undefined ? '' : ` of ${formatBytes(ofBytes)}`)
  return [size, formatDuration(ageMs), fresh, source, shared ? 'yes' : 'no', uri]
}

function line(row: readonly string[], widths: readonly number[]): string {
  const padded = row.map((cell, column) => {
    const width = widths[column] ?? 0
    if (column === 0) return cell.padStart(width)
    return column === row.length - 1 ? cell : cell.padEnd(width)
  })
  return padded.join('  ')
}
