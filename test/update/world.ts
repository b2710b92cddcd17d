/** A publisher, an origin server that can be made hostile, and a machine that updates itself; time is a manual clock. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Clock, EpochMs } from '../../core/clock.ts'
import { addComponent } from '../../update/publisher/add.ts'
import { initSite } from '../../update/publisher/init.ts'
import { release, refresh, type Release } from '../../update/publisher/release.ts'
import { Refused } from '../../update/refused.ts'
import { readTrust } from '../../update/trust-file.ts'
import type { CommandResult, OwnCommand } from '../../update/installer/command.ts'
import type { RunResult, UpdateEvent } from '../../update/installer/events.ts'
import type { FetchRequest, Source } from '../../update/installer/fetch-request.ts'
import type { Fetched } from '../../update/installer/fetcher.ts'
import { Installation } from '../../update/installer/installation.ts'
import type { VerifiedCatalogue } from '../../update/installer/believed-catalogue.ts'
import { rollback, type RollbackSettings } from '../../update/installer/rollback.ts'
import { DEFAULT_LIMITS, update, type UpdaterSettings } from '../../update/installer/updater.ts'

export const AT = Date.UTC(2001, 0, 13, 15, 11)
export const DAY = 86_400_000
export const CATALOG = 'http://updates.example/myupdate.cab'

/** What the origin server gives in place of a file; `undefined`: the file itself. */
export type Tamper = (name: string, isFresh: boolean) => Buffer | undefined

export interface World {
  readonly site: string
  readonly keys: string
  readonly into: string
  /** Milliseconds since 1970. */
  now: number
  tamper: Tamper
  source: Source
  /** What the fetcher says of the proxy, once for each file. */
  proxyFailed: string | undefined
  /** What was asked for, in order. */
  readonly asked: string[]
  readonly events: UpdateEvent[]
  /** Catalogues that were believed. */
  readonly verified: VerifiedCatalogue[]
  commands: (command: OwnCommand, folder: string) => CommandResult
  /** Adds components with one file of these bytes each. */
  stage(components: Readonly<Record<string, readonly [version: string, content: string]>>): void
  /** The same, and releases. */
  publish(components: Readonly<Record<string, readonly [version: string, content: string]>>): Release
  refresh(): void
  file(name: string): Buffer
  settings(change?: Partial<UpdaterSettings>): UpdaterSettings
  update(change?: Partial<UpdaterSettings>, mode?: 'run' | 'check'): Promise<RunResult>
  rollback(to?: string, change?: Partial<RollbackSettings>): Promise<RunResult>
  readonly installation: Installation
  /** What applications see: the content of a component's file. */
  installed(component: string): string | undefined
}

export function world(test: Pick<TestContext, 'after'>, at = AT): World {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-update-'))
  test.after(() => rmSync(folder, { recursive: true, force: true }))
  const [site, keys, into] = ['site', 'keys', 'machine'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  initSite(site, { product: 'ViruScan', keys, at, kind: 'p256', own: undefined, ownCatalog: undefined })
  const installation = new Installation(into)
  const made: World = {
    site,
    keys,
    into,
    now: at,
    tamper: () => undefined,
    source: 'internet',
    proxyFailed: undefined,
    asked: [],
    events: [],
    verified: [],
    commands: () => ({ kind: 'done' }),
    installation,
    stage(components) {
      for (const [component, [version, content]] of Object.entries(components)) {
        const file = join(folder, `${component}.dat`)
        writeFileSync(file, content)
        const install = { kind: 'unpack', into: component } as const
        addComponent(site, { component, version, minProduct: undefined, install, paths: [file] })
      }
    },
    publish(components) {
      made.stage(components)
      return release(site, { keys, at: made.now, compression: 'mszip', validDays: 14, baseUrl: undefined })
    },
    refresh: () => void refresh(site, { keys, at: made.now, validDays: 14 }),
    file: (name) => readFileSync(join(site, name)),
    settings: (change = {}) => ({
      ...DEFAULT_LIMITS,
      catalog: CATALOG,
      trust: readTrust(readFileSync(join(keys, 'publisher.pem'), 'utf8')),
      into,
      components: undefined,
      productVersion: undefined,
      mayDowngrade: false,
      isAgain: false,
      installCommand: undefined,
      checkCommand: undefined,
      ...change,
    }),
    update: (change, mode = 'run') => update(made.settings(change), tools(made), mode),
    rollback: (to, change = {}) =>
      rollback(
        { into, keep: 2, installCommand: undefined, checkCommand: undefined, ...change },
        tools(made),
        to,
      ),
    installed(component) {
      try {
        return readFileSync(join(into, 'current', component, `${component}.dat`), 'utf8')
      } catch {
        return undefined
      }
    },
  }
  return made
}

function tools(made: World) {
  const clock: Clock = { ...NO_TIMERS, wall: () => made.now as EpochMs }
  return {
    clock,
    fetcher: { fetch: async (wanted: FetchRequest) => served(made, wanted), close: async () => {} },
    run: async (command: OwnCommand, folder: string) => made.commands(command, folder),
    emit: (event: UpdateEvent) => void made.events.push(event),
    onVerified: (each: VerifiedCatalogue) => void made.verified.push(each),
  }
}

const NO_TIMERS: Clock = {
  monotonic: () => {
    throw new Error('nothing here measures time')
  },
  wall: () => 0 as EpochMs,
  after: () => () => {},
}

/** As the real one: what is too long is refused, what is not there is not found. */
function served(made: World, { url, maxBytes, isFresh, onReceived, onProxyFailed }: FetchRequest): Fetched {
  const name = new URL(url).pathname.slice(1)
  if (made.proxyFailed !== undefined) onProxyFailed?.(made.proxyFailed)
  made.asked.push(isFresh ? `${name} fresh` : name)
  const bytes = made.tamper(name, isFresh) ?? fileOr(made, name)
  if (bytes === undefined) throw new Refused('not-found', `${url}: the server says 404`)
  const source = isFresh ? 'internet' : made.source
  onReceived?.(source, Math.min(bytes.length, maxBytes))
  if (bytes.length > maxBytes)
    throw new Refused('oversized', `${url}: expected at most ${maxBytes} bytes, more come`)
  return { bytes, source }
}

function fileOr(made: World, name: string): Buffer | undefined {
  try {
    return made.file(name)
  } catch {
    return undefined
  }
}

/** The reason in the place of a failure, `outcome` otherwise. */
export function outcomeOf({ outcome, reason }: RunResult): string {
  return reason ?? outcome
}
