/** Two hundred clients ask for one large object that no cache has. */
import { median, type Benchmark, type Figures } from './measure.ts'
import { collapsingCaches, fileNameOf, IHAVE, SQUID_ON_DISK, startAll } from './parts/caches.ts'
import { contentPath } from './parts/content.ts'
import { startContentOrigin, type ContentOrigin } from './parts/content-origin.ts'
import type { Proxy } from './parts/proxy.ts'
import { swarm } from './parts/swarm.ts'

const CLIENTS = 200
const BYTES = 20_000_000
const BYTES_PER_SECOND = 20_000_000

export const crowd: Benchmark = {
  name: 'crowd',
  about: `${CLIENTS} clients ask at the same moment for one object of ${BYTES / 1e6} MB that no cache has, from an origin server that sends ${BYTES_PER_SECOND / 1e6} MB/s. "last byte" is that of the last client, as a multiple of the time that the origin server needs for one copy; "fetched" is how many copies it sent. Every cache is told to fetch once for many where it has a setting for that.`,
  needs: ['python3'],
  async *groups(workspace) {
    const origin = await startContentOrigin()
    workspace.atEnd(() => origin.stop())
    origin.setSpeed(BYTES_PER_SECOND)
    const room = { memoryMegabytes: 500, diskMegabytes: 2000 }
    const { started, leftOut } = await startAll(collapsingCaches(room), workspace, origin.uri)
    yield {
      name: `${CLIENTS} clients`,
      baseline: SQUID_ON_DISK,
      units: {
        'first byte': 'ms, median',
        'last first byte': 'ms',
        'last byte': '× origin',
        fetched: 'copies',
      },
      mostRounds: 5,
      cases: started.map(({ name, proxy }) => ({
        name,
        run: (round) => asked(origin, proxy, `${fileNameOf(name)}-${round}`),
      })),
      bounds: [
        { promise: 'first byte', case: IHAVE, figure: 'first byte', of: 'median', atMost: 50 },
        { promise: 'last byte', case: IHAVE, figure: 'last byte', of: 'median', atMost: 1.15 },
        { promise: 'one fetch', case: IHAVE, figure: 'fetched', of: 'median', atMost: 1 },
      ],
      leftOut,
    }
  },
}

async function asked(origin: ContentOrigin, { form, port }: Proxy, name: string): Promise<Figures> {
  const path = contentPath('whole', BYTES, name)
  const target = form === 'absolute' ? `${origin.uri}${path}` : path
  const head = `GET ${target} HTTP/1.1\r\nHost: ${new URL(origin.uri).host}\r\nConnection: close\r\n\r\n`
  await origin.counts()
  const results = await swarm({ port, head, clients: CLIENTS, bytes: BYTES })
  const last = Math.max(...results.map(({ lastByteMs }) => lastByteMs))
  return {
    'first byte': median(results.map(({ firstByteMs }) => firstByteMs)),
    'last first byte': Math.max(...results.map(({ firstByteMs }) => firstByteMs)),
    'last byte': last / ((BYTES / BYTES_PER_SECOND) * 1000),
    fetched: (await origin.counts()).bytes / BYTES,
  }
}
