/** The last step of an installation: switch, run the owner's commands, and go back where they fail. */
import type { EpochMs } from '../../core/clock.ts'
import type { OwnCommand, RunCommand } from './command.ts'
import type { UpdateEvent } from './events.ts'
import { appendHistory } from './history.ts'
import type { Installation, Journal } from './installation.ts'

export interface ConfirmSettings {
  /** Run after the switch, and again after a switch back. */
  readonly installCommand: OwnCommand | undefined
  /** Says by its exit code whether the new set works. */
  readonly checkCommand: OwnCommand | undefined
}

export interface ConfirmTools {
  readonly run: RunCommand
  readonly emit: (event: UpdateEvent) => void
  readonly now: () => EpochMs
}

type Confirming = Extract<Journal, { phase: 'confirming' }>

export type Confirmed =
  | { readonly kind: 'confirmed' }
  | { readonly kind: 'failed'; readonly reason: 'install-failed' | 'check-failed'; readonly detail: string }

/** Safe to be repeated: after a crash the next run calls it again with the journal that it finds. */
export async function confirm(
  installation: Installation,
  journal: Confirming,
  settings: ConfirmSettings,
  tools: ConfirmTools,
): Promise<Confirmed> {
  const { id, from, kind } = journal
  installation.begin(journal)
  installation.switchTo(id)
  const failure = await commandsFail(installation, journal, settings, tools.run)
  if (failure === undefined || kind === 'rollback') return { kind: 'confirmed' }
  await switchBack(installation, id, from, settings, tools)
  installation.remember({
    heldBack: { number: installation.readSet(id)?.number ?? 0, reason: failure.detail },
  })
  appendHistory(installation.history, {
    at: tools.now(),
    kind: 'rolled-back',
    id: from,
    from: id,
    reason: failure.detail,
  })
  tools.emit({ event: 'rolled-back', id: from, from: id, reason: failure.detail })
  return failure
}

async function commandsFail(
  installation: Installation,
  { id, from }: Confirming,
  { installCommand, checkCommand }: ConfirmSettings,
  run: RunCommand,
): Promise<Extract<Confirmed, { kind: 'failed' }> | undefined> {
  const environment = {
    IHAVE_SET: installation.set(id),
    IHAVE_PREVIOUS: from === undefined ? '' : installation.set(from),
  }
  for (const [command, reason] of [
    [installCommand, 'install-failed'],
    [checkCommand, 'check-failed'],
  ] as const) {
    const result = command && (await run(command, installation.set(id), environment))
    if (result?.kind === 'failed') return { kind: 'failed', reason, detail: result.detail }
  }
  return undefined
}

async function switchBack(
  installation: Installation,
  id: string,
  from: string | undefined,
  { installCommand }: ConfirmSettings,
  { run }: ConfirmTools,
): Promise<void> {
  if (from === undefined) return installation.unlink()
  installation.switchTo(from)
  const environment = { IHAVE_SET: installation.set(from), IHAVE_PREVIOUS: installation.set(id) }
  // What a failing command says of the old set changes nothing: there is nowhere else to go.
  if (installCommand) await run(installCommand, installation.set(from), environment)
}
