/** `ihave update status` and `history`: what is installed, what was refused, what happened. */
import { parseArgs } from '../core/node-util.ts'
import { systemClock } from '../core/clock.ts'
import { printableLines } from '../core/printable.ts'
import { formatBytes, formatDuration } from '../core/units.ts'
import type { HistoryEntry } from '../update/installer/history.ts'
import type { InstalledSet, UpdaterState } from '../update/installer/installation.ts'
import { JSON_OPTION, type Command, type Options } from './command.ts'
import { EXIT } from './exit.ts'
import { dateText } from './publish-options.ts'
import { checkText } from './refusals.ts'
import { INTO_OPTION, installedIn } from './update-options.ts'

const OPTIONS = { ...INTO_OPTION, ...JSON_OPTION } as const satisfies Options

export const updateStatus: Command = {
  about: 'what is installed, when it was checked, what was refused',
  options: OPTIONS,
  run: runStatus,
}

export const updateHistory: Command = {
  about: 'what was installed, rolled back and refused',
  options: OPTIONS,
  run: runHistory,
}

interface UpdateStatus extends Omit<UpdaterState, 'remembered'> {
  readonly installed: InstalledSet | null
  /** All that are there, also the installed one. */
  readonly sets: readonly string[]
  readonly isInterrupted: boolean
}

async function runStatus(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  const { Installation } = await import('../update/installer/installation.ts')
  const installation = new Installation(installedIn(values.into))
  const { remembered: _, ...told } = installation.state()
  const answer = {
    ...told,
    installed: installation.current() ?? null,
    sets: installation.sets(),
    isInterrupted: installation.isInterrupted(),
  }
  process.stdout.write(values.json ? `${JSON.stringify(answer, undefined, 2)}\n` : statusText(answer))
  return EXIT.done
}

export function statusText(answer: UpdateStatus): string {
  const { lastCheck, heldBack, refused, expiresAt, catalog, installed: set, sets, isInterrupted } = answer
  const former = sets.filter((id) => id !== set?.id)
  const now = systemClock.wall()
  const lines = [
    set ? `${set.product} ${set.id} is installed` : 'nothing is installed',
    ...(set?.components ?? []).map(({ component, version }) => `  ${component} ${version}`),
    ...(former.length > 0 ? [`former     ${former.join(', ')} (ihave update rollback --to …)`] : []),
    ...(catalog === undefined ? [] : [`catalogue  ${catalog}`]),
    ...(lastCheck
      ? [`checked    ${formatDuration(now - lastCheck.at)} ago: ${checkText(lastCheck)}, ${lastCheck.detail}`]
      : []),
    ...(expiresAt !== undefined && expiresAt < now
      ? [
          `EXPIRED    the catalogue was valid until ${dateText(expiresAt)}: nobody can tell what is missing here`,
        ]
      : []),
    ...(heldBack ? [`held back  release ${heldBack.number}: ${heldBack.reason}`] : []),
    ...(isInterrupted ? ['interrupted: the next run brings it to its end'] : []),
    ...Object.entries(refused).map(
      ([reason, count]) => `refused    ${count} ${count === 1 ? 'time' : 'times'}: ${reason}`,
    ),
  ]
  return printableLines(lines)
}

async function runHistory(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  const [{ Installation }, { readHistory }] = await Promise.all([
    import('../update/installer/installation.ts'),
    import('../update/installer/history.ts'),
  ])
  const entries = readHistory(new Installation(installedIn(values.into)).history)
  const text = values.json
    ? entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')
    : printableLines(entries.map((entry) => entryText(entry)))
  process.stdout.write(text)
  return EXIT.done
}

export function entryText(entry: HistoryEntry): string {
  const at = dateText(entry.at)
  switch (entry.kind) {
    case 'installed': {
      const components = entry.components
        .map(({ component, version }) => `${component} ${version}`)
        .join(', ')
      const { internet = 0, peer = 0 } = entry.received
      return `${at}  installed ${entry.id}: ${components} (${formatBytes(internet)} from the Internet, ${formatBytes(peer)} from peers)`
    }
    case 'rolled-back':
      return `${at}  back to ${entry.id ?? 'nothing'} from ${entry.from}: ${entry.reason}`
    case 'refused':
      return `${at}  refused (${entry.reason}): ${entry.detail}`
  }
}
