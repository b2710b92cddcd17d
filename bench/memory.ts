/** What a cache takes: memory at rest, filled and for each connection, and the time until it serves after its start. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Benchmark, Bound, Figures } from './measure.ts'
import { caches, fileNameOf, IHAVE, SQUID_IN_MEMORY, type Cache } from './parts/caches.ts'
import { contentPath } from './parts/content.ts'
import { startContentOrigin, type ContentOrigin } from './parts/content-origin.ts'
import { download } from './parts/download.ts'
import { eachOf } from './parts/in-turn.ts'
import { residentBytes } from './parts/process-tree.ts'
import type { Proxy } from './parts/proxy.ts'

const OBJECTS = 10_000
const OBJECT_BYTES = 10_240
/** So many that up to 8 MB of garbage, which is not worth a collection to ihave, are 1.6 kB of each at most. */
const CONNECTIONS = 5000
const ROOM = { memoryMegabytes: 256, diskMegabytes: 1000 }
/** For memory that is given back, and work that is put off. */
const SETTLING_MS = 2000
/**
 * Longer than ihave takes to see that it has nothing to do, and to collect its garbage: ten times as long as it had worked (cli/at-rest.ts),
 * which for these requests is a second where processors are slow, and five seconds to the next look.
 */
const COLLECTING_MS = 20_000
const MEGABYTE = 1e6

export const memory: Benchmark = {
  name: 'memory',
  about: `Each cache starts anew. "first request" is the time from the start of its process to a whole response; "at rest" its resident memory two seconds later; "idle connection" what each of ${CONNECTIONS} connections adds that have had one response, read with and without them after the same ${CONNECTIONS} requests and ${COLLECTING_MS / 1000} seconds of rest, so that both times as much garbage is left, by a cache that has started anew for it; "filled" the memory after ${OBJECTS} objects of 10 KiB were fetched and read again. Processes of one cache are added up.`,
  needs: [],
  async *groups(workspace) {
    const { directory, atEnd } = workspace
    const origin = await startContentOrigin()
    atEnd(() => origin.stop())
    const { present, leftOut } = await presentOf(caches(ROOM), join(directory, 'tried'), origin)
    yield {
      name: 'memory and start',
      baseline: SQUID_IN_MEMORY,
      units: { 'first request': 's', 'at rest': 'MB', 'idle connection': 'kB', filled: 'MB' },
      mostRounds: 3,
      cases: present.map((cache) => ({
        name: cache.name,
        run: (round) => measured(cache, join(directory, `${fileNameOf(cache.name)}-${round}`), origin),
      })),
      bounds: [
        promised('first request', 'median', 0.3),
        promised('at rest', 'median', 80),
        promised('idle connection', 'median', 4),
        promised('filled', 'ratio', 1.1),
      ],
      leftOut,
    }
  },
}

function promised(figure: string, of: 'median' | 'ratio', atMost: number): Bound {
  return { promise: figure, case: IHAVE, figure, of, atMost }
}

/** @returns those of `all` that the machine can start. */
async function presentOf(all: readonly Cache[], directory: string, origin: ContentOrigin) {
  const present: Cache[] = []
  const leftOut: string[] = []
  for (const cache of all) {
    const proxy = await cache.start(join(directory, fileNameOf(cache.name)), origin.uri)
    if (proxy === undefined) leftOut.push(cache.name)
    else present.push(cache)
    await proxy?.stop()
  }
  return { present, leftOut }
}

async function measured(cache: Cache, directory: string, origin: ContentOrigin): Promise<Figures> {
  const get = (number: number, { port }: Proxy) =>
    download(`${origin.uri}${contentPath('whole', OBJECT_BYTES, String(number))}`, port)
  const objects = await started(cache, directory, origin, async (proxy) => {
    await get(0, proxy)
    const first = (performance.now() - proxy.startedAt) / 1000
    const rest = await settled(proxy)
    for (const _ of ['fetched', 'read again']) await eachOf(OBJECTS, 16, (number) => get(number, proxy))
    return { first, rest, filled: await settled(proxy) }
  })
  const idle = await started(cache, `${directory}-idle`, origin, (proxy) => perConnection(proxy, origin))
  return {
    'first request': objects.first,
    'at rest': objects.rest / MEGABYTE,
    'idle connection': idle / 1000,
    filled: objects.filled / MEGABYTE,
  }
}

async function started<T>(
  cache: Cache,
  directory: string,
  origin: ContentOrigin,
  measure: (proxy: Proxy) => Promise<T>,
): Promise<T> {
  const proxy = await cache.start(directory, origin.uri)
  if (proxy === undefined) throw new Error(`${cache.name} was here a moment ago`)
  try {
    return await measure(proxy)
  } finally {
    await proxy.stop()
  }
}

async function settled({ pids }: Proxy, settlingMs = SETTLING_MS): Promise<number> {
  await pause(settlingMs)
  return residentBytes(pids)
}

/** @returns the bytes that each adds. */
async function perConnection(proxy: Proxy, origin: ContentOrigin): Promise<number> {
  const path = contentPath('whole', OBJECT_BYTES, '0')
  const afterRequests = async () => {
    await eachOf(CONNECTIONS, 20, () => download(`${origin.uri}${path}`, proxy.port))
    return settled(proxy, COLLECTING_MS)
  }
  const before = await afterRequests()
  const sockets: Socket[] = []
  await eachOf(CONNECTIONS, 20, async () => sockets.push(await connectionWithResponse(proxy, origin, path)))
  const after = await afterRequests()
  for (const socket of sockets) socket.destroy()
  return (after - before) / CONNECTIONS
}

async function connectionWithResponse(
  { form, port }: Proxy,
  origin: ContentOrigin,
  path: string,
): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  const target = form === 'absolute' ? `${origin.uri}${path}` : path
  socket.write(`GET ${target} HTTP/1.1\r\nHost: ${new URL(origin.uri).host}\r\n\r\n`)
  for (let received = 0; received < OBJECT_BYTES;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    received += chunk.length
  }
  return socket
}
