/**
 * The three parts of undici that a fetcher uses. The whole, with fetch, caches, mocks and WebSocket, is most of what the thread of an
 * update loads: 60 ms of processor time at each check, and 8 MB.
 */
import type * as Undici from 'undici'
import { onDemand } from '../../core/on-demand.ts'

const whole = onDemand('undici') as () => typeof Undici

/** Connections to origin servers, and through a proxy. */
export const Agent = (part('undici/lib/dispatcher/agent.js') ?? whole().Agent) as typeof Undici.Agent
export const ProxyAgent = (part('undici/lib/dispatcher/proxy-agent.js') ??
  whole().ProxyAgent) as typeof Undici.ProxyAgent

/** A request on one of them, until its head is there. */
// oxlint-disable-next-line typescript/unbound-method -- it is called on a dispatcher
export const requestOn = (part('undici/lib/api/api-request.js') ?? whole().Dispatcher.prototype.request) as (
  this: Undici.Dispatcher,
  options: Undici.Dispatcher.RequestOptions,
) => Promise<Undici.Dispatcher.ResponseData>

/** @returns nothing where a version of undici keeps it in another place. */
function part(path: string): unknown {
  try {
    return onDemand(path)()
  } catch {
    return undefined
  }
}
