/** The end of a run, and of one that was interrupted. */
import { clearDownloads } from './downloads.ts'
import { confirm, type ConfirmSettings, type ConfirmTools, type Failed } from './confirm.ts'
import type { Installation } from './installation.ts'
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
  const { installCommand, checkCommand } = settings
  const confirmed =
    journal.phase === 'confirming' && installation.readSet(journal.id)
      ? await confirm(installation, { commands: { installCommand, checkCommand }, ...journal }, tools)
      : undefined
  finishRun(installation, settings)
  if (confirmed?.kind !== 'failed') return undefined
  noteRefusal(installation, tools.clock, confirmed.reason, confirmed.detail)
  return confirmed
}

/** Where even that fails, a full disk say, the next run does it. */
export function leaveStaging(installation: Installation, settings: KeepSettings): void {
  try {
    finishRun(installation, settings)
  } catch {
    // The reason why it is left is thrown already.
  }
}

export function finishRun(installation: Installation, { keep }: KeepSettings, hasJournal = true): void {
  const current = installation.currentId()
  const former = formerSets(installation).filter((id) => !isReplaced(installation, id))
  const kept = [...(current === undefined ? [] : [current]), ...former.slice(0, keep)]
  installation.tidy(new Set(kept))
  if (!hasJournal) return
  if (current !== undefined && installation.journal()?.phase !== 'staging')
    clearDownloads(installation.downloads)
  installation.end()
}
