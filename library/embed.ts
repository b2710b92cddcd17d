/** A node of one's own in the same process (R1.4): it starts, talks to peers, and stops without a trace. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keepProcess, sleep, systemClock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { parseConfig, type Config } from '../service/config.ts'
import { formatConfigError } from '../service/config-source.ts'
import { openLog } from '../service/logging.ts'
import { Node } from '../service/node.ts'
import type { SETTINGS } from '../service/settings.ts'
import { mustBeOptions } from './arguments.ts'
import { localChannel } from './local-channel.ts'
import { Session } from './session.ts'

/** One section of `proxy.config.yaml`, as it would be written there. */
export type Section = Readonly<Record<string, unknown>>

/**
 * Settings as in `proxy.config.yaml` (docs/configuration.md). Without `cache.directory` the cache is a temporary one that goes
 * with the session; nothing is logged unless `log.level` says so.
 */
export interface Settings extends Readonly<Partial<Record<keyof typeof SETTINGS, Section | undefined>>> {
  readonly presets?: boolean | readonly string[]
  readonly rules?: readonly Section[]
  /** Products that the node keeps up to date (docs/updates.md). */
  readonly updates?: readonly Section[]
}

export interface EmbedOptions {
  readonly settings?: Settings
  /** Whether the node is a forward proxy for other programs, too (`settings.proxy`); absent: no. */
  readonly proxy?: boolean
  /**
   * How long to wait for the first peer, in ms; absent: 250. They answer a newcomer within 200 ms, and whoever knows nobody
   * asks nobody.
   */
  readonly acquaintMs?: number
  /** Whether commands and `connect` reach it (`settings.control`); absent: no. */
  readonly control?: boolean
}

/**
 * Starts a node in this process. Where a daemon runs already, `connect` to it: two nodes of one machine need two addresses.
 * @throws Fault CONFIG_INVALID, ADDRESS_IN_USE, STORE_FAILED; nothing is left behind then.
 */
export async function embed(options: EmbedOptions = {}): Promise<Session> {
  mustBeOptions('options', options, OPTION_KINDS)
  const { settings = {}, proxy = false, control = false, acquaintMs = ACQUAINT_MS } = options
  const own =
    settings.cache?.['directory'] === undefined ? await mkdtemp(join(tmpdir(), 'ihave-')) : undefined
  // What a node waits for when it stops must come about even if nothing else is left to do in this process.
  const letProcessEnd = keepProcess()
  const left = async () => {
    letProcessEnd()
    if (own !== undefined) await rm(own, { recursive: true, force: true })
  }
  try {
    const config = configFrom(settings, own)
    const log = openLog(config.log)
    const node = new Node(config, log, { proxy, control })
    await node.start()
    await acquaint(node, acquaintMs)
    return new Session(localChannel(node, left))
  } catch (error) {
    await left()
    throw error
  }
}

const OPTION_KINDS = {
  settings: 'an object',
  proxy: 'true or false',
  control: 'true or false',
  acquaintMs: 'a number',
} as const

const ACQUAINT_MS = 250
const LOOK_MS = 10

async function acquaint(node: Node, limitMs: number): Promise<void> {
  const until = systemClock.monotonic() + limitMs
  while (node.status().peering?.peers.length === 0 && systemClock.monotonic() < until)
    await sleep(systemClock, LOOK_MS)
}

function configFrom(settings: Settings, own: string | undefined): Config {
  const directory = own ?? String(settings.cache?.['directory'])
  const text = JSON.stringify({
    ...settings,
    cache: { directory, ...given(settings.cache) },
    site: { directory: join(directory, 'site'), ...given(settings.site) },
    log: { level: 'silent', ...given(settings.log) },
  })
  const parsed = parseConfig(text, 'settings', process.cwd())
  if (parsed.kind === 'ok') return parsed.config
  throw new Fault('CONFIG_INVALID', parsed.errors.map(formatConfigError).join('\n'))
}

/** What is there but `undefined` was not given. */
function given(section: Section = {}): Section {
  return Object.fromEntries(Object.entries(section).filter(([, value]) => value !== undefined))
}
