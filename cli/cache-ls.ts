/** `ihave cache ls`: what is stored. */
import { parseArgs } from '../core/node-util.ts'
import { Fault } from '../core/fault.ts'
import { formatBytes } from '../core/units.ts'
import type { CacheEntry } from '../service/cache-operations.ts'
import { cacheTable, countOf, totalsOf } from './cache-table.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { CONFIG_OPTION, configFrom } from './config-option.ts'
import { EXIT } from './exit.ts'
import { progress } from './progress.ts'
import { withCache } from './with-cache.ts'

const OPTIONS = {
  ...CONFIG_OPTION,
  sort: {
    type: 'string',
    value: 'used|size|age',
    meaning: 'the most recently used first (if nothing is said), the largest, or the youngest',
  },
  limit: { type: 'string', value: 'N', meaning: 'so many lines at most' },
  ...JSON_OPTION,
} as const satisfies Options

export const cacheLs: Command = {
  operands: '[URL|PATTERN]',
  about: 'what is stored',
  details: `PATTERN is a URL glob as in rules, in quotes: '*.deb', 'http://archive.example/**'. Queries of URLs are
not shown, because they may be credentials.`,
  options: OPTIONS,
  run,
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  const [target, ...others] = positionals
  if (others.length > 0) throw new Fault('BAD_REQUEST', 'expected one URL or pattern; put it in quotes')
  const inOrder = orderOf(values.sort)
  const limit = limitOf(values.limit)
  const entries = inOrder(
    await withCache(configFrom(values.config), (cache) => distinct(cache.list({ target }))),
  )
  const totals = totalsOf(entries)
  const shown = entries.slice(0, limit)
  const output = values.json
    ? `${JSON.stringify({ responses: shown, totals }, undefined, 2)}\n`
    : cacheTable(shown) + totalsLine(shown.length, totals)
  process.stdout.write(output)
  return EXIT.done
}

const ENTRIES_PER_REPORT = 1000

/** What was used while it was listed came twice: the last time counts. The most recently used first. */
async function distinct(entries: AsyncIterable<CacheEntry>): Promise<CacheEntry[]> {
  const byId = new Map<number, CacheEntry>()
  const line = progress()
  for await (const entry of entries) {
    byId.delete(entry.id)
    byId.set(entry.id, entry)
    if (byId.size % ENTRIES_PER_REPORT === 0) line.show(`${byId.size} responses`)
  }
  line.clear()
  return [...byId.values()].toReversed()
}

type Order = (mostRecentFirst: readonly CacheEntry[]) => readonly CacheEntry[]

const ORDERS: Readonly<Record<string, Order>> = {
  used: (entries) => entries,
  size: (entries) => entries.toSorted((one, other) => other.bytes - one.bytes),
  age: (entries) => entries.toSorted((one, other) => one.ageMs - other.ageMs),
}

function orderOf(name = 'used'): Order {
  const order = Object.hasOwn(ORDERS, name) ? ORDERS[name] : undefined
  if (order) return order
  throw new Fault('BAD_REQUEST', `--sort: expected ${Object.keys(ORDERS).join(', ')}, got "${name}"`)
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return Infinity
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new Fault('BAD_REQUEST', `--limit: expected a number of lines, got "${text}"`)
}

function totalsLine(shown: number, { responses, bytes }: ReturnType<typeof totalsOf>): string {
  const some = shown < responses ? `${shown} of ` : ''
  return `${some}${countOf(responses, 'response')}, ${formatBytes(bytes)}${some === '' ? '' : ' in all'}\n`
}
