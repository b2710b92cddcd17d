/** The end of a run, and of one that was interrupted. */
import { clearDownloads } from './downloads.ts'
import { confirm, type Confirmed, type ConfirmSettings, type ConfirmTools, type Failed } from './confirm.ts'
import type { Installation, Journal } from './installation.ts'
import { noteRefusal } from './outcome.ts'
import { formerSets, isReplaced } from './sets.ts'

interface KeepSettings {
  /** Former sets that stay for going back. */
  readonly keep: number
}

/**
 * Brings an interrupted run to its end: what was staged goes, what was switched is confirmed or taken back, by the commands that
 * it was begun with. @returns why it was taken back, if it was
 */
export async function recover(
  installation: Installation,
  settings: ConfirmSettings & KeepSettings,
  tools: ConfirmTools,
): Promise<Failed | undefined> {
  const journal = installation.journal()
  if (journal === undefined) {
    finishRun(installation, settings, false)
    return undefined
  }
  tools.emit({ event: 'recovered', phase: journal.phase, id: journal.id })
  const confirmed = await confirmedNow(installation, journal, settings, tools)
  finishRun(installation, settings)
  if (journal.phase !== 'confirming' || confirmed?.kind !== 'failed') return undefined
  noteRefusal(installation, tools.clock, { ...confirmed, kind: journal.kind })
  return confirmed
}

async function confirmedNow(
  installation: Installation,
  journal: Journal,
  settings: ConfirmSettings & KeepSettings,
  tools: ConfirmTools,
): Promise<Confirmed | undefined> {
  if (journal.phase !== 'confirming' || installation.readSet(journal.id) === undefined) return undefined
  const { installCommand, checkCommand } = settings
  const known = { commands: { installCommand, checkCommand }, ...journal }
  return switchedOrGivenUp(installation, settings, journal.id, () => confirm(installation, known, tools))
}

/** Where the set did not come into use, because the disk is full, say, it goes: the disk is not left full for everybody else. */
export async function switchedOrGivenUp<Value>(
  installation: Installation,
  settings: KeepSettings,
  id: string,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work()
  } catch (error) {
    if (installation.currentId() !== id) giveUp(installation, settings)
    throw error
  }
}

/** What nobody uses yet goes; packages stay for the next run. Where even that fails, the next run does it. */
export function giveUp(installation: Installation, settings: KeepSettings): void {
  try {
    tidySets(installation, settings)
    installation.end()
  } catch {
    // The reason why it is left is thrown already.
  }
}

export function finishRun(installation: Installation, settings: KeepSettings, hasJournal = true): void {
  tidySets(installation, settings)
  if (!hasJournal) return
  if (installation.currentId() !== undefined && installation.journal()?.phase !== 'staging')
    clearDownloads(installation.downloads)
  installation.end()
}

function tidySets(installation: Installation, { keep }: KeepSettings): void {
  const current = installation.currentId()
  const former = formerSets(installation).filter((id) => !isReplaced(installation, id))
  installation.tidy(new Set([...(current === undefined ? [] : [current]), ...former.slice(0, keep)]))
}
