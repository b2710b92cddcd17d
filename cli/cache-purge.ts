/** `ihave cache purge`: removes what a URL or pattern names. */
import { parseArgs } from '../core/node-util.ts'
import { Fault } from '../core/fault.ts'
import { formatBytes } from '../core/units.ts'
import type { CacheEntry, CacheOperations, PurgeQuestion } from '../service/cache-operations.ts'
import { cacheTable, countOf } from './cache-table.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { CONFIG_OPTION, configFrom } from './config-option.ts'
import { EXIT } from './exit.ts'
import { progress } from './progress.ts'
import { withCache } from './with-cache.ts'

const OPTIONS = {
  ...CONFIG_OPTION,
  'dry-run': { type: 'boolean', meaning: 'removes nothing, only says what would go' },
  ...JSON_OPTION,
} as const satisfies Options

export const cachePurge: Command = {
  operands: 'URL|PATTERN',
  about: 'removes what is stored under a URL or pattern',
  details: `PATTERN is a URL glob as in rules, in quotes: '*.deb', 'http://archive.example/**'; '**' is everything.
A URL means what is stored under exactly this URL, and whatever its query where nothing is.
Exit code 1: nothing that is stored matches.`,
  options: OPTIONS,
  run,
}

interface Purged {
  readonly responses: number
  /** Of the disk. */
  readonly bytes: number
  readonly isDryRun: boolean
  readonly wouldGo: readonly CacheEntry[]
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  const [target, ...others] = positionals
  if (target === undefined || others.length > 0)
    throw new Fault('BAD_REQUEST', 'expected one URL or pattern; put it in quotes')
  const question = { target, isDryRun: values['dry-run'] ?? false }
  const purged = await withCache(configFrom(values.config), (cache) => purge(cache, question))
  if (purged.responses === 0)
    throw new Fault('NOT_FOUND', 'nothing that is stored matches; "ihave cache ls" shows what there is')
  process.stdout.write(values.json ? `${JSON.stringify(purged, undefined, 2)}\n` : textOf(purged))
  return EXIT.done
}

async function purge(cache: CacheOperations, question: PurgeQuestion): Promise<Purged> {
  const line = progress()
  const wouldGo: CacheEntry[] = []
  let end = { responses: 0, bytes: 0 }
  for await (const step of cache.purge(question)) {
    switch (step.kind) {
      case 'would-go':
        wouldGo.push(step.entry)
        break
      case 'progress':
        line.show(`${step.responses} of ${step.ofResponses} responses removed`)
        break
      case 'done':
        end = { responses: step.responses, bytes: step.bytes }
    }
  }
  line.clear()
  return { ...end, isDryRun: question.isDryRun, wouldGo }
}

function textOf({ responses, bytes, isDryRun, wouldGo }: Purged): string {
  const what = `${countOf(responses, 'response')}, ${formatBytes(bytes)}`
  return isDryRun ? `${cacheTable(wouldGo)}would remove ${what}\n` : `removed ${what}\n`
}
