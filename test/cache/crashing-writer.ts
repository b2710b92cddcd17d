/**
 * A process that a test starts in order to kill it. Usage: `crashing-writer.ts <directory> <seed>` stores, replaces,
 * reads and removes without end, and prints one line per stored response: what must be there after the kill.
 * `<directory> start-twice` starts two stores on one directory, prints what the second one says, and kills itself.
 */
import { writeSync } from 'node:fs'
import { diskStore } from '../../cache/disk-store.ts'
import { systemClock } from '../../core/clock.ts'
import { describe } from '../../core/fault.ts'
import { type Random, seededRandom, systemRandom } from '../../core/random.ts'
import type { Store } from '../../core/store.ts'
import { bytesOf, headOf, MIB, uriOf } from './store-fixtures.ts'

const [directory = '', mode = ''] = process.argv.slice(2)
const open = () => diskStore({ directory, maxBytes: 12 * MIB }, { clock: systemClock, random: systemRandom })

if (mode === 'start-twice') await startTwice()
else await storeWithoutEnd(Number(mode))

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
  await Promise.all([0, 1, 2].map((part) => storePart(store, part, seededRandom(seed + part))))
}

/** Names differ from part to part, so that what one reports no other takes away. */
async function storePart(store: Store, part: number, random: Random): Promise<void> {
  const nameOf = (number: number) => String(part * 20 + (number % 20))
  for (;;) {
    const bodySeed = random.uint32()
    const size = Math.floor(random.fraction() ** 3 * 2.5 * MIB)
    const name = nameOf(random.uint32())
    const copy = await store.create(random.fraction() < 0.5 ? size : undefined)
    const bytes = bytesOf(size, bodySeed)
    const middle = Math.floor(size / 2)
    await copy.write(middle, bytes.subarray(middle))
    await copy.write(0, bytes.subarray(0, middle))
    copy.setSize(size)
    await store.commit(copy, headOf(name))
    writeSync(1, `${name}\n`)
    const other = nameOf(random.uint32())
    if (random.fraction() < 0.1 && other !== name) store.remove(uriOf(other))
  }
}
