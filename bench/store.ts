/**
 * Measures the disk store: start with 100,000 responses (R7.2: under one second), look-ups, the delay between a write
 * and its reader, and reading and writing a large body (R7.4: memory must not follow its size). It exists to notice
 * regressions; compare runs on one machine. Usage: `node bench/store.ts [MiB of the large body, 512]`.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { diskStore } from '../cache/disk-store.ts'
import { IndexDatabase } from '../cache/index-database.ts'
import { systemClock } from '../core/clock.ts'
import type { Sha256 } from '../core/digest.ts'
import { seededRandom, systemRandom } from '../core/random.ts'
import type { Store } from '../core/store.ts'
import { headOf, MIB, uriOf } from '../test/cache/store-fixtures.ts'

const ROWS = 100_000
const largeMiB = Number(process.argv[2] ?? 512)
const directory = mkdtempSync(join(tmpdir(), 'ihave-bench-'))
const open = () =>
  diskStore({ directory, maxBytes: 1024 * 1024 * MIB }, { clock: systemClock, random: systemRandom })

try {
  fillIndex()
  await measureStart()
  const store = open()
  await store.start()
  measureLookups(store)
  await measureSmallBodies(store)
  await measureTail(store)
  await measureLargeBody(store)
  await store.stop()
} finally {
  rmSync(directory, { recursive: true, force: true })
}

/** Rows with empty files as bodies: a start must not read them. */
function fillIndex(): void {
  const path = join(directory, 'index.sqlite')
  const index = new IndexDatabase(path, () => {})
  const random = seededRandom(1)
  index.open(() => {})
  const seconds = timed(() => {
    for (let row = 0; row < ROWS; row += 1) {
      const sha256 = random.hex(32) as Sha256
      index.insert(headOf(`pool/main/p/package-${row}_1.0_amd64.deb`), {
        size: 70_000,
        sha256,
        pieces: Buffer.from(sha256, 'hex'),
      })
    }
  })
  for (const digest of index.digestsFrom('')) {
    mkdirSync(join(directory, 'bodies', digest.slice(0, 2)), { recursive: true })
    writeFileSync(join(directory, 'bodies', digest.slice(0, 2), digest), '')
  }
  index.close()
  report('insert a row', (seconds / ROWS) * 1e6, 'µs')
  report('size of the index', statSync(path).size / MIB, 'MiB')
}

async function measureStart(): Promise<void> {
  const store = open()
  report(`start with ${ROWS} rows`, (await timedAsync(() => store.start())) * 1000, 'ms')
  report('stop', (await timedAsync(() => store.stop())) * 1000, 'ms')
}

function measureLookups(store: Store): void {
  const uris = Array.from({ length: 20_000 }, (_, n) => uriOf(`pool/main/p/package-${n * 3}_1.0_amd64.deb`))
  for (const kind of ['first', 'second']) {
    const seconds = timed(() => uris.slice(0, 5000).forEach((uri) => store.lookup(uri)))
    report(`${kind} look-up of a URI`, (seconds / 5000) * 1e6, 'µs')
  }
}

async function measureSmallBodies(store: Store): Promise<void> {
  const count = 300
  const bytes = Buffer.alloc(64 * 1024, 7)
  const seconds = await timedAsync(async () => {
    for (let number = 0; number < count; number += 1) {
      bytes.writeUInt32LE(number)
      await write(store, `small/${number}`, [bytes])
    }
  })
  report('store a body of 64 KiB', (seconds / count) * 1000, 'ms')
  const [response] = store.lookup(uriOf('small/0'))
  if (response === undefined) throw new Error('it was just stored')
  const reading = await timedAsync(async () => {
    for (let number = 0; number < 5000; number += 1)
      await drain(store.read(response, { start: 0, end: Infinity }))
  })
  report('read it, hot', (reading / 5000) * 1e6, 'µs')
}

/** 100 readers wait at the tail: how long after the write does the last one have its bytes? */
async function measureTail(store: Store): Promise<void> {
  const copy = await store.create()
  copy.release(Infinity)
  const readers = Array.from({ length: 100 }, () =>
    copy.read({ start: 0, end: Infinity })[Symbol.asyncIterator](),
  )
  const delays: number[] = []
  for (let round = 0; round < 200; round += 1) {
    const waiting = Promise.all(readers.map((reader) => reader.next()))
    await new Promise((resolve) => setImmediate(resolve))
    await copy.write(round * 16_384, Buffer.alloc(16_384, round))
    const written = performance.now()
    await waiting
    delays.push(performance.now() - written)
  }
  await copy.discard()
  const sorted = delays.toSorted((one, other) => one - other)
  report('write to last of 100 readers, median', sorted[100] ?? 0, 'ms')
  report('write to last of 100 readers, 99th', sorted[198] ?? 0, 'ms')
}

async function measureLargeBody(store: Store): Promise<void> {
  const chunk = Buffer.alloc(MIB)
  for (let at = 0; at < MIB; at += 4) chunk.writeUInt32LE((at * 2654435761) >>> 0, at)
  function* chunks() {
    for (let number = 0; number < largeMiB; number += 1) {
      chunk.writeUInt32LE(number)
      yield chunk
    }
  }
  const before = process.memoryUsage().rss
  report(
    `write ${largeMiB} MiB`,
    largeMiB / (await timedAsync(() => write(store, 'large', chunks()))),
    'MiB/s',
  )
  const [response] = store.lookup(uriOf('large'))
  if (response === undefined) throw new Error('it was just stored')
  for (const kind of ['first', 'second']) {
    const seconds = await timedAsync(() => drain(store.read(response, { start: 0, end: Infinity })))
    report(`read them, ${kind} time`, largeMiB / seconds, 'MiB/s')
  }
  report('memory that this took', (process.memoryUsage().rss - before) / MIB, 'MiB')
}

async function write(store: Store, name: string, chunks: Iterable<Uint8Array>): Promise<void> {
  const copy = await store.create()
  let at = 0
  for (const chunk of chunks) {
    await copy.write(at, chunk)
    at += chunk.length
  }
  copy.setSize(at)
  await store.commit(copy, headOf(name))
}

async function drain(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}

function timed(work: () => void): number {
  const start = performance.now()
  work()
  return (performance.now() - start) / 1000
}

async function timedAsync(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

function report(what: string, value: number, unit: string): void {
  console.log(`${what.padEnd(40)} ${value.toFixed(value < 10 ? 3 : 1).padStart(10)} ${unit}`)
}
