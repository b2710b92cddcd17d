/**
 * The service-enabled product updating application (R9.2; patent B, FIG. 8): catalogue 242, comparison 244, packages 246,
 * verification 248, installation 250. Whatever goes wrong, what is installed stays.
 */
import { existsSync } from 'node:fs'
import { lockDirectory } from '../../cache/directory-lock.ts'
import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import type { CabinetLimits } from '../../signing/cabinet/read.ts'
import { MAX_CATALOGUE_BYTES, MAX_PACKAGE_BYTES, PACKAGE_LIMITS } from '../limits.ts'
import { reasonOf, Refused, type RefusalReason } from '../refused.ts'
import type { PublisherTrust } from '../trust-file.ts'
import type { RunCommand } from './command.ts'
import { confirm, type ConfirmSettings, type ConfirmTools } from './confirm.ts'
import { clearDownloads, type Downloaded } from './downloads.ts'
import type { Received, RunResult, UpdateEvent } from './events.ts'
import type { Fetcher } from './fetcher.ts'
import { appendHistory, componentsOf, readHistory } from './history.ts'
import { Installation, type InstalledSet } from './installation.ts'
import { makeSet } from './make-set.ts'
import { openCatalogue, type OpenedCatalogue } from './open-catalogue.ts'
import { planOf, type Plan, type PlanSettings } from './plan.ts'
import { isIntact } from './stage.ts'

export interface UpdaterSettings extends ConfirmSettings, Omit<PlanSettings, 'hasInstallCommand'> {
  /** The absolute URL of `myupdate.cab`. */
  readonly catalog: string
  readonly trust: PublisherTrust
  readonly into: string
  readonly limits: CabinetLimits
  readonly maxPackageBytes: number
  /** Former sets that stay for going back. */
  readonly keep: number
  /** Installs a release again that was rolled back. */
  readonly isAgain: boolean
}

export interface UpdaterTools {
  readonly clock: Clock
  readonly fetcher: Fetcher
  readonly run: RunCommand
  readonly emit: (event: UpdateEvent) => void
  /** A catalogue is believed: what it says of its packages can prove copies of them to others. */
  readonly onVerified?: (verified: VerifiedCatalogue) => void
}

/** The packages of a catalogue that was verified, wanted here or not. */
export interface VerifiedCatalogue {
  /** Its absolute URL. */
  readonly catalog: string
  readonly files: readonly {
    /** Absolute. */
    readonly url: string
    readonly size: number
    /** Lower-case hexadecimal. */
    readonly sha256: string
  }[]
}

export const DEFAULT_LIMITS = {
  limits: PACKAGE_LIMITS,
  maxPackageBytes: MAX_PACKAGE_BYTES,
  keep: 2,
} as const

const NOTHING: Received = { catalogue: 0, internet: 0, peer: 0, cache: 0, kept: 0 }

/** Brings what is installed up to date, or only says what is needed. Refusals are results, counted and remembered. */
export async function update(
  settings: UpdaterSettings,
  tools: UpdaterTools,
  mode: 'run' | 'check' = 'run',
): Promise<RunResult> {
  const installation = new Installation(settings.into)
  return withRefusals(installation, tools, () =>
    locked(installation, async () => {
      await recover(installation, settings, tools)
      const { opened, bytes } = await believedCatalogue(installation, settings, tools)
      const before = installation.current()
      const plan = planNow(opened, before, installation, settings)
      emitCatalogue(opened, plan, bytes, tools)
      const received = { ...NOTHING, catalogue: bytes }
      return decide(installation, settings, tools, mode, opened, plan, before, received)
    }),
  )
}

