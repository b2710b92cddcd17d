/** Back to a former set, by hand. */
import { Fault } from '../../core/fault.ts'
import { Refused } from '../refused.ts'
import { confirm, type ConfirmSettings, type ConfirmTools, type Failed } from './confirm.ts'
import type { Outcome, RunResult } from './events.ts'
import { Installation, type InstalledSet } from './installation.ts'
import { locked } from './locked.ts'
import { described, withRefusals } from './outcome.ts'
import { recover } from './recovery.ts'
import { brokenParts, previousOf } from './sets.ts'
import { newReport } from './report.ts'

export interface RollbackSettings extends ConfirmSettings {
  readonly into: string
  readonly keep: number
}

/**
 * To the set before, or to the one that is named. Where a command fails, what was installed is back, and it is refused.
 * @throws Fault NOT_FOUND where there is no such set, or it is damaged
 */
export async function rollback(
  settings: RollbackSettings,
  tools: ConfirmTools,
  to?: string,
): Promise<RunResult> {
  const installation = new Installation(settings.into)
  return withRefusals(installation, tools, newReport(), () =>
    locked(installation, async () => {
      const begun = installation.journal()
      const failed = await recover(installation, settings, tools)
      const from = installation.currentId()
      if (begun?.phase === 'confirming' && begun.kind === 'rollback' && (to ?? begun.id) === begun.id)
        return endOfBegun(begun, failed, installation)
      // The update that was interrupted is what was to be taken back.
      if (failed && to === undefined)
        return {
          outcome: 'rolled-back',
          detail: failed.detail,
          ...described(installation.current()),
        }
      const set = targetOf(installation, from, to)
      const { installCommand, checkCommand } = settings
      const confirmed = await confirm(
        installation,
        {
          phase: 'confirming',
          id: set.id,
          from,
          kind: 'rollback',
          commands: { installCommand, checkCommand },
        },
        tools,
      )
      installation.end()
      if (confirmed.kind === 'failed') throw new Refused(confirmed.reason, confirmed.detail)
      const detail = `back from ${from ?? 'nothing'} to ${set.id}`
      return { outcome: 'rolled-back', detail, ...described(set) }
    }),
  )
}

/** What was asked for has been done, or has failed, by bringing to its end what was interrupted: it is not done twice. */
function endOfBegun(
  { id, from }: { readonly id: string; readonly from: string | undefined },
  failed: Failed | undefined,
  installation: Installation,
): Outcome {
  if (failed) throw new Refused(failed.reason, failed.detail)
  const detail = `back from ${from ?? 'nothing'} to ${id}, which an interrupted rollback had begun`
  return { outcome: 'rolled-back', detail, ...described(installation.current()) }
}

function targetOf(
  installation: Installation,
  from: string | undefined,
  to: string | undefined,
): InstalledSet {
  const id = to ?? previousOf(installation)
  const set = id === undefined ? undefined : installation.readSet(id)
  if (from === undefined || set === undefined || set.id === from)
    throw new Fault(
      'NOT_FOUND',
      to === undefined ? 'there is no former set to go back to' : `there is no set ${to} to go to`,
    )
  const names = brokenParts(installation, set.id)
  // A set that was repaired leaves a broken one behind: to go back there would be no way back.
  if (names.length > 0)
    throw new Fault(
      'NOT_FOUND',
      `the set ${set.id} is not what was installed any more (${names.join(', ')}); nothing was changed`,
    )
  return set
}
