/**
 * The products that the node keeps up to date (R9): one schedule for each. Failing updates never disturb the node.
 */
import { join } from 'node:path'
import type { CancelTimer, Clock } from '../core/clock.ts'
import { describe } from '../core/fault.ts'
import type { Random } from '../core/random.ts'
import { readPlainFile, writeDurably } from '../update/files.ts'
import { reasonOf } from '../update/refused.ts'
import type { RunResult, UpdateEvent } from '../update/installer/events.ts'
import { Installation, type LastCheck } from '../update/installer/installation.ts'
import {
  nextCheck,
  step,
  type Moment,
  type Occasion,
  type ScheduleCommand,
  type ScheduleEvent,
  type ScheduleMemory,
  type ScheduleSettings,
  type ScheduleState,
} from '../update/machines/schedule.ts'
import type { ProductConfig } from './config-updates.ts'

/** An event of one product's update, for logs and applications. */
export type ProductEvent = UpdateEvent & { readonly name: string }

export interface ProductStatus {
  readonly name: string
  readonly into: string
  readonly catalog: string
  readonly isChecking: boolean
  /** Milliseconds since 1970. */
  readonly nextCheck: number | undefined
  readonly lastCheck: LastCheck | undefined
  /** When updaters stop believing the catalogue; the past means that it has expired. */
  readonly expiresAt: number | undefined
  readonly installed: string | undefined
  readonly components: readonly { readonly component: string; readonly version: string }[]
  readonly refused: Readonly<Record<string, number>>
}

export interface ProductTools {
  readonly clock: Clock
  readonly random: Random
  /** Brings the product up to date; `signal` ends it at once. */
  readonly update: UpdateProduct
  readonly machine: Boot
  readonly emit: (event: ProductEvent) => void
}

export type UpdateProduct = (
  config: ProductConfig,
  emit: (event: UpdateEvent) => void,
  signal: AbortSignal,
) => Promise<RunResult>

/** When the machine was started. */
export interface Boot {
  readonly id: string
  readonly upMs: () => number
  readonly utcOffsetMinutes: () => number
}

export class ProductUpdates {
  readonly #config: ProductConfig
  readonly #tools: ProductTools
  readonly #installation: Installation
  readonly #schedule: ScheduleSettings
  #state: ScheduleState | undefined
  #cancel: CancelTimer = () => {}
  #running: Promise<RunResult | undefined> | undefined
  #isStopped = false
  #lastCheck: ProductStatus['lastCheck']
  readonly #ending = new AbortController()

  constructor(config: ProductConfig, tools: ProductTools) {
    this.#config = config
    this.#tools = tools
    this.#installation = new Installation(config.into)
    this.#schedule = scheduleSettings(config)
  }

  start(): void {
    const { machine, random } = this.#tools
    this.#take({
      kind: 'started',
      now: this.#now(),
      memory: this.#remembered(),
      bootId: machine.id,
      upMs: machine.upMs(),
      fraction: random.fraction(),
    })
  }

  /** An update that is under way gets so long; what it then leaves half done, the next run brings to its end. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopped = true
    this.#cancel()
    const cancel = this.#tools.clock.after(graceMs, () => this.#ending.abort())
    await this.#running
    cancel()
  }

  /** Checks now, or joins the check that is under way. */
  async checkNow(): Promise<RunResult | undefined> {
    if (this.#running === undefined)
      this.#take({ kind: 'asked', now: this.#now(), fraction: this.#tools.random.fraction() })
    return this.#running
  }

  status(): ProductStatus {
    const { name, into, catalog } = this.#config
    const state = this.#installation.state()
    const set = this.#installation.current()
    return {
      name,
      into,
      catalog,
      isChecking: this.#running !== undefined,
      nextCheck: this.#state && nextCheck(this.#state),
      // A place that is not trusted is not written to either.
      lastCheck: this.#lastCheck ?? state.lastCheck,
      expiresAt: state.expiresAt,
      installed: set?.id,
      components: (set?.components ?? []).map(({ component, version }) => ({ component, version })),
      refused: state.refused,
    }
  }

  get name(): string {
    return this.#config.name
  }

  #take(event: ScheduleEvent): void {
    if (this.#isStopped) return
    const [state, commands] = step(this.#schedule, this.#state, event)
    this.#state = state
    for (const command of commands) this.#obey(command)
  }

  #obey(command: ScheduleCommand): void {
    switch (command.kind) {
      case 'wake':
        this.#cancel()
        this.#cancel = this.#tools.clock.after(command.afterMs, () =>
          this.#take({ kind: 'woken', now: this.#now(), fraction: this.#tools.random.fraction() }),
        )
        return
      case 'keep':
        this.#keep(command.memory)
        return
      case 'check':
        this.#running = this.#check(command.occasion)
    }
  }

  async #check(occasion: Occasion): Promise<RunResult | undefined> {
    const result = await this.#update(occasion)
    this.#running = undefined
    if (result) {
      const { outcome, detail, reason } = result
      this.#lastCheck = { at: this.#tools.clock.wall(), outcome, detail, reason }
    }
    const isSuccess = result !== undefined && result.outcome !== 'refused'
    this.#take({ kind: 'checked', now: this.#now(), isSuccess, fraction: this.#tools.random.fraction() })
    return result
  }

  /** Never fails: what went wrong is told. */
  async #update(occasion: Occasion): Promise<RunResult | undefined> {
    const { name } = this.#config
    const emit = (event: UpdateEvent) => this.#tools.emit({ ...event, name })
    try {
      return await this.#tools.update(this.#config, emit, this.#ending.signal)
    } catch (error) {
      emit({ event: 'refused', reason: reasonOf(error) ?? 'disk', detail: `${occasion}: ${describe(error)}` })
      return undefined
    }
  }

  #now(): Moment {
    const { clock, machine } = this.#tools
    return { wall: clock.wall(), monotonic: clock.monotonic(), utcOffsetMinutes: machine.utcOffsetMinutes() }
  }

  get #memoryFile(): string {
    return join(this.#config.into, '.ihave', 'schedule.json')
  }

  #remembered(): ScheduleMemory {
    try {
      return JSON.parse(readPlainFile(this.#memoryFile)?.toString('utf8') ?? '{}')
    } catch {
      return {} // One check more than needed.
    }
  }

  #keep(memory: ScheduleMemory): void {
    try {
      this.#installation.prepare()
      writeDurably(this.#memoryFile, JSON.stringify(memory))
    } catch (error) {
      const reason = reasonOf(error) ?? 'disk'
      this.#tools.emit({ event: 'refused', reason, detail: describe(error), name: this.#config.name })
    }
  }
}

export interface ProductResult {
  readonly name: string
  /** Absent where it could not even be checked; the log says why. */
  readonly result: RunResult | undefined
}

function scheduleSettings(config: ProductConfig): ScheduleSettings {
  const { atBoot, afterBootMs, afterFailureMs, afterSuccessMs, dailyAt, jitterMs } = config
  return {
    atBoot,
    afterFailureMs,
    afterSuccessMs,
    jitterMs,
    afterBootMs: afterBootMs === 'off' ? undefined : afterBootMs,
    dailyAt: dailyAt === 'off' ? undefined : dailyAt,
  }
}
