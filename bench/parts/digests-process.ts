/**
 * Reads an index as a node does, and prints what it took: `node digests-process.ts lists APT.CONF`, or `… passing PACKAGES.XZ`.
 * A process of its own, because the memory that one reading has taken is there for the next one.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { memoryStore } from '../../cache/memory-store.ts'
import { systemClock } from '../../core/clock.ts'
import { parseTargetUri } from '../../core/target-uri.ts'
import { digestRecords } from '../../verify/digest-records.ts'
import { gatheredIndexes } from '../../verify/gathered-indexes.ts'
import { verifierLadder } from '../../verify/ladder.ts'

/** Bytes that one reading may take, as stored and when unpacked; digests in all. As a node has it. */
const MOST = { maxWaitMs: 400, maxStoredBytes: 2 ** 28, maxDecodedBytes: 2 ** 30 }
const MAX_DIGESTS = 500_000

const TICKS_PER_SECOND = 100

const [mode = '', path = ''] = process.argv.slice(2)
const prepared = mode === 'lists' ? ownLists() : await passing()
globalThis.gc?.()
const before = process.memoryUsage().rss
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const began = performance.now()
const spentBefore = processorTicks()
const digests = await prepared()
const time = performance.now() - began
// Of the programs that unpack, what has ended by now.
const processor = (processorTicks() - spentBefore) / TICKS_PER_SECOND
delay.disable()
const memory = process.resourceUsage().maxRSS * 1024 - before
console.log(
  JSON.stringify({
    digests,
    time: time / 1000,
    processor,
    memory: memory / 1e6,
    pause: delay.percentile(99) / 1e6,
  }),
)
process.exit()

/** Of this process and of those that it has started and that have ended: user and system (proc(5), 14 to 17). */
function processorTicks(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, each) => sum + Number(each), 0)
}

function ownLists(): () => Promise<number> {
  const read = Promise.withResolvers<number>()
  const verifier = verifierLadder(
    { apt: path },
    {
      clock: systemClock,
      log: (event) =>
        event.kind === 'apt-lists-read' ? read.resolve(event.digests) : read.reject(new Error(event.kind)),
    },
  )
  return async () => {
    await verifier.start()
    return read.promise
  }
}

/** What has come from the origin server is in the store already; of that, the memory is not counted. */
async function passing(): Promise<() => Promise<number>> {
  const bytes = readFileSync(path)
  const store = memoryStore({ maxBytes: 4 * bytes.length, clock: systemClock })
  const uri = parseTargetUri('http://127.0.0.1:1/debian/dists/x/main/binary-amd64/Packages.xz')
  if (uri === undefined) throw new Error('no URI')
  const records = digestRecords(
    { path: join(path, '../digests.sqlite'), maxDigests: MAX_DIGESTS },
    { onDamage: (reason) => console.error(reason) },
  )
  const read = Promise.withResolvers<number>()
  const gathered = gatheredIndexes(MOST, {
    clock: systemClock,
    store,
    records,
    grantFor: () => ({ id: '', includes: () => false }),
    log: (event) =>
      event.kind === 'index-read' ? read.resolve(event.digests) : read.reject(new Error(event.reason)),
  })
  return async () => {
    gathered.start()
    const copy = await store.create(bytes.length)
    copy.setSize(bytes.length)
    await copy.write(0, bytes)
    const now = systemClock.wall()
    const head = { uri, selecting: [], status: 200, fields: [], requestTime: now, responseTime: now }
    await store.commit(copy, { ...head, source: 'internet', shareable: true })
    return read.promise
  }
}
