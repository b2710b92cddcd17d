/** The disk store: starting, looking up, writing, reading, and following a body while it grows. */
import { mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { diskStore } from '../cache/disk-store.ts'
import { IndexDatabase } from '../cache/index-database.ts'
import { systemClock } from '../core/clock.ts'
import type { Place } from '../cache/place.ts'
import type { Sha256 } from '../core/digest.ts'
import { seededRandom, systemRandom } from '../core/random.ts'
import type { Store } from '../core/store.ts'
import { headOf, MIB, uriOf } from '../test/cache/store-fixtures.ts'
import { elapsedMs, median, type Benchmark, type Figures, type Group } from './measure.ts'

const ROWS = 100_000
/** A tenth of the bodies have files of their own. */
const ROWS_PER_FILE = 10
const BODY_BYTES = 70_000
const BODIES_PER_SEGMENT = 900
const LARGE_MIB = 512

export const store: Benchmark = {
  name: 'store',
  about: `The disk store with ${ROWS} responses: its start (R7.2: under one second), its operations, 100 readers that follow one writer, and a body of ${LARGE_MIB} MiB, whose size memory must not follow (R7.4).`,
  needs: [],
  async *groups({ directory, atEnd }) {
    const open = () =>
      diskStore({ directory, maxBytes: 1024 * 1024 * MIB }, { clock: systemClock, random: systemRandom })
    yield filling(directory)
    yield starting(open)
    const opened = open()
    await opened.start()
    atEnd(() => opened.stop())
    yield operations(opened)
    yield following(opened)
    yield largeBody(opened)
  },
}

function filling(directory: string): Group {
  const run = async () => {
    const path = join(directory, 'index.sqlite')
    const index = new IndexDatabase(path, () => {})
    index.open(() => {})
    const ms = await elapsedMs(() => insertRows(index))
    writeEmptyBodies(index, directory)
    index.close()
    return { 'one row': (ms / ROWS) * 1000, 'size of the index': statSync(path).size / MIB }
  }
  const units = { 'one row': 'µs', 'size of the index': 'MiB' }
  const name = `insert ${ROWS} rows`
  return { name: 'filling the index', baseline: name, units, mostRounds: 1, cases: [{ name, run }] }
}

function insertRows(index: IndexDatabase): void {
  const random = seededRandom(1)
  for (let row = 0; row < ROWS; row += 1) {
    const body = { size: BODY_BYTES, sha256: random.hex(32) as Sha256, pieces: new Uint8Array() }
    index.insert(headOf(`pool/main/p/package-${row}_1.0_amd64.deb`), { ...body, place: placeOf(row) })
  }
}

function placeOf(row: number): Place | undefined {
  if (row % ROWS_PER_FILE === 0) return undefined
  const start = (row % BODIES_PER_SEGMENT) * BODY_BYTES
  return { segment: 1 + Math.floor(row / BODIES_PER_SEGMENT), start }
}

/** A start must not read bodies, so files may be empty, and segments without a byte that was written. */
function writeEmptyBodies(index: IndexDatabase, directory: string): void {
  for (const { digest } of index.bodiesFrom('')) {
    mkdirSync(join(directory, 'bodies', digest.slice(0, 2)), { recursive: true })
    writeFileSync(join(directory, 'bodies', digest.slice(0, 2), digest), '')
  }
  mkdirSync(join(directory, 'segments'))
  for (const { segment } of index.segments()) {
    const path = join(directory, 'segments', String(segment))
    writeFileSync(path, '')
    truncateSync(path, BODIES_PER_SEGMENT * BODY_BYTES)
  }
}

function starting(open: () => Store): Group {
  const name = `start with ${ROWS} responses`
  const run = async () => {
    const opened = open()
    const start = await elapsedMs(() => opened.start())
    return { start, stop: await elapsedMs(() => opened.stop()) }
  }
  const bounds = [{ promise: 'R7.2', case: name, figure: 'start', of: 'median', atMost: 1000 }] as const
  const units = { start: 'ms', stop: 'ms' }
  return { name: 'start and stop', baseline: name, units, cases: [{ name, run }], bounds }
}

function operations(opened: Store): Group {
  const lookUp = (first: number) => async () => {
    const names = Array.from(
      { length: 5000 },
      (_, at) => `pool/main/p/package-${first + at * 3}_1.0_amd64.deb`,
    )
    const uris = names.map(uriOf)
    return { time: ((await elapsedMs(() => uris.forEach((uri) => opened.lookup(uri)))) * 1000) / uris.length }
  }
  return {
    name: 'operations',
    baseline: 'look up a URI again',
    units: { time: 'µs' },
    cases: [
      { name: 'look up a URI of many', run: (round) => lookUp((round * 15_000) % 75_000)() },
      { name: 'look up a URI again', run: lookUp(0) },
      { name: 'store a body of 64 KiB', run: (round) => storeSmall(opened, round) },
      { name: 'store a body of 10 KiB among 64 others', run: (round) => storeTogether(opened, round) },
      { name: 'read a body of 64 KiB, hot', run: () => readSmall(opened) },
    ],
  }
}

async function storeSmall(opened: Store, round: number): Promise<Figures> {
  const count = 300
  const bytes = Buffer.alloc(64 * 1024, 7)
  const ms = await elapsedMs(async () => {
    for (let number = 0; number < count; number += 1) {
      bytes.writeUInt32LE(round * count + number)
      await write(opened, `small/${round}/${number}`, [bytes])
    }
  })
  return { time: (ms * 1000) / count }
}

async function storeTogether(opened: Store, round: number): Promise<Figures> {
  const count = 64 * 30
  const storeOne = async (number: number) => {
    const bytes = Buffer.alloc(10 * 1024, 5)
    bytes.writeUInt32LE(round * count + number)
    await write(opened, `together/${round}/${number}`, [bytes])
  }
  const storeEvery64th = async (first: number) => {
    for (let number = first; number < count; number += 64) await storeOne(number)
  }
  const ms = await elapsedMs(() =>
    Promise.all(Array.from({ length: 64 }, (_, first) => storeEvery64th(first))),
  )
  return { time: (ms * 1000) / count }
}

async function readSmall(opened: Store): Promise<Figures> {
  const count = 2000
  await write(opened, 'hot', [Buffer.alloc(64 * 1024, 9)])
  const ms = await elapsedMs(async () => {
    for (let number = 0; number < count; number += 1) await read(opened, 'hot')
  })
  return { time: (ms * 1000) / count }
}

function following(opened: Store): Group {
  const name = 'one write of 16 KiB'
  const units = { 'to the last reader, median': 'ms', 'to the last reader, 99th': 'ms' }
  const cases = [{ name, run: () => followWrites(opened) }]
  return { name: '100 readers wait at the tail of a growing body', baseline: name, units, cases }
}

/** How long after a write began does the last of the readers have its bytes? */
async function followWrites(opened: Store): Promise<Figures> {
  const copy = await opened.create()
  copy.release(Infinity)
  const span = { start: 0, end: Infinity }
  const readers = Array.from({ length: 100 }, () => copy.read(span)[Symbol.asyncIterator]())
  const delays: number[] = []
  for (let turn = 0; turn < 200; turn += 1) {
    const waiting = Promise.all(readers.map((reader) => reader.next()))
    await new Promise((resolve) => setImmediate(resolve))
    const written = elapsedMs(() => waiting)
    await copy.write(turn * 16_384, Buffer.alloc(16_384, turn))
    delays.push(await written)
  }
  await copy.discard()
  const sorted = delays.toSorted((one, other) => one - other)
  return { 'to the last reader, median': median(delays), 'to the last reader, 99th': sorted[198] ?? NaN }
}

function largeBody(opened: Store): Group {
  const name = `${LARGE_MIB} MiB`
  const units = { written: 'MiB/s', read: 'MiB/s', 'memory that it took': 'MiB' }
  const cases = [{ name, run: () => writeAndRead(opened) }]
  return { name: 'a large body', baseline: name, units, cases, mostRounds: 3 }
}

async function writeAndRead(opened: Store): Promise<Figures> {
  const before = process.memoryUsage().rss
  const writing = await elapsedMs(() => write(opened, 'large', largeChunks()))
  const reading = await elapsedMs(() => read(opened, 'large'))
  return {
    written: LARGE_MIB / (writing / 1000),
    read: LARGE_MIB / (reading / 1000),
    'memory that it took': Math.max(0, process.memoryUsage().rss - before) / MIB,
  }
}

function* largeChunks(): Generator<Uint8Array> {
  const chunk = Buffer.alloc(MIB)
  for (let at = 0; at < MIB; at += 4) chunk.writeUInt32LE((at * 2654435761) >>> 0, at)
  for (let number = 0; number < LARGE_MIB; number += 1) {
    chunk.writeUInt32LE(number)
    yield chunk
  }
}

async function write(opened: Store, name: string, chunks: Iterable<Uint8Array>): Promise<void> {
  const copy = await opened.create()
  let at = 0
  for (const chunk of chunks) {
    await copy.write(at, chunk)
    at += chunk.length
  }
  copy.setSize(at)
  await opened.commit(copy, headOf(name))
}

async function read(opened: Store, name: string): Promise<void> {
  const [response] = opened.lookup(uriOf(name))
  if (response === undefined) throw new Error(`${name} was just stored`)
  for await (const _ of opened.read(response, { start: 0, end: Infinity }));
}
