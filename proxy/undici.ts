/**
 * The two parts of undici that are used here: its client and its connector, for HTTP/1.1. Fetch, caches, mocks and above
 * all HTTP/2 would take another 25 MB, and 100 ms at each start.
 */
import { createRequire, Module } from 'node:module'
import type * as Undici from 'undici'

const load = createRequire(import.meta.url)

/** A client of one server, without a pool. It must be told `allowH2: false`. */
export const UndiciClient = (part('client.js') ?? whole().Client) as typeof Undici.Client

/** Makes what opens connections. */
export const undiciConnector = (part('../core/connect.js') ??
  whole().buildConnector) as typeof Undici.buildConnector

/** @returns nothing where a version of undici keeps it in another place. */
function part(path: string): unknown {
  try {
    return withoutHttp2(() => load(`undici/lib/dispatcher/${path}`))
  } catch {
    return undefined
  }
}

/** The client requires its half for HTTP/2, which it never calls, and with it Node's: an empty module is there instead. */
function withoutHttp2(work: () => unknown): unknown {
  const path = load.resolve('undici/lib/dispatcher/client-h2.js')
  const known = load.cache[path]
  load.cache[path] ??= Object.assign(new Module(path), { loaded: true })
  try {
    return work()
  } finally {
    if (known === undefined) delete load.cache[path]
  }
}

function whole(): typeof Undici {
  return load('undici') as typeof Undici
}
