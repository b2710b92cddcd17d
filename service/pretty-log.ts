/** The log for people: one plain line per event instead of JSON. */
import { printable } from '../core/printable.ts'
import { formatBytes } from '../core/units.ts'
import type { BatchedLines } from './batched-lines.ts'

interface Entry {
  readonly level: number
  readonly time: number
  readonly msg: string
  readonly source?: string
  readonly way?: string
  readonly error?: string
  readonly [key: string]: unknown
}

/** What pino writes to. Each line is written at once: mostly somebody is looking. */
export function prettyLines(out: {
  write(text: string): unknown
}): Pick<BatchedLines, 'write' | 'add' | 'flush'> {
  const write = (line: string) => void out.write(prettyLine(line))
  return { write, add: write, flush: () => {} }
}

/** @param line as pino writes it. @returns it with its end */
export function prettyLine(line: string): string {
  return `${printable(entryLine(JSON.parse(line) as Entry))}\n`
}

function entryLine(entry: Entry): string {
  const time = new Date(entry.time).toTimeString().slice(0, 8)
  const level = entry.level >= 50 ? 'ERROR ' : entry.level >= 40 ? 'warning: ' : ''
  return `${time}  ${level}${'method' in entry ? requestLine(entry) : eventLine(entry)}`
}

function requestLine(entry: Entry): string {
  const { method, url, status, bytes, ms, error } = entry
  const from = entry.source ?? entry.way ?? ''
  const told = error === undefined ? '' : `  ${error}`
  return `${String(status)} ${String(method)} ${String(url)}  ${from}, ${formatBytes(Number(bytes))} in ${String(ms)} ms${told}`
}

const PLAIN = new Set(['level', 'time', 'msg'])

function eventLine(entry: Entry): string {
  const rest = Object.entries(entry).filter(([key]) => !PLAIN.has(key))
  const told = rest.map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return [entry.msg, ...told].join('  ')
}
