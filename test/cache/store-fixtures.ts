/** What the tests of the stores have in common. */
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { TestContext } from 'node:test'
import { type EpochMs, systemClock } from '../../core/clock.ts'
import { Fault, type FaultCode } from '../../core/fault.ts'
import { systemRandom } from '../../core/random.ts'
import type { ResponseHead, Store, StoredResponse } from '../../core/store.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import { type DiskStoreSettings, diskStore } from '../../cache/disk-store.ts'
import type { StoreLogEvent } from '../../cache/store-log.ts'

export const MIB = 1024 * 1024

export function uriOf(name: string): TargetUri {
  return `http://updates.example/${name}` as TargetUri
}

export function headOf(name: string, changes: Partial<ResponseHead> = {}): ResponseHead {
  return {
    uri: uriOf(name),
    selecting: [],
    status: 200,
    fields: [['Content-Type', 'application/octet-stream']],
    requestTime: 1000 as EpochMs,
    responseTime: 2000 as EpochMs,
    source: 'internet',
    shareable: true,
    ...changes,
  }
}

/** `length` bytes that depend on `seed` and never repeat within a piece. */
export function bytesOf(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed >>> 0 || 1
  for (let at = 0; at < length; at += 1) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[at] = state
  }
  return bytes
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await all(chunks))
}

export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

export function readAll(store: Store, response: StoredResponse): Promise<Buffer> {
  return collect(store.read(response, { start: 0, end: response.size }))
}

/** Stores `bytes` in one write. */
export async function put(
  store: Store,
  name: string,
  bytes: Uint8Array,
  changes: Partial<ResponseHead> = {},
): Promise<StoredResponse> {
  const copy = await store.create(bytes.length)
  await copy.write(0, bytes)
  copy.setSize(bytes.length)
  return store.commit(copy, headOf(name, changes))
}

/** Gives everything that is ready its turn, without waiting for any time to pass. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** For `assert.throws` and `assert.rejects`: is it the fault with this code? */
export function fault(code: FaultCode): (error: unknown) => boolean {
  return (error) => error instanceof Fault && error.code === code
}

export function temporaryDirectory(test: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'ihave-store-'))
  test.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A started disk store that is stopped after the test, with the events that it logged. */
export async function openDiskStore(
  test: TestContext,
  settings: Partial<DiskStoreSettings> & { readonly directory: string },
): Promise<{ store: Store; events: StoreLogEvent[] }> {
  const events: StoreLogEvent[] = []
  const store = diskStore(
    { maxBytes: 64 * MIB, ...settings },
    { clock: systemClock, random: systemRandom, log: (event) => events.push(event) },
  )
  await store.start()
  test.after(() => store.stop())
  return { store, events }
}

/** Gives real input and output their turns until `isSo`; fails after very many. */
export async function until(isSo: () => boolean, mostTurns = 100_000): Promise<void> {
  for (let turn = 0; !isSo(); turn += 1) {
    if (turn > mostTurns) throw new Error('it did not become so')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The file in which the body of this response lies, and from which byte on; what damages bodies knows of it. */
export function whereIs(directory: string, response: StoredResponse): { path: string; start: number } {
  const found = places(directory, [response])[0]
  if (found === undefined) throw new Error(`${response.digest} is in no file`)
  return found
}

/** As the index has it, of which a copy is read: the store alone may open it. */
function places(directory: string, responses: readonly StoredResponse[]): { path: string; start: number }[] {
  const copied = mkdtempSync(join(tmpdir(), 'ihave-index-'))
  for (const name of ['index.sqlite', 'index.sqlite-wal'])
    if (existsSync(join(directory, name))) copyFileSync(join(directory, name), join(copied, name))
  const database = new DatabaseSync(join(copied, 'index.sqlite'))
  const find = database.prepare('SELECT segment, start FROM bodies WHERE digest = ?')
  const found = responses.flatMap(({ digest }) => {
    const row = find.get(digest)
    if (row === undefined) return []
    const own = join(directory, 'bodies', digest.slice(0, 2), digest)
    if (row['segment'] === null) return { path: own, start: 0 }
    return { path: join(directory, 'segments', String(row['segment'])), start: Number(row['start']) }
  })
  database.close()
  rmSync(copied, { recursive: true })
  return found
}

/** Every file with bytes of bodies, as a path relative to the store's directory. */
export function bodyFiles(directory: string): string[] {
  return ['bodies', 'segments', 'growing'].flatMap((folder) =>
    readdirSync(join(directory, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(directory, join(entry.parentPath, entry.name))),
  )
}

/** Changes the byte at this offset of the body. */
export function flipBit(directory: string, response: StoredResponse, at: number): void {
  const { path, start } = whereIs(directory, response)
  const bytes = readFileSync(path)
  bytes[start + at] = (bytes[start + at] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

/** Leaves the first `length` bytes of the body, and what lies before them in the same file. */
export function cutBody(directory: string, response: StoredResponse, length: number): void {
  const { path, start } = whereIs(directory, response)
  truncateSync(path, start + length)
}

/** Together with whatever else lies in the same file. */
export function removeBody(directory: string, response: StoredResponse): void {
  rmSync(whereIs(directory, response).path)
}

/** What reads like a disk that cannot be read, root or not; concerns whatever else lies in the same file as well. */
export function makeUnreadable(directory: string, response: StoredResponse): void {
  const { path } = whereIs(directory, response)
  rmSync(path)
  mkdirSync(path)
}

/** Files with bytes of bodies that none of these responses has, and responses without a file. */
export function unwantedFiles(directory: string, responses: readonly StoredResponse[]): string[] {
  const wanted = new Set(places(directory, responses).map(({ path }) => relative(directory, path)))
  const found = new Set(bodyFiles(directory))
  return [
    ...[...found].filter((file) => !wanted.has(file)),
    ...[...wanted].filter((file) => !found.has(file)),
  ]
}

/** Bytes of bodies on the disk, those included that are growing or going, and those in segments that are dead. */
export function bytesOnDisk(directory: string): number {
  const sizeOf = (file: string) => statSync(join(directory, file), { throwIfNoEntry: false })?.size ?? 0
  return bodyFiles(directory).reduce((sum, file) => sum + sizeOf(file), 0)
}

/** A field that says which body its response must have. */
export const BODY_FIELD = 'x-body'

export function headNaming(name: string, digest: string): ResponseHead {
  return headOf(name, { fields: [[BODY_FIELD, digest]] })
}
