/** How a run ends: each refusal is a result, counted, remembered and told; what is installed stays. */
import { existsSync } from 'node:fs'
import type { EpochMs } from '../../core/clock.ts'
import { reasonOf, type RefusalReason } from '../refused.ts'
import type { Outcome, RunResult, UpdateEvent } from './events.ts'
import { appendHistory, componentsOf } from './history.ts'
import type { Installation, InstalledSet, Journal } from './installation.ts'
import type { Report } from './report.ts'

interface Wall {
  wall(): EpochMs
}

/** What was refused: a rollback looks for no update, so it says nothing of when that was done last. */
type Work = Extract<Journal, { phase: 'confirming' }>['kind']

/** @param report what the run has cost by then. @throws what is no refusal */
export async function withRefusals(
  installation: Installation,
  { clock, emit }: { readonly clock: Wall; readonly emit: (event: UpdateEvent) => void },
  report: Report,
  work: () => Promise<Outcome>,
  kind: Work = 'update',
): Promise<RunResult> {
  try {
    const result = { ...(await work()), ...report }
    emit({ event: 'done', ...result })
    return result
  } catch (error) {
    const reason = reasonOf(error) ?? fileSystemReason(error)
    if (reason === undefined || !(error instanceof Error)) throw error
    const result = { ...refusal(installation, clock, { kind, reason, detail: error.message }), ...report }
    emit({ event: 'refused', reason, detail: error.message })
    emit({ event: 'done', ...result })
    return result
  }
}

interface Refusal {
  readonly kind: Work
  readonly reason: RefusalReason
  readonly detail: string
}

function refusal(installation: Installation, clock: Wall, refused: Refusal): Outcome {
  const { reason, detail } = refused
  // Whoever runs beside us writes the same files; and where a link lies there, nothing is written at all.
  if (reason !== 'busy' && reason !== 'unsafe-place' && existsSync(installation.downloads))
    noteRefusal(installation, clock, refused)
  const installed = existsSync(installation.versions) ? installation.current() : undefined
  return { outcome: 'refused', reason, detail, ...described(installed) }
}

/** Where the disk has no room even for that, it is told all the same. */
export function noteRefusal(
  installation: Installation,
  clock: Wall,
  { kind, reason, detail }: Refusal,
): void {
  const at = clock.wall()
  whereThereIsRoom(() => {
    const { refused } = installation.state()
    const counted = { ...refused, [reason]: (refused[reason] ?? 0) + 1 }
    const lastCheck = { at, outcome: 'refused', reason, detail }
    installation.remember({ refused: counted, ...(kind === 'update' ? { lastCheck } : {}) })
  })
  whereThereIsRoom(() => appendHistory(installation.history, { at, kind: 'refused', reason, detail }))
}

function whereThereIsRoom(write: () => void): void {
  try {
    write()
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
