/**
 * The two parts of undici that are used here. The whole, with fetch, caches and mocks, takes another 14 MB, and 50 ms at
 * each start.
 */
import type * as Undici from 'undici'
import { onDemand } from '../core/on-demand.ts'

const whole = onDemand('undici') as () => typeof Undici

/** A client of one server, without a pool. */
export const UndiciClient = (part('undici/lib/dispatcher/client.js') ??
  whole().Client) as typeof Undici.Client

/** Makes what opens connections. */
export const undiciConnector = (part('undici/lib/core/connect.js') ??
  whole().buildConnector) as typeof Undici.buildConnector

/** @returns nothing where a version of undici keeps it in another place. */
function part(path: string): unknown {
  try {
    return onDemand(path)()
  } catch {
    return undefined
  }
}
