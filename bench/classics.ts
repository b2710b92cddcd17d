/** The five classic questions to a cache (T1 to T5), beside what is usually installed. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Benchmark, Bound, Case, Figures } from './measure.ts'
import { aptCacherNg } from './parts/apt-cacher-ng.ts'
import { fileNameOf, IHAVE, ihave, startAll, type Cache } from './parts/caches.ts'
import { contentPath } from './parts/content.ts'
import { startContentOrigin, type ContentOrigin } from './parts/content-origin.ts'
import { download } from './parts/download.ts'
import { nginx } from './parts/nginx.ts'
import { squid } from './parts/squid.ts'

const MEGABYTE = 1_000_000
const BYTES_PER_SECOND = 8 * MEGABYTE
const JOIN_AFTER_MS = 1500
const ROOM = { memoryMegabytes: 256, diskMegabytes: 2000 }
/** A cache that fetches for itself, without a client, is done when the origin server has sent nothing for so long. */
const QUIET_MS = 1000

export const classics: Benchmark = {
  name: 'classics',
  about:
    'An origin server at 8 MB/s. T1: a second client asks 1.5 s after the first for the same 40 MB, time to its first byte. T2: four clients at once, 40 MB; T3: the first megabyte of 20 MB twice, then the ninth twice; T4: a client goes away after 5 MB of 20 MB, another asks for all: each time, what the origin server sent. T5: 200 MB that are stored, read by one client in Node.',
  needs: [],
  async *groups(workspace) {
    const origin = await startContentOrigin()
    workspace.atEnd(() => origin.stop())
    const { started, leftOut } = await startAll(CACHES, workspace, origin.uri)
    const cases = started.map(({ name, proxy }): Case => ({
      name,
      run: (round) => asked(origin, proxy.port, `${fileNameOf(name)}-${round}`),
    }))
    const units = { T1: 'ms', T2: 'MB', T3: 'MB', T4: 'MB', T5: 's' }
    const bounds = [promised('T1', 20), promised('T2', 40.1), promised('T3', 2.1), promised('T4', 20.1)]
    yield { name: 'T1 to T5', baseline: SQUID, units, mostRounds: 3, cases, bounds, leftOut }
  },
}

const SQUID = 'Squid'

/** Fetches the whole of what is asked for in part, goes on without clients, and fetches once for many. */
const TUNED = ['collapsed_forwarding on', 'range_offset_limit none', 'quick_abort_min -1 KB']
const LOCKED = [
  'proxy_cache_key $uri;',
  'proxy_cache_lock on; proxy_cache_lock_timeout 60s; proxy_cache_lock_age 60s;',
]
const SLICED = [
  'slice 1000000; proxy_cache_key $uri$slice_range; proxy_set_header Range $slice_range; proxy_cache_lock on;',
]

const CACHES: readonly Cache[] = [
  { name: SQUID, start: (directory) => squid(directory, { ...ROOM, isCaching: true }) },
  {
    name: 'Squid, tuned',
    start: (directory) => squid(directory, { ...ROOM, isCaching: true, lines: TUNED }),
  },
  { name: 'nginx, lock', start: (directory, origin) => nginx(directory, origin, ROOM.diskMegabytes, LOCKED) },
  {
    name: 'nginx, slices',
    start: (directory, origin) => nginx(directory, origin, ROOM.diskMegabytes, SLICED),
  },
  { name: 'apt-cacher-ng', start: aptCacherNg },
  { name: IHAVE, start: (directory) => ihave(directory) },
]

function promised(figure: string, atMost: number): Bound {
  return { promise: figure, case: IHAVE, figure, of: 'median', atMost }
}

async function asked(origin: ContentOrigin, port: number, name: string): Promise<Figures> {
  /** Looks like a package's, since apt-cacher-ng takes nothing else. */
  const uriOf = (test: string, megabytes: number) =>
    `${origin.uri}${contentPath('whole', megabytes * MEGABYTE, `pool/main/b/bench/${test}-${name}_1.0_amd64.deb`)}`
  origin.setSpeed(BYTES_PER_SECOND)
  const T1 = await joining(port, uriOf('t1', 40))
  await sentMegabytes(origin)
  await Promise.all([1, 2, 3, 4].map(() => download(uriOf('t2', 40), port)))
  const T2 = await sentMegabytes(origin)
  for (const range of ['bytes=0-999999', 'bytes=0-999999', 'bytes=8000000-8999999', 'bytes=8000000-8999999'])
    await download(uriOf('t3', 20), port, { range })
  const T3 = await sentMegabytes(origin)
  await download(uriOf('t4', 20), port, { abortAfterBytes: 5 * MEGABYTE })
  await pause(QUIET_MS)
  await download(uriOf('t4', 20), port)
  const T4 = await sentMegabytes(origin)
  origin.setSpeed(0)
  await download(uriOf('t5', 200), port)
  const { totalMs } = await download(uriOf('t5', 200), port)
  return { T1, T2, T3, T4, T5: totalMs / 1000 }
}

/** @returns ms until the second client's first byte. */
async function joining(port: number, uri: string): Promise<number> {
  const first = download(uri, port)
  await pause(JOIN_AFTER_MS)
  const { firstByteMs } = await download(uri, port)
  await first
  return firstByteMs
}

/** @returns what the origin server has sent since the last call, when it sends no more. */
async function sentMegabytes(origin: ContentOrigin): Promise<number> {
  let all = 0
  for (;;) {
    await pause(QUIET_MS)
    const { bytes } = await origin.counts()
    all += bytes
    if (bytes === 0) return all / MEGABYTE
  }
}
