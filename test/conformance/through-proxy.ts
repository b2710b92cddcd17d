/**
 * Requests in absolute-form over a forward proxy (RFC 9112 3.2.2), as old user agents send them: nothing is tunnelled,
 * so that the proxy's cache has its say.
 */
import { registerHooks } from 'node:module'
import { fetch, Pool, type Dispatcher } from 'undici'
import type { Fetch } from './suite.ts'

export interface ThroughProxy {
  readonly fetch: Fetch
  readonly dispatcher: Dispatcher
  /** Answers that the proxy did not sign: there must be none. */
  readonly strays: () => readonly string[]
  close(): Promise<void>
}

/** @param proxy `http://host:port`. @param pseudonym the proxy's name in `Via`. */
export function throughProxy(proxy: string, pseudonym: string): ThroughProxy {
  const pool = new Pool(proxy)
  const dispatcher = pool.compose((dispatch) => (options, handler) => {
    const { origin = '', path, headers } = options
    const host = new URL(origin).host
    const named = { ...(headers as Record<string, string>), host }
    return dispatch({ ...options, origin: proxy, path: `${String(origin)}${path}`, headers: named }, handler)
  })
  const strays: string[] = []
  return {
    dispatcher,
    async fetch(url, init) {
      const response = await fetch(url, { dispatcher, ...init })
      if (!isSigned(response.headers, pseudonym)) strays.push(`${response.status} ${url}`)
      return response
    },
    strays: () => strays,
    close: () => pool.destroy(),
  }
}

/** Every answer has passed `Via`, or is an error of the proxy's own. */
function isSigned(headers: { get(name: string): string | null }, pseudonym: string): boolean {
  return [headers.get('via'), headers.get('proxy-status')].some((value) => value?.includes(pseudonym))
}

/**
 * The suite's newest state makes an undici `Agent` of its own for tests with interim responses. It gets one that goes
 * through the proxy like everything else. @returns what undoes it.
 */
export function givingUndici(dispatcher: Dispatcher): () => void {
  const agents = globalThis as { conformanceAgent?: unknown }
  // A plain function: `new` gives what it returns.
  agents.conformanceAgent = function agent() {
    return dispatcher
  }
  const source = 'export const Agent = globalThis.conformanceAgent'
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'undici' && context.parentURL?.endsWith('/client/test.mjs')
        ? { url: `data:text/javascript,${encodeURIComponent(source)}`, shortCircuit: true }
        : next(specifier, context),
  })
  return () => {
    hooks.deregister()
    delete agents.conformanceAgent
  }
}