/** Back to the set before, or to the one that is named. @throws Fault NOT_FOUND where there is none */
export async function rollback(
  settings: ConfirmSettings & Pick<UpdaterSettings, 'into' | 'keep'>,
  tools: Omit<UpdaterTools, 'fetcher'>,
  to?: string,
): Promise<RunResult> {
  const installation = new Installation(settings.into)
  return withRefusals(installation, tools, () =>
    locked(installation, async () => {
      await recover(installation, settings, tools)
      const from = installation.currentId()
      const id = to ?? previousOf(installation)
      const set = id === undefined ? undefined : installation.readSet(id)
      if (set !== undefined) insistOnWhole(installation, set)
      if (from === undefined || id === undefined || set === undefined || id === from)
        throw new Fault(
          'NOT_FOUND',
          to === undefined ? 'there is no former set to go back to' : `there is no set ${to} to go to`,
        )
      const number = installation.readSet(from)?.number ?? 0
      installation.remember({ heldBack: { number, reason: 'it was rolled back by hand' } })
      await confirm(
        installation,
        { phase: 'confirming', id, from, kind: 'rollback' },
        settings,
        confirmTools(tools),
      )
      const reason = 'by hand'
      appendHistory(installation.history, { at: tools.clock.wall(), kind: 'rolled-back', id, from, reason })
      installation.end()
      tools.emit({ event: 'rolled-back', id, from, reason })
      return {
        outcome: 'rolled-back',
        detail: `back from ${from} to ${id}`,
        ...described(set),
        received: NOTHING,
      }
    }),
  )
}

async function decide(
  installation: Installation,
  settings: UpdaterSettings,
  tools: UpdaterTools,
  mode: 'run' | 'check',
  opened: OpenedCatalogue,
  plan: Plan,
  before: InstalledSet | undefined,
  received: Received,
): Promise<RunResult> {
  const { catalogue } = opened
  const needed = plan.needed.map(({ wanted, installed }) => ({
    component: wanted.component,
    version: wanted.version,
    installed: installed?.version,
  }))
  if (plan.needed.length === 0 && !plan.isShrinking)
    return checked(installation, tools, {
      outcome: 'up-to-date',
      detail: 'everything is up to date',
      ...described(before),
      product: catalogue.product,
      received,
    })
  if (mode === 'check') {
    const detail = `${needed.length} of ${plan.wanted.length} components have updates`
    return checked(installation, tools, {
      outcome: 'needed',
      detail,
      ...described(before),
      product: catalogue.product,
      needed,
      received,
    })
  }
  const { heldBack } = installation.state()
  if (heldBack?.number === catalogue.number && !settings.isAgain) {
    const detail = `release ${catalogue.number} was rolled back (${heldBack.reason}); --again installs it all the same`
    return checked(installation, tools, {
      outcome: 'held-back',
      detail,
      ...described(before),
      product: catalogue.product,
      received,
    })
  }
  return install(installation, settings, tools, opened, plan, before, received)
}

async function install(
  installation: Installation,
  settings: UpdaterSettings,
  tools: UpdaterTools,
  { catalogue }: OpenedCatalogue,
  plan: Plan,
  before: InstalledSet | undefined,
  begun: Received,
): Promise<RunResult> {
  const needed = plan.needed.map(({ wanted }) => wanted)
  const from = installation.currentId()
  const id = freeId(installation, `${catalogue.released}-${catalogue.number}`)
  installation.begin({ phase: 'staging', id })
  const made = { installation, id, catalogue, plan, before }
  const { set, downloaded } = await makeSet(made, settings, tools).catch((error: unknown) => {
    leaveStaging(installation, settings)
    throw error
  })
  const received = receivedWith(begun, downloaded)
  const journal = { phase: 'confirming', id, from, kind: 'update' } as const
  const confirmed = await confirm(installation, journal, settings, confirmTools(tools))
  if (confirmed.kind === 'failed') {
    finishRun(installation, settings)
    throw new Refused(confirmed.reason, `${confirmed.detail}; ${from ?? 'nothing'} stays installed`)
  }
  const entry = {
    kind: 'installed',
    id,
    from,
    components: componentsOf(set),
    received: { ...received },
  } as const
  appendHistory(installation.history, { at: tools.clock.wall(), ...entry })
  finishRun(installation, settings)
  tools.emit({ event: 'installed', id, from })
  const detail = `${needed.length} of ${plan.wanted.length} components were updated`
  return checked(installation, tools, { outcome: 'updated', detail, ...described(set), received })
}

/** What somebody changed by hand, or lies elsewhere now, is fetched again. */
function planNow(
  { catalogue }: OpenedCatalogue,
  before: InstalledSet | undefined,
  installation: Installation,
  settings: UpdaterSettings,
): Plan {
  const plan = planOf(catalogue, before, {
    ...settings,
    hasInstallCommand: settings.installCommand !== undefined,
  })
  const damaged = plan.wanted.flatMap((wanted) => {
    const installed = before?.components.find(({ component }) => component === wanted.component)
    const isKnown = plan.needed.some((each) => each.wanted === wanted)
    return installed && before && !isKnown && !isIntact(installation.set(before.id), installed)
      ? [{ wanted, installed }]
      : []
  })
  return { ...plan, needed: [...plan.needed, ...damaged] }
}

