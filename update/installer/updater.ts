/**
 * The service-enabled product updating application (R9.2; patent B, FIG. 8): catalogue 242, comparison 244, packages 246,
 * verification 248, installation 250. Whatever goes wrong, what is installed stays.
 */
import type { Clock } from '../../core/clock.ts'
import type { CabinetLimits } from '../../signing/cabinet/read.ts'
import { MAX_PACKAGE_BYTES, PACKAGE_LIMITS } from '../limits.ts'
import { Refused } from '../refused.ts'
import type { PublisherTrust } from '../trust-file.ts'
import { believedCatalogue, type VerifiedCatalogue } from './believed-catalogue.ts'
import type { RunCommand } from './command.ts'
import { confirm, type ConfirmSettings } from './confirm.ts'
import type { Outcome, RunResult, UpdateEvent } from './events.ts'
import type { Fetcher } from './fetcher.ts'
import { Installation, type InstalledSet } from './installation.ts'
import { locked } from './locked.ts'
import { makeSet } from './make-set.ts'
import type { OpenedCatalogue } from './open-catalogue.ts'
import { checked, described, withRefusals } from './outcome.ts'
import { planOf, type Plan, type PlanSettings } from './plan.ts'
import { finishRun, giveUp, recover, switchedOrGivenUp } from './recovery.ts'
import { freeId, keptSet } from './sets.ts'
import { isIntact } from './stage.ts'
import { newReport, type Report } from './report.ts'

export interface UpdaterSettings extends ConfirmSettings, Omit<PlanSettings, 'hasInstallCommand'> {
  /** The absolute URL of `myupdate.cab`. */
  readonly catalog: string
  readonly trust: PublisherTrust
  readonly into: string
  readonly limits: CabinetLimits
  readonly maxPackageBytes: number
  /** Downloads that bring less, a minute at a time, are refused; 0 for none. */
  readonly leastBytesPerS: number
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

export const DEFAULT_LIMITS = {
  limits: PACKAGE_LIMITS,
  maxPackageBytes: MAX_PACKAGE_BYTES,
  leastBytesPerS: 5_000,
  keep: 2,
} as const

/** What the steps of one run share. */
interface Run {
  readonly installation: Installation
  readonly settings: UpdaterSettings
  readonly tools: UpdaterTools
  readonly report: Report
}

/** Brings what is installed up to date, or only says what is needed. Refusals are results, counted and remembered. */
export async function update(
  settings: UpdaterSettings,
  tools: UpdaterTools,
  mode: 'run' | 'check' = 'run',
): Promise<RunResult> {
  const installation = new Installation(settings.into)
  const report = newReport()
  return withRefusals(installation, tools, report, () =>
    locked(installation, async () => {
      await recover(installation, settings, tools)
      const opened = await believedCatalogue(installation, settings, tools, report)
      const before = installation.current()
      const plan = planNow(opened, before, installation, settings)
      emitCatalogue(opened, plan, report.received.catalogue, tools)
      return decide({ installation, settings, tools, report }, mode, opened, plan, before)
    }),
  )
}

async function decide(
  run: Run,
  mode: 'run' | 'check',
  opened: OpenedCatalogue,
  plan: Plan,
  before: InstalledSet | undefined,
): Promise<Outcome> {
  const { installation, settings, tools } = run
  const { product, number } = opened.catalogue
  const told = { ...described(before), product }
  if (plan.needed.length === 0 && !plan.isShrinking)
    return checked(installation, tools, {
      outcome: 'up-to-date',
      detail: 'everything is up to date',
      ...told,
    })
  const { heldBack } = installation.state()
  if (heldBack?.number === number && !settings.isAgain) {
    const detail = `release ${number} was rolled back (${heldBack.reason}); --again installs it all the same`
    return checked(installation, tools, { outcome: 'held-back', detail, ...told })
  }
  if (mode === 'run') return install(run, opened, plan, before)
  const detail = `${plan.needed.length} of ${plan.wanted.length} components have updates`
  const needed = plan.needed.map(({ wanted: { component, version }, installed }) => {
    return { component, version, installed: installed?.version }
  })
  return checked(installation, tools, { outcome: 'needed', detail, ...told, needed })
}

async function install(
  { installation, settings, tools, report }: Run,
  { catalogue }: OpenedCatalogue,
  plan: Plan,
  before: InstalledSet | undefined,
): Promise<Outcome> {
  const from = installation.currentId()
  const kept = keptSet(installation, catalogue, plan.wanted)
  const set = kept ?? (await madeSet({ installation, settings, tools, report }, catalogue, plan, before))
  const { installCommand, checkCommand } = settings
  const journal = {
    phase: 'confirming',
    id: set.id,
    from,
    kind: 'update',
    commands: { installCommand, checkCommand },
    received: { ...report.received },
  } as const
  const confirmed = await switchedOrGivenUp(installation, settings, set.id, async () => {
    installation.begin(journal)
    return confirm(installation, journal, tools)
  })
  finishRun(installation, settings)
  if (confirmed.kind === 'failed') throw new Refused(confirmed.reason, confirmed.detail)
  const what = `${plan.needed.length} of ${plan.wanted.length} components were updated`
  const detail = kept ? `${what}, by the set that was still here` : what
  return checked(installation, tools, { outcome: 'updated', detail, ...described(set) })
}

async function madeSet(
  { installation, settings, tools, report }: Run,
  catalogue: OpenedCatalogue['catalogue'],
  plan: Plan,
  before: InstalledSet | undefined,
): Promise<InstalledSet> {
  const id = freeId(installation, `${catalogue.released}-${catalogue.number}`)
  installation.begin({ phase: 'staging', id })
  try {
    return await makeSet({ installation, id, catalogue, plan, before }, settings, { ...tools, report })
  } catch (error) {
    giveUp(installation, settings)
    throw error
  }
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
