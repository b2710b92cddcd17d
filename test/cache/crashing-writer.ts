/**
 * A process that a test starts in order to kill it. Usage: `crashing-writer.ts <directory> <seed>` stores, replaces,
 * reads and removes without end, and prints one line per stored response: what must be there after the kill.
 * `<directory> <seed> partial` fills a partial copy in places, and prints the spans that were recorded.
 * `<directory> start-twice` starts two stores on one directory, prints what the second one says, and kills itself.
 */
import { writeSync } from 'node:fs'
import { diskStore } from '../../cache/disk-store.ts'
import { systemClock } from '../../core/clock.ts'
import { describe } from '../../core/fault.ts'
import { seededRandom, systemRandom } from '../../core/random.ts'
import { bytesOf, headOf, MIB, uriOf } from './store-fixtures.ts'

const [directory = '', mode = '', kind = ''] = process.argv.slice(2)
const open = () => diskStore({ directory, maxBytes: 12 * MIB }, { clock: systemClock, random: systemRandom })

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
  const store = open()
  try {
    await store.start()
  } catch (error) {
    return void writeSync(1, `${describe(error)}\n`)
  }
  const random = seededRandom(seed)
  for (;;) {
    const bodySeed = random.uint32()
    const size = Math.floor(random.fraction() ** 3 * 2.5 * MIB)
    const name = String(random.uint32() % 40)
    const copy = await store.create(random.fraction() < 0.5 ? size : undefined)
    const bytes = bytesOf(size, bodySeed)
    const middle = Math.floor(size / 2)
    await copy.write(middle, bytes.subarray(middle))
    await copy.write(0, bytes.subarray(0, middle))
    copy.setSize(size)
    await store.commit(copy, headOf(name))
    writeSync(1, `${name}\n`)
    const other = String(random.uint32() % 40)
    if (random.fraction() < 0.1 && other !== name) store.remove(uriOf(other))
  }
}
