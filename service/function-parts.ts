/** Functions as a node has them: elections over its LAN, valued by what this machine is, with what was configured. */
import { join } from 'node:path'
import type { Logger } from 'pino'
import { systemClock, type EpochMs } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import { systemRandom } from '../core/random.ts'
import { CHECKER_FUNCTION, GATEWAY_FUNCTION } from '../gateway/wire.ts'
import type { NodeId } from '../peering/packets.ts'
import type { Self } from '../peering/self.ts'
import { criterionValue, machineCriteria, WEIGHTS, type MachineState } from '../providers/criteria.ts'
import { placeFault } from '../providers/place.ts'
import type { FunctionEvent, Offering, Provider } from '../providers/functions.ts'
import type { MachineFacts } from '../providers/machine-state.ts'
import { providerBook } from '../providers/provider-book.ts'
import { Providers } from '../providers/providers.ts'
import { siteSigning } from '../providers/site-signing.ts'
import { LONGEST_DELAY_MS } from '../providers/machines/election.ts'
import type { ElectionTiming } from '../providers/machines/election-vocabulary.ts'
import type { Site } from '../site/site.ts'
import type { Config } from './config.ts'
import type { FunctionPlace } from './setting-types.ts'

export interface FunctionPartsComponents {
  readonly self: Self
  readonly site: Site
  readonly log: Logger
  /** How many peers are alive. */
  readonly peers: () => number
  /** This node's own on the LAN now; `undefined`: it is on none. */
  readonly address: () => string | undefined
  /** What is known of the machine. */
  readonly facts: () => Partial<MachineFacts>
  /** What is known of the way to the Internet. */
  readonly internet: () => Pick<MachineState, 'reach' | 'bytesPerSecond'>
}

export interface FunctionParts {
  readonly providers: Providers
  /** How good a provider this machine would be, 1 to 1,000,000. */
  readonly value: () => number
  /** Offers what is configured. */
  start(): void
  /** This node has another address: what is offered elsewhere than there nobody believes, and the log says so. */
  moved(): void
  stop(): void
}

/** @throws Fault CONFIG_INVALID for a place that nobody would believe. */
function mustBeBelieved({ function: name, location }: FunctionPlace, address: string): void {
  const fault = placeFault(location, address)
  if (fault === undefined) return
  throw new Fault('CONFIG_INVALID', `functions.offers: ${name}=${location}: ${fault}`)
}

/** @throws Fault CONFIG_INVALID where every machine would be worth the same. */
function mustCount(weights: Config['functions']['weights']): void {
  if (weights === 'auto' || weights.some(([, counts]) => counts > 0)) return
  throw new Fault('CONFIG_INVALID', 'functions.weights: expected one at least that counts, got none above 0')
}

/** @throws Fault CONFIG_INVALID when `functions.offers` names a place that nobody would believe. */
export function functionParts(config: Config, components: FunctionPartsComponents): FunctionParts {
  const { self, site, log, peers, address, facts, internet } = components
  const { functions, cache } = config
  mustCount(functions.weights)
  const offers = offersOf(config)
  const here = address()
  if (here !== undefined) for (const place of offers) mustBeBelieved(place, here)
  const book = providerBook(join(cache.directory, 'functions.sqlite'))
  const signing = siteSigning(() => site.membership)
  const providers = new Providers(
    {
      self,
      timing: () => timingFor(functions.maxDelayMs, peers()),
      configured: placesOf(functions.providers).map(configuredProvider),
      reserved: [GATEWAY_FUNCTION, CHECKER_FUNCTION],
    },
    { clock: systemClock, random: systemRandom, signing: () => signing, book },
  )
  providers.subscribe((event) => logEvent(log, event))
  const { preference } = functions
  const criteria = machineCriteria(() => ({ ...UNKNOWN, ...facts(), ...internet(), preference }))
  const weights = functions.weights === 'auto' ? WEIGHTS : Object.fromEntries(functions.weights)
  const value = () => criterionValue(criteria, weights)
  const faultOf = (location: string) => {
    const now = address()
    return now === undefined ? 'this machine is on no LAN' : placeFault(location, now)
  }
  const warn = () => {
    for (const { function: name, location } of offers) {
      const fault = faultOf(location)
      if (fault !== undefined)
        log.warn(`functions.offers: ${name}=${location} is not offered to anybody: ${fault}`)
    }
  }
  const offerings: Offering[] = []
  return {
    providers,
    value,
    start() {
      for (const { function: name, location } of offers) {
        const whereBelieved = () => (faultOf(location) === undefined ? location : undefined)
        offerings.push(providers.offer(name, { location: whereBelieved, value }))
      }
      warn()
    },
    moved: warn,
    stop() {
      book.close()
    },
  }
}

const UNKNOWN = { isWired: undefined, isOnMains: undefined, upSeconds: undefined, freeBytes: undefined }

/** The longest delay of a few, in ms, and what each further peer adds: the more may answer, the more time they have. */
const DELAY = { least: 50, perPeer: 8, most: LONGEST_DELAY_MS }

/** What the bounds in docs/providers.md come from. */
function timingFor(maxDelayMs: number | 'auto', peers: number): ElectionTiming {
  const { least, perPeer, most } = DELAY
  const delayMs = maxDelayMs === 'auto' ? Math.min(most, least + perPeer * peers) : maxDelayMs
  return { delayMs, roundTripMs: 200, heartbeatMs: 5000, silenceMs: 21_000, doubtMs: 60_000 }
}

/** What the configuration offers. */
export function offersOf({ functions }: Pick<Config, 'functions'>): readonly FunctionPlace[] {
  return placesOf(functions.offers)
}

function placesOf(places: 'none' | readonly FunctionPlace[]): readonly FunctionPlace[] {
  return places === 'none' ? [] : places
}

function configuredProvider(place: FunctionPlace): Provider {
  return {
    ...place,
    node: '0'.repeat(32) as NodeId,
    member: undefined,
    value: 0,
    term: 0,
    since: systemClock.wall(),
    expires: Infinity as EpochMs,
    source: 'configured',
  }
}

/** Who, why, since when. */
function logEvent(log: Logger, event: FunctionEvent): void {
  switch (event.kind) {
    case 'function-won':
    case 'function-learnt': {
      const { function: name, node, location, value, term, source } = event.provider
      const how = event.kind === 'function-won' ? 'this node provides' : 'another node provides'
      return log.info({ function: name, node, location, value, term, source }, `${name}: ${how}`)
    }
    case 'function-lost':
      return log.info(event, `${event.function}: this node provides no longer: ${event.reason}`)
    case 'function-doubted':
      return log.warn(event, `${event.function}: this node stands behind all others now: ${event.reason}`)
    case 'function-dead': {
      const { function: name, node, location, term } = event.provider
      const { reason } = event
      return log.warn(
        { function: name, node, location, term, reason },
        `${name}: its provider is gone: ${reason}`,
      )
    }
    case 'function-refused':
      return log.debug(event, 'a word about a function was not believed')
  }
}