async function believedCatalogue(installation: Installation, settings: UpdaterSettings, tools: UpdaterTools) {
  const { catalog, trust } = settings
  const state = installation.state()
  const { bytes } = await tools.fetcher.fetch({ url: catalog, maxBytes: MAX_CATALOGUE_BYTES, isFresh: true })
  const fetchRoot = async (version: number) => {
    const url = new URL(`metadata/${version}.root.json`, catalog).href
    return (await tools.fetcher.fetch({ url, maxBytes: MAX_CATALOGUE_BYTES, isFresh: true })).bytes
  }
  const { remembered, product } = state
  const opened = await openCatalogue(bytes, {
    trust,
    remembered,
    product,
    now: tools.clock.wall(),
    fetchRoot,
  })
  // From here on nothing older is believed, whatever becomes of this run.
  installation.remember({
    catalog,
    product: opened.catalogue.product,
    remembered: opened.remembered,
    expiresAt: opened.expiresAt,
  })
  tools.onVerified?.(verifiedCatalogue(catalog, opened))
  return { opened, bytes: bytes.length }
}

function verifiedCatalogue(catalog: string, { catalogue }: OpenedCatalogue): VerifiedCatalogue {
  const files = catalogue.packages.map(({ url, size, sha256 }) => {
    return { url: new URL(url, catalog).href, size, sha256 }
  })
  return { catalog, files }
}

/** Brings an interrupted run to its end: what was staged goes, what was switched is confirmed or taken back. */
async function recover(
  installation: Installation,
  settings: ConfirmSettings & Pick<UpdaterSettings, 'keep'>,
  tools: Omit<UpdaterTools, 'fetcher'>,
): Promise<void> {
  const journal = installation.journal()
  if (journal) tools.emit({ event: 'recovered', phase: journal.phase, id: journal.id })
  if (journal?.phase === 'confirming' && installation.readSet(journal.id)) {
    const confirmed = await confirm(installation, journal, settings, confirmTools(tools))
    const set = installation.readSet(journal.id)
    if (confirmed.kind === 'confirmed' && set && journal.kind === 'update') {
      const { id, from } = journal
      const isTold = readHistory(installation.history).some(
        (entry) => entry.kind === 'installed' && entry.id === id,
      )
      const entry = { kind: 'installed', id, from, components: componentsOf(set), received: {} } as const
      if (!isTold) appendHistory(installation.history, { at: tools.clock.wall(), ...entry })
    }
  }
  finishRun(installation, settings, journal !== undefined)
}

/** Where even that fails, a full disk say, the next run does it. */
function leaveStaging(installation: Installation, settings: Pick<UpdaterSettings, 'keep'>): void {
  try {
    finishRun(installation, settings)
  } catch {
    // The reason why it is left is thrown already.
  }
}

function finishRun(
  installation: Installation,
  { keep }: Pick<UpdaterSettings, 'keep'>,
  hasJournal = true,
): void {
  const current = installation.currentId()
  const kept = [...(current === undefined ? [] : [current]), ...formerSets(installation).slice(0, keep)]
  installation.tidy(new Set(kept))
  if (!hasJournal) return
  if (current !== undefined && installation.journal()?.phase !== 'staging')
    clearDownloads(installation.downloads)
  installation.end()
}

/** Sets that were installed before the current one, the latest first. */
function formerSets(installation: Installation): readonly string[] {
  const current = installation.currentId()
  const installed = readHistory(installation.history).flatMap((entry) =>
    entry.kind === 'installed' ? [entry.id] : [],
  )
  const latestFirst = [...new Set(installed.toReversed())]
  return latestFirst.filter((id) => id !== current && existsSync(installation.set(id)))
}

/** What was installed before the current set, not after it. */
/** A set that was repaired leaves a broken one behind: to go back there would be no way back. @throws Fault NOT_FOUND */
function insistOnWhole(installation: Installation, { id, components }: InstalledSet): void {
  const broken = components.filter((each) => !isIntact(installation.set(id), each))
  const names = broken.map(({ component }) => component).join(', ')
  if (broken.length > 0)
    throw new Fault(
      'NOT_FOUND',
      `the set ${id} is not what was installed any more (${names}); nothing was changed`,
    )
}

