/** A large body out of the cache (T5), beside the caches that are installed. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join as path } from 'node:path'
import { bytesOf } from '../test/cache/store-fixtures.ts'
import type { Benchmark, Case } from './measure.ts'
import { ihave } from './parts/caches.ts'
import { download } from './parts/download.ts'
import { startOrigin } from './parts/origin.ts'
import { nginx } from './parts/nginx.ts'
import type { Proxy } from './parts/proxy.ts'
import { squid } from './parts/squid.ts'

const BYTES = 200_000_000
const FILE = 'one/pool/main/l/large/large_1.0_amd64.deb'

export const hit: Benchmark = {
  name: 'hit',
  about: 'A stored body of 200 MB, read by one client (T5). The client is Node’s, the same for all.',
  needs: [],
  async *groups({ directory, atEnd }) {
    const root = path(directory, 'files')
    writeLarge(root)
    const origin = await startOrigin({ root, bytesPerSecond: 0 })
    atEnd(() => origin.stop())
    const present: { readonly name: string; readonly proxy: Proxy }[] = []
    const add = (name: string, proxy: Proxy | undefined) => {
      if (proxy === undefined) return
      atEnd(() => proxy.stop())
      present.push({ name, proxy })
    }
    add('ihave', await ihave(path(directory, 'ihave')))
    add('nginx', await nginx(path(directory, 'nginx'), origin.uri, 2000))
    add(
      'squid',
      await squid(path(directory, 'squid'), { memoryMegabytes: 64, diskMegabytes: 1000, isCaching: true }),
    )
    const uri = `${origin.uri}/${FILE}`
    for (const { proxy } of present) await download(uri, proxy.port)
    yield {
      name: '200 MB out of the cache',
      baseline: present.some(({ name }) => name === 'nginx') ? 'nginx' : 'ihave',
      units: { 'first byte': 'ms', total: 'ms' },
      cases: present.map(({ name, proxy }) => hitCase(name, proxy, uri)),
    }
  },
}

function writeLarge(root: string): void {
  const file = path(root, FILE.replace('one/', ''))
  mkdirSync(path(file, '..'), { recursive: true })
  writeFileSync(file, bytesOf(BYTES, 5))
}

function hitCase(name: string, { port }: Proxy, uri: string): Case {
  const run = async () => {
    const { firstByteMs, totalMs } = await download(uri, port)
    return { 'first byte': firstByteMs, total: totalMs }
  }
  return { name, run }
}
