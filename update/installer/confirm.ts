/** The last step of an installation: switch, run the owner's commands, and go back where they fail. */
import type { EpochMs } from '../../core/clock.ts'
import type { OwnCommand, RunCommand } from './command.ts'
import { clearDownloads } from './downloads.ts'
import type { UpdateEvent } from './events.ts'
import { appendHistory, componentsOf, readHistory, type HistoryChange } from './history.ts'
import type { Installation, Journal } from './installation.ts'
import { brokenParts, formerSets } from './sets.ts'

export interface ConfirmSettings {
  /** Run after the switch, and again after a switch back. */
  readonly installCommand: OwnCommand | undefined
  /** Says by its exit code whether the new set works. */
  readonly checkCommand: OwnCommand | undefined
}

export interface ConfirmTools {
  readonly run: RunCommand
  readonly emit: (event: UpdateEvent) => void
  readonly clock: { wall(): EpochMs }
}

type Confirming = Extract<Journal, { phase: 'confirming' }>

export type Confirmed = { readonly kind: 'confirmed' } | Failed

export interface Failed {
  readonly kind: 'failed'
  readonly reason: 'install-failed' | 'check-failed'
  /** What the command said, and what is installed now. */
  readonly detail: string
}

/**
 * Safe to be repeated: after a crash the next run calls it again with the journal that it finds, which holds the commands. So
 * whoever ends an interrupted update runs the check that it was begun with.
 * @param journal as it is on the disk
 */
export async function confirm(
  installation: Installation,
  journal: Confirming,
  tools: ConfirmTools,
): Promise<Confirmed> {
  installation.switchTo(journal.id)
  const failure = await commandsFail(installation, journal, tools.run)
  if (failure === undefined) {
    makeRoom(installation, journal)
    noteConfirmed(installation, journal, tools)
    return { kind: 'confirmed' }
  }
  const { id, told } = await switchBack(installation, journal, tools.run)
  makeRoom(installation, journal)
  const { detail: reason } = failure
  if (journal.kind === 'update')
    installation.remember({ heldBack: { number: numberOf(installation, journal.id), reason } })
  if (id !== journal.id) noteBack(installation, { id, from: journal.id, reason }, tools)
  return { ...failure, detail: `${reason}; ${told}` }
}

/** Packages that are installed, or were of no use: where the disk is full, in their place goes what is noted now. */
function makeRoom(installation: Installation, { kind }: Confirming): void {
  if (kind === 'update' && installation.currentId() !== undefined) clearDownloads(installation.downloads)
}

async function commandsFail(
  installation: Installation,
  { id, from, commands }: Confirming,
  run: RunCommand,
): Promise<Failed | undefined> {
  const environment = {
    IHAVE_SET: installation.set(id),
    IHAVE_PREVIOUS: from === undefined ? '' : installation.set(from),
  }
  for (const [command, reason] of [
    [commands?.installCommand, 'install-failed'],
    [commands?.checkCommand, 'check-failed'],
  ] as const) {
    const result = command && (await run(command, installation.set(id), environment))
    if (result?.kind === 'failed') return { kind: 'failed', reason, detail: result.detail }
  }
  return undefined
}

/** To the set before, or where that is damaged, to the latest that is whole. @returns what is current then, also in words */
async function switchBack(
  installation: Installation,
  { id, from, commands }: Confirming,
  run: RunCommand,
): Promise<{ readonly id: string | undefined; readonly told: string }> {
  if (from === undefined) {
    installation.unlink()
    return { id: undefined, told: 'nothing is installed' }
  }
  const others = formerSets(installation).filter((each) => each !== from)
  const back = [from, ...others].find((each) => brokenParts(installation, each).length === 0)
  const damaged = back === from ? '' : `${from} is damaged (${brokenParts(installation, from).join(', ')}), `
  if (back === undefined) return { id, told: `${damaged}and no other set is whole: ${id} stays installed` }
  installation.switchTo(back)
  const environment = { IHAVE_SET: installation.set(back), IHAVE_PREVIOUS: installation.set(id) }
  // What a failing command says of the old set changes nothing: there is nowhere else to go.
  if (commands?.installCommand) await run(commands.installCommand, installation.set(back), environment)
  return { id: back, told: `${damaged}${back} is installed again` }
}

function noteConfirmed(installation: Installation, journal: Confirming, tools: ConfirmTools): void {
  const { id, from, kind, received } = journal
  if (kind === 'rollback' && from !== undefined) {
    const reason = 'by hand'
    const number = numberOf(installation, from)
    installation.remember({ heldBack: { number, reason: 'it was rolled back by hand' } })
    noteBack(installation, { id, from, reason }, tools)
    return
  }
  // Whatever was held back is older now, or was asked for.
  installation.remember({ heldBack: undefined })
  const set = installation.readSet(id)
  const components = set ? componentsOf(set) : []
  note(installation, { kind: 'installed', id, from, components, received: { ...received } }, tools)
  tools.emit({ event: 'installed', id, from })
}

function noteBack(
  installation: Installation,
  back: { readonly id: string | undefined; readonly from: string; readonly reason: string },
  tools: ConfirmTools,
): void {
  note(installation, { kind: 'rolled-back', ...back }, tools)
  tools.emit({ event: 'rolled-back', ...back })
}

/** Once, however often a run is interrupted. */
function note(installation: Installation, change: HistoryChange, { clock }: ConfirmTools): void {
  const last = readHistory(installation.history).at(-1)
  const isTold = last?.kind === change.kind && last.id === change.id && last.from === change.from
  if (!isTold) appendHistory(installation.history, { at: clock.wall(), ...change })
}

function numberOf(installation: Installation, id: string): number {
  return installation.readSet(id)?.number ?? 0
}
