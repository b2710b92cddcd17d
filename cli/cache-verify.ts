/** `ihave cache verify`: reads everything that is stored, and removes what is damaged. */
import { parseArgs } from '../core/node-util.ts'
import { formatBytes } from '../core/units.ts'
import type { CacheOperations, VerifyStep } from '../service/cache-operations.ts'
import { countOf } from './cache-table.ts'
import { JSON_OPTION, type Command } from './command.ts'
import { CONFIG_OPTION, configFrom } from './config-option.ts'
import { EXIT } from './exit.ts'
import { progress, type Progress } from './progress.ts'
import { withCache } from './with-cache.ts'

const OPTIONS = { ...CONFIG_OPTION, ...JSON_OPTION } as const

export const cacheVerify: Command = {
  about: 'reads every stored byte and removes what is damaged',
  details: `What was removed is fetched again when it is next asked for.
Exit code 1: something was damaged or could not be read.`,
  options: OPTIONS,
  run,
}

interface Verified {
  /** Bodies that are right. */
  bodies: number
  /** Incomplete ones of which all is right that is here. */
  partials: number
  /** Bytes that were read. */
  bytes: number
  /** Damaged or missing, and removed. */
  readonly lost: Damage[]
  /** Could not be read just now, and kept. */
  readonly unread: Damage[]
  /** Responses that the index could not even name any more, and that were removed. */
  unnamed: number
  /** Why the whole index could not be used, where that is so. */
  indexLost?: string
}

interface Damage {
  readonly uris: readonly string[]
  readonly reason: string
}

async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  const verified = await withCache(configFrom(values.config), verify)
  process.stdout.write(values.json ? `${JSON.stringify(verified, undefined, 2)}\n` : textOf(verified))
  return isSound(verified) ? EXIT.done : EXIT.failed
}

async function verify(cache: CacheOperations): Promise<Verified> {
  const line = progress()
  const begun = performance.now()
  const verified: Verified = { bodies: 0, partials: 0, bytes: 0, lost: [], unread: [], unnamed: 0 }
  for await (const step of cache.verify()) note(step, verified, line, performance.now() - begun)
  line.clear()
  return verified
}

function note(step: VerifyStep, verified: Verified, line: Progress, elapsedMs: number): void {
  switch (step.kind) {
    case 'progress':
      return line.show(progressText(step.bytes, step.ofBytes, elapsedMs))
    case 'lost':
    case 'unread':
      verified[step.kind].push({ uris: step.uris, reason: step.reason })
      return
    case 'unnamed':
      verified.unnamed += step.responses
      return
    case 'index-lost':
      verified.indexLost = step.reason
      return
    case 'done':
      verified.bodies = step.bodies
      verified.partials = step.partials
      verified.bytes = step.bytes
  }
}

function progressText(bytes: number, ofBytes: number, elapsedMs: number): string {
  const rate = formatBytes((bytes / elapsedMs) * 1000)
  return `${formatBytes(bytes)} of ${formatBytes(ofBytes)} read, ${rate}/s`
}

function isSound({ lost, unread, unnamed, indexLost }: Verified): boolean {
  return lost.length === 0 && unread.length === 0 && unnamed === 0 && indexLost === undefined
}

function textOf(verified: Verified): string {
  const { bodies, partials, bytes, lost, unread, unnamed, indexLost } = verified
  const removed = [
    ...lost.map((damage) => `removed  ${damageText(damage)}`),
    ...(unnamed === 0 ? [] : [`removed  ${countOf(unnamed, 'response')} that the index could not read`]),
    ...(indexLost === undefined ? [] : [`removed  the whole index: ${indexLost}`]),
  ]
  const lines = [
    ...removed,
    ...unread.map((damage) => `kept     ${damageText(damage)}`),
    `${countOf(bodies, 'file')} right${partOf(partials)}, ${formatBytes(bytes)} read${isSound(verified) ? '; no damage' : ''}`,
    ...(removed.length === 0 ? [] : ['what was removed will be fetched again when it is asked for']),
  ]
  return `${lines.join('\n')}\n`
}

function partOf(partials: number): string {
  return partials === 0 ? '' : ` and what is here of ${countOf(partials, 'incomplete one')}`
}

function damageText({ uris, reason }: Damage): string {
  return `${uris.join(', ') || 'what no response has'}: ${reason}`
}
