/**
 * A process that a test starts in order to kill it. Usage: `crashing-writer.ts <directory> <seed>` stores, replaces,
 * links, freshens, reads, verifies and removes without end, several at once. It prints a line `start` before it opens
 * the store, `+name` for each committed response (it must be there after the kill), `-name` before it removes one, and
 * `wrong …` should it ever see a wrong byte. `<directory> <seed> '' <bytes>` gives the quota. `<directory> <seed> partial` fills a partial
 * copy in places, and prints the spans that were recorded. `<directory> start-twice` starts two stores on one directory, prints what
 * the second one says, and kills itself.
 */
import { writeSync } from 'node:fs'
import { diskStore } from '../../cache/disk-store.ts'
import { systemClock } from '../../core/clock.ts'
import { describe, Fault } from '../../core/fault.ts'
import { type Random, seededRandom, systemRandom } from '../../core/random.ts'
import type { Store, StoredResponse } from '../../core/store.ts'
import { bytesOf, headNaming, headOf, MIB, readAll, sha256, uriOf } from './store-fixtures.ts'

/** Those who write at once. */
const WRITERS = 3
/** Names that the responses of one writer have. */
const NAMES = 13

const [directory = '', mode = '', kind = '', maxBytes = 64 * MIB] = process.argv.slice(2)
const open = () =>
  diskStore({ directory, maxBytes: Number(maxBytes) }, { clock: systemClock, random: systemRandom })

if (mode === 'start-twice') await startTwice()
else if (kind === 'partial') await fillWithoutEnd(Number(mode))
else await storeWithoutEnd(Number(mode))

async function fillWithoutEnd(seed: number): Promise<void> {
  const store = open()
  await store.start()
  const random = seededRandom(seed)
  const bytes = bytesOf(4 * MIB, 9)
  let copy = await store.create()
  copy.setSize(bytes.length)
  for (;;) {
    const start = random.uint32() % bytes.length
    const end = Math.min(bytes.length, start + (random.uint32() % 300_000) + 1)
    await copy.write(start, bytes.subarray(start, end))
    if (random.fraction() < 0.5) await store.record(copy, headOf('a'))
    else {
      await store.shelve(copy, headOf('a'))
      const [partial] = store.partials(uriOf('a'))
      copy = (partial && store.resume(partial)) ?? copy
    }
    writeSync(1, `${start} ${end}\n`)
  }
}

async function startTwice(): Promise<void> {
  await open().start()
  const { promise, resolve } = Promise.withResolvers<unknown>()
  // A third process is the honest test; this one holds the lock meanwhile.
  const { spawn } = await import('node:child_process')
  const child = spawn(process.execPath, [import.meta.filename, directory, 'start-once'], { stdio: 'inherit' })
  child.on('close', resolve)
  await promise
  process.kill(process.pid, 'SIGKILL')
}

async function storeWithoutEnd(seed: number): Promise<void> {
  say('start')
  const store = open()
  try {
    await store.start()
  } catch (error) {
    return say(describe(error))
  }
  const writers = Array.from({ length: WRITERS }, (_, part) => write(store, seededRandom(seed + part), part))
  await Promise.all(writers)
}

/** Names differ from writer to writer, so that what one reports no other takes away. */
async function write(store: Store, random: Random, part: number): Promise<void> {
  const anyName = () => String(part + WRITERS * (random.uint32() % NAMES))
  for (;;) {
    const chance = random.fraction()
    if (chance < 0.7) await storeOne(store, random, anyName())
    else if (chance < 0.8) remove(store, anyName())
    else if (chance < 0.98) await useOne(store, random, anyName)
    else
      for await (const finding of store.verify()) if (finding.kind === 'lost') say(`wrong ${finding.reason}`)
  }
}

async function storeOne(store: Store, random: Random, name: string): Promise<void> {
  const size = Math.floor(random.fraction() ** 3 * 2.5 * MIB)
  const bytes = bytesOf(size, random.uint32())
  const copy = await store.create(random.fraction() < 0.5 ? size : undefined)
  const middle = Math.floor(size / 2)
  await copy.write(middle, bytes.subarray(middle))
  if (random.fraction() < 0.1) return copy.discard()
  await copy.write(0, bytes.subarray(0, middle))
  copy.setSize(size)
  await store.commit(copy, headNaming(name, sha256(bytes)))
  say(`+${name}`)
}

function remove(store: Store, name: string): void {
  say(`-${name}`)
  store.remove(uriOf(name))
}

/** Reads a response, or gives it another name, or newer fields. What others have just taken away is no matter. */
async function useOne(store: Store, random: Random, anyName: () => string): Promise<void> {
  const [response] = store.lookup(uriOf(anyName()))
  if (response === undefined) return
  const chance = random.fraction()
  try {
    if (chance < 0.4) return await check(store, response)
    if (chance < 0.7) store.link(response, headNaming(anyName(), response.digest))
    else store.freshen(response, { ...headNaming('', response.digest), shareable: false })
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'STORE_FAILED') say(`wrong ${describe(error)}`)
  }
}

async function check(store: Store, response: StoredResponse): Promise<void> {
  if (sha256(await readAll(store, response)) !== response.digest) say(`wrong bytes of ${response.uri}`)
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}
