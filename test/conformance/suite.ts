/**
 * The public HTTP cache suite, whichever state of it lies in a directory: the release on npm, or a checkout of its
 * repository, which has since moved its engine into a folder. Nothing of it is changed; it is only told where to send.
 */
import { existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** `check`: how caches behave where neither answer is wrong. */
export type Kind = 'required' | 'optimal' | 'check'

/** One test as the suite describes it; what it does is its own business. */
export interface SuiteTest {
  readonly id: string
  readonly name: string
  readonly kind?: Kind
  readonly depends_on?: readonly string[]
  readonly browser_only?: boolean
  readonly cdn_only?: boolean
  /** Its messages are printed. */
  readonly dump?: boolean
}

export interface SuiteGroup {
  readonly id: string
  readonly name: string
  readonly tests: readonly SuiteTest[]
}

/** What the suite says of a test: that it passed, or the kind of its error and the message. */
export type Verdict = true | readonly [error: string, message: string]

/** Sends as the suite's client wants it, through the proxy. */
export type Fetch = (url: string, init?: object) => Promise<unknown>

export interface Suite {
  readonly groups: readonly SuiteGroup[]
  /** The suite's origin server on 127.0.0.1, listening. */
  serve(): Promise<{ readonly base: string; readonly server: Server }>
  /** Runs these groups, `atOnce` tests side by side. @returns the verdicts by the tests' ids. */
  run(groups: readonly SuiteGroup[], base: string, fetch: Fetch, atOnce: number): Promise<Verdicts>
}

export type Verdicts = Readonly<Record<string, Verdict>>

/** @throws when there is no suite in `directory`. */
export async function openSuite(directory: string): Promise<Suite> {
  const isNew = existsSync(join(directory, 'test-engine'))
  const engine = isNew ? join(directory, 'test-engine') : directory
  const load = (path: string) => import(pathToFileURL(path).href) as Promise<unknown>
  const { default: groups } = (await load(join(directory, 'tests/index.mjs'))) as {
    default: readonly SuiteGroup[]
  }
  const runner = (await load(join(engine, 'client/runner.mjs'))) as Runner
  const handlers = new Map<string, Handler>()
  for (const page of ['config', 'state', 'test']) {
    const module = (await load(join(engine, `server/handle-${page}.mjs`))) as { default: Handler }
    handlers.set(page, module.default)
  }
  return {
    groups,
    serve: () => listening(createServer((request, response) => handle(handlers, request, response))),
    run: (chosen, base, fetch, atOnce) =>
      isNew
        ? runWithGlobal(runner, chosen, base, fetch, atOnce)
        : runWithArgument(runner, chosen, base, fetch, atOnce),
  }
}

interface Runner {
  readonly runTests: (...args: readonly unknown[]) => Promise<void>
  readonly getResults: () => Verdicts
}

type Handler = (path: string[], request: IncomingMessage, response: ServerResponse) => void

function handle(
  handlers: ReadonlyMap<string, Handler>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const [page = '', ...path] = new URL(request.url ?? '', 'http://origin').pathname.split('/').slice(1)
  const handler = handlers.get(page)
  if (handler) return handler(path, request, response)
  response.writeHead(404).end()
}

function listening(server: Server): Promise<{ base: string; server: Server }> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      resolve({ base: `http://127.0.0.1:${port}`, server })
    })
  })
}

/** The release is given its `fetch`. */
async function runWithArgument(
  { runTests, getResults }: Runner,
  groups: readonly SuiteGroup[],
  base: string,
  fetch: Fetch,
  atOnce: number,
): Promise<Verdicts> {
  // It was written for a fetch that takes no notice of `cache`; undici's would add `no-cache` fields of its own.
  const plain: Fetch = (url, init) => fetch(url, { ...init, cache: 'force-cache' })
  await runTests(groups, plain, false, base, atOnce)
  return getResults()
}

/** The newest state calls the global one. */
async function runWithGlobal(
  { runTests, getResults }: Runner,
  groups: readonly SuiteGroup[],
  base: string,
  fetch: Fetch,
  atOnce: number,
): Promise<Verdicts> {
  const original = globalThis.fetch
  Object.assign(globalThis, { fetch })
  try {
    await runTests(groups, false, base, atOnce)
    return getResults()
  } finally {
    Object.assign(globalThis, { fetch: original })
  }
}