function previousOf(installation: Installation): string | undefined {
  const current = installation.currentId()
  const entries = readHistory(installation.history)
  const last = entries.findLast((entry) => entry.kind === 'installed' && entry.id === current)
  const from = last?.kind === 'installed' ? last.from : undefined
  return from !== undefined && existsSync(installation.set(from)) ? from : undefined
}

function freeId(installation: Installation, wanted: string): string {
  for (let attempt = 1; ; attempt++) {
    const id = attempt === 1 ? wanted : `${wanted}.${attempt}`
    if (!existsSync(installation.set(id))) return id
  }
}

/** One run at a time, whoever starts it. @throws Refused busy */
async function locked<Value>(installation: Installation, work: () => Promise<Value>): Promise<Value> {
  installation.prepare()
  const unlock = lockNow(installation)
  try {
    return await work()
  } finally {
    unlock()
  }
}

function lockNow(installation: Installation) {
  try {
    return lockDirectory(installation.folder, installation.lock)
  } catch (cause) {
    throw new Refused('busy', `another update of ${installation.folder} is running`, { cause })
  }
}

/** Refusals become results; each is counted, remembered and told. */
async function withRefusals(
  installation: Installation,
  tools: Omit<UpdaterTools, 'fetcher'>,
  work: () => Promise<RunResult>,
): Promise<RunResult> {
  try {
    const result = await work()
    tools.emit({ event: 'done', ...result })
    return result
  } catch (error) {
    const reason = reasonOf(error) ?? fileSystemReason(error)
    if (reason === undefined || !(error instanceof Error)) throw error
    const result = refusedResult(installation, tools.clock, reason, error.message)
    tools.emit({ event: 'refused', reason, detail: error.message })
    tools.emit({ event: 'done', ...result })
    return result
  }
}

function refusedResult(
  installation: Installation,
  clock: Clock,
  reason: RefusalReason,
  detail: string,
): RunResult {
  // Whoever runs beside us writes the same files.
  if (reason !== 'busy' && existsSync(installation.downloads))
    noteRefusal(installation, clock, reason, detail)
  const installed = existsSync(installation.versions) ? installation.current() : undefined
  return { outcome: 'refused', reason, detail, ...described(installed), received: NOTHING }
}

/** Where the disk has no room even for that, it is told all the same. */
function noteRefusal(installation: Installation, clock: Clock, reason: RefusalReason, detail: string): void {
  try {
    const { refused } = installation.state()
    const lastCheck = { at: clock.wall(), outcome: 'refused', detail }
    installation.remember({ refused: { ...refused, [reason]: (refused[reason] ?? 0) + 1 }, lastCheck })
    appendHistory(installation.history, { at: clock.wall(), kind: 'refused', reason, detail })
  } catch (error) {
    if (fileSystemReason(error) === undefined) throw error
  }
}

/** A disk that is full or may not be written is no fault of this program. */
function fileSystemReason(error: unknown): RefusalReason | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return ['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'ENOTDIR', 'EISDIR'].includes(code)
    ? 'disk'
    : undefined
}

function checked(installation: Installation, { clock }: UpdaterTools, result: RunResult): RunResult {
  const { outcome, detail } = result
  installation.remember({ lastCheck: { at: clock.wall(), outcome, detail } })
  return result
}

function described(set: InstalledSet | undefined): Pick<RunResult, 'installed' | 'components' | 'product'> {
  return set ? { product: set.product, installed: set.id, components: componentsOf(set) } : {}
}

function receivedWith(begun: Received, downloaded: readonly Downloaded[]): Received {
  const sums = { ...begun }
  for (const { source, bytes } of downloaded) sums[source] += bytes
  return sums
}

function emitCatalogue(
  { catalogue, signer, expiresAt }: OpenedCatalogue,
  plan: Plan,
  bytes: number,
  { emit }: UpdaterTools,
): void {
  const { product, number, released } = catalogue
  emit({
    event: 'catalogue',
    product,
    number,
    released,
    bytes,
    signer,
    expires: new Date(expiresAt).toISOString(),
    components: plan.wanted.length,
    needed: plan.needed.length,
  })
}

function confirmTools({ run, emit, clock }: Omit<UpdaterTools, 'fetcher'>): ConfirmTools {
  return { run, emit, now: () => clock.wall() }
}
