/** Back to a former set, by hand. */
import { insist, Refused } from '../refused.ts'
import { confirm, type ConfirmSettings, type ConfirmTools, type Failed } from './confirm.ts'
import type { Outcome, RunResult } from './events.ts'
import { Installation, type InstalledSet } from './installation.ts'
import { locked } from './locked.ts'
import { described, withRefusals } from './outcome.ts'
import { recover, switchedOrGivenUp } from './recovery.ts'
import { brokenParts, previousOf } from './sets.ts'
import { newReport } from './report.ts'

export interface RollbackSettings extends ConfirmSettings {
  readonly into: string
  readonly keep: number
}

/**
 * To the set before, or to the one that is named. Where a command fails, what was installed is back, and it is refused; likewise
 * where there is no such set (no-such-set), or it is damaged (damaged-set).
 */
export async function rollback(
  settings: RollbackSettings,
  tools: ConfirmTools,
  to?: string,
): Promise<RunResult> {
  const installation = new Installation(settings.into)
  const work = async () =>
    (await endOfBegun(installation, settings, tools, to)) ??
    goBack(installation, settings, tools, targetOf(installation, to))
  return withRefusals(installation, tools, newReport(), () => locked(installation, work), 'rollback')
}

async function goBack(
  installation: Installation,
  settings: RollbackSettings,
  tools: ConfirmTools,
  set: InstalledSet,
): Promise<Outcome> {
  const { installCommand, checkCommand } = settings
  const from = installation.currentId()
  const journal = {
    phase: 'confirming',
    id: set.id,
    from,
    kind: 'rollback',
    commands: { installCommand, checkCommand },
  } as const
  const confirmed = await switchedOrGivenUp(installation, settings, set.id, async () => {
    installation.begin(journal)
    return confirm(installation, journal, tools)
  })
  installation.end()
  if (confirmed.kind === 'failed') throw new Refused(confirmed.reason, confirmed.detail)
  return { outcome: 'rolled-back', detail: backFrom(journal), ...described(set) }
}

/** Brings what was interrupted to its end. @returns what came of it where that is what was asked for: it is not done twice */
async function endOfBegun(
  installation: Installation,
  settings: RollbackSettings,
  tools: ConfirmTools,
  to: string | undefined,
): Promise<Outcome | undefined> {
  const begun = installation.journal()
  const failed = await recover(installation, settings, tools)
  if (begun?.phase !== 'confirming') return undefined
  const current = described(installation.current())
  if (begun.kind === 'rollback' && (to ?? begun.id) === begun.id) {
    if (failed) return refusedAlready(failed, current, tools)
    const detail = `${backFrom(begun)}, which an interrupted rollback had begun`
    return current.installed === begun.id ? { outcome: 'rolled-back', detail, ...current } : undefined
  }
  // The update that was interrupted is what was to be taken back.
  return failed && begun.kind === 'update' && (to ?? current.installed) === current.installed
    ? { outcome: 'rolled-back', detail: failed.detail, ...current }
    : undefined
}

/** It has been counted and noted. */
function refusedAlready(
  { reason, detail }: Failed,
  current: Partial<Outcome>,
  { emit }: ConfirmTools,
): Outcome {
  emit({ event: 'refused', reason, detail })
  return { outcome: 'refused', reason, detail, ...current }
}

function backFrom({ id, from }: { readonly id: string; readonly from: string | undefined }): string {
  return `back from ${from ?? 'nothing'} to ${id}`
}

/** @throws Refused no-such-set, damaged-set */
function targetOf(installation: Installation, to: string | undefined): InstalledSet {
  const from = installation.currentId()
  const id = to ?? previousOf(installation)
  const set = id === undefined ? undefined : installation.readSet(id)
  if (from === undefined || set === undefined || set.id === from)
    throw new Refused(
      'no-such-set',
      to === undefined ? 'there is no former set to go back to' : `there is no set ${to} to go to`,
    )
  const names = brokenParts(installation, set.id)
  // A set that was repaired leaves a broken one behind: to go back there would be no way back.
  insist(
    names.length === 0,
    'damaged-set',
    `the set ${set.id} is not what was installed any more (${names.join(', ')}); nothing was changed`,
  )
  return set
}
