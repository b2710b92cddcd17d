/** How a run ends: each refusal is a result, counted, remembered and told; what is installed stays. */
import { existsSync } from 'node:fs'
import type { EpochMs } from '../../core/clock.ts'
import { reasonOf, type RefusalReason } from '../refused.ts'
import type { Outcome, RunResult, UpdateEvent } from './events.ts'
import { appendHistory, componentsOf } from './history.ts'
import type { Installation, InstalledSet } from './installation.ts'
import type { Report } from './report.ts'

interface Wall {
  wall(): EpochMs
}

/** @param report what the run has cost by then. @throws what is no refusal */
export async function withRefusals(
  installation: Installation,
  { clock, emit }: { readonly clock: Wall; readonly emit: (event: UpdateEvent) => void },
  report: Report,
  work: () => Promise<Outcome>,
): Promise<RunResult> {
  try {
    const result = { ...(await work()), ...report }
    emit({ event: 'done', ...result })
    return result
  } catch (error) {
    const reason = reasonOf(error) ?? fileSystemReason(error)
    if (reason === undefined || !(error instanceof Error)) throw error
    const result = { ...refusal(installation, clock, reason, error.message), ...report }
    emit({ event: 'refused', reason, detail: error.message })
    emit({ event: 'done', ...result })
    return result
  }
}

function refusal(installation: Installation, clock: Wall, reason: RefusalReason, detail: string): Outcome {
  // Whoever runs beside us writes the same files; and where a link lies there, nothing is written at all.
  if (reason !== 'busy' && reason !== 'unsafe-place' && existsSync(installation.downloads))
    noteRefusal(installation, clock, reason, detail)
  const installed = existsSync(installation.versions) ? installation.current() : undefined
  return { outcome: 'refused', reason, detail, ...described(installed) }
}

/** Where the disk has no room even for that, it is told all the same. */
export function noteRefusal(
  installation: Installation,
  clock: Wall,
  reason: RefusalReason,
  detail: string,
): void {
  try {
    const { refused } = installation.state()
    const lastCheck = { at: clock.wall(), outcome: 'refused', detail }
    installation.remember({ refused: { ...refused, [reason]: (refused[reason] ?? 0) + 1 }, lastCheck })
    appendHistory(installation.history, { at: clock.wall(), kind: 'refused', reason, detail })
  } catch (error) {
    if (fileSystemReason(error) === undefined) throw error
  }
}

/** A disk that is full or may not be written is no fault of this program. Those of the network are refusals of the fetcher. */
function fileSystemReason(error: unknown): RefusalReason | undefined {
  return error instanceof Error && 'syscall' in error ? 'disk' : undefined
}

/** It is remembered when and how the check ended. */
export function checked(
  installation: Installation,
  { clock }: { readonly clock: Wall },
  result: Outcome,
): Outcome {
  const { outcome, detail } = result
  installation.remember({ lastCheck: { at: clock.wall(), outcome, detail } })
  return result
}

export function described(
  set: InstalledSet | undefined,
): Pick<RunResult, 'installed' | 'components' | 'product'> {
  return set ? { product: set.product, installed: set.id, components: componentsOf(set) } : {}
}
