import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Sha256 } from '../../core/digest.ts'
import { MAX_OPEN, OpenFiles } from '../../cache/open-files.ts'
import type { Place } from '../../cache/place.ts'
import type { PlacedBody, PlaceIndex } from '../../cache/place-index.ts'
import { MAX_SEGMENT_BODY, SegmentFiles } from '../../cache/segment-files.ts'
import type { StoreLogEvent } from '../../cache/store-log.ts'
import { bytesOf, fault, MIB, temporaryDirectory, turns, until } from './store-fixtures.ts'

const KIB = 1024

/** An index in a map. */
class Places implements PlaceIndex {
  readonly bodies = new Map<Sha256, PlacedBody>()

  segments() {
    const numbers = new Set([...this.bodies.values()].map(({ place }) => place.segment))
    return [...numbers].map((segment) => {
      const bodies = this.bodiesIn(segment)
      return { segment, bodies: bodies.length, bytes: bodies.reduce((sum, { size }) => sum + size, 0) }
    })
  }

  bodiesIn(segment: number, from = 0) {
    const bodies = [...this.bodies.values()].filter(({ place }) => place.segment === segment)
    return bodies.filter(({ place }) => place.start >= from).toSorted((a, b) => a.place.start - b.place.start)
  }

  flush() {}

  move(moves: Parameters<PlaceIndex['move']>[0]) {
    const moved = moves.filter(({ body }) => this.bodies.get(body.digest)?.place === body.place)
    for (const { body, to } of moved) this.bodies.set(body.digest, { ...body, place: to })
    return new Set(moved.map(({ body }) => body.digest))
  }
}

interface Scene {
  readonly directory: string
  readonly files: SegmentFiles
  readonly places: Places
  readonly events: StoreLogEvent[]
  /** Appends a body and enters it in the index. */
  readonly store: (name: string, bytes: Uint8Array) => Promise<Place>
  readonly remove: (name: string) => Promise<void>
  readonly read: (name: string) => Promise<Buffer>
  /** Has the segment open while `meanwhile` goes on, then reads. */
  readonly readAt: (place: Place, size: number, meanwhile?: () => Promise<void>) => Promise<Buffer>
  /** Segment → its length. */
  readonly segments: () => Record<string, number>
}

function scene(test: TestContext, maxBytes = 32 * MIB, freeBytes = 1024 * MIB): Scene {
  const directory = temporaryDirectory(test)
  const places = new Places()
  const events: StoreLogEvent[] = []
  const parts = {
    index: places,
    log: (event: StoreLogEvent) => events.push(event),
    open: new OpenFiles(),
    freeBytes: async () => freeBytes,
  }
  const files = new SegmentFiles({ directory, maxBytes }, parts)
  files.start()
  test.after(async () => {
    await files.stop()
    await parts.open.closeAll()
  })
  const readAt = async ({ segment, start }: Place, size: number, meanwhile = async () => {}) => {
    const buffer = Buffer.alloc(size)
    const file = await parts.open.hold(files.pathOf(segment))
    await meanwhile()
    readSync(file.fd, buffer, 0, size, start)
    file.letGo()
    return buffer
  }
  const body = (name: string) => {
    const found = places.bodies.get(name as Sha256)
    assert.ok(found, `${name} is stored`)
    return found
  }
  return {
    directory,
    files,
    places,
    events,
    async store(name, bytes) {
      const place = await files.append(bytes)
      places.bodies.set(name as Sha256, { digest: name as Sha256, size: bytes.length, place })
      files.settle(place)
      return place
    },
    async remove(name) {
      const { place, size } = body(name)
      places.bodies.delete(name as Sha256)
      await files.free(place, size)
    },
    async read(name) {
      const { place, size } = body(name)
      return readAt(place, size)
    },
    readAt,
    segments() {
      const folder = join(directory, 'segments')
      // One may go while we look.
      const sizes = readdirSync(folder).map(
        (name) => [name, statSync(join(folder, name), { throwIfNoEntry: false })?.size] as const,
      )
      return Object.fromEntries(sizes.flatMap(([name, size]) => (size === undefined ? [] : [[name, size]])))
    },
  }
}

describe('bodies in segments', () => {
  it('lie one after the other, whatever their size, and are read back', async (test) => {
    const { store, read, segments } = scene(test)
    const sizes = [10, 0, 1, 5000, MAX_SEGMENT_BODY - 6000]
    for (const size of sizes) await store(String(size), bytesOf(size, size + 1))
    for (const size of sizes) assert.ok(bytesOf(size, size + 1).equals(await read(String(size))))
    assert.deepEqual(segments(), { 1: sizes.reduce((sum, size) => sum + size) })
  })

  it('begin a new segment where the last one would become too long', async (test) => {
    const { store, read, segments } = scene(test)
    const length = 100 * KIB
    for (let number = 0; number < 5; number += 1) await store(String(number), bytesOf(length, number + 1))
    assert.deepEqual(segments(), { 1: 2 * length, 2: 2 * length, 3: length })
    for (let number = 0; number < 5; number += 1)
      assert.ok(bytesOf(length, number + 1).equals(await read(String(number))))
  })

  for (const [what, maxBytes, freeBytes, length] of [
    ['a 256th of the quota', 256 * MIB, 1024 * MIB, MIB],
    ['256 KiB at least', MIB, MIB, 256 * KIB],
    ['a 64th of what is free', 1024 * MIB, 128 * MIB, 2 * MIB],
    ['64 MiB at most', 1024 * 1024 * MIB, 1024 * 1024 * MIB, 64 * MIB],
  ] as const) {
    it(`have segments of ${what}`, async (test) => {
      const { files, store } = scene(test, maxBytes, freeBytes)
      const size = MAX_SEGMENT_BODY
      const first = await store('first', bytesOf(size))
      const count = length / size
      const places = await Promise.all(Array.from({ length: count }, () => files.append(Buffer.alloc(size))))
      assert.deepEqual(
        places.map(({ segment }) => segment),
        [...Array.from({ length: count - 1 }, () => first.segment), first.segment + 1],
      )
    })
  }

  it('that no process of ours wrote are none of ours', async (test) => {
    const { directory, files, store } = scene(test)
    await files.stop()
    writeFileSync(join(directory, 'segments', '007'), 'x')
    writeFileSync(join(directory, 'segments', 'notes'), 'x')
    files.start()
    files.recount()
    assert.equal(await files.sweep(), 0)
    assert.equal((await store('a', bytesOf(1))).segment, 1)
  })

  it('begin a new segment in every process, after every number that the index knows', async (test) => {
    const { files, places, store } = scene(test)
    await store('a', bytesOf(10))
    await files.stop()
    files.start()
    assert.equal((await store('b', bytesOf(10))).segment, 2)
    await files.stop()
    places.bodies.set('c' as Sha256, { digest: 'c' as Sha256, size: 1, place: { segment: 40, start: 0 } })
    files.start()
    files.recount()
    assert.equal((await store('d', bytesOf(10))).segment, 41)
    assert.deepEqual(
      [...files.missing()].map(({ digest }) => digest),
      ['c'],
    )
  })

  it('are refused where no segment can be begun, and stored when one can', async (test) => {
    const { directory, store } = scene(test)
    mkdirSync(join(directory, 'segments', '1'))
    await assert.rejects(store('a', bytesOf(10)), fault('STORE_FAILED'))
    assert.deepEqual(await store('a', bytesOf(10)), { segment: 2, start: 0 })
  })
})

describe('a segment', () => {
  it('goes with its last body, the newest one too', async (test) => {
    const { store, remove, segments } = scene(test)
    await store('a', bytesOf(10))
    await store('b', bytesOf(10))
    await remove('a')
    assert.deepEqual(segments(), { 1: 20 })
    await remove('b')
    assert.deepEqual(segments(), {})
    assert.equal((await store('c', bytesOf(10))).segment, 2)
  })

  it('stays while a body in it is not in the index yet', async (test) => {
    const { files, store, remove, segments } = scene(test)
    await store('a', bytesOf(10))
    const place = await files.append(bytesOf(10))
    await remove('a')
    assert.deepEqual(segments(), { 1: 20 })
    await files.free(place, 10)
    assert.deepEqual(segments(), { 1: 20 })
    files.settle(place)
    await until(() => Object.keys(segments()).length === 0)
  })

  it('stays while somebody reads it', async (test) => {
    const { directory, readAt, store, remove } = scene(test)
    const place = await store('a', bytesOf(10))
    const { promise, resolve } = Promise.withResolvers<void>()
    const reading = readAt(place, 10, () => promise)
    const removal = remove('a')
    await turns(100)
    assert.ok(existsSync(join(directory, 'segments', '1')))
    resolve()
    await removal
    assert.ok(bytesOf(10).equals(await reading))
    assert.ok(!existsSync(join(directory, 'segments', '1')))
  })

  it('stays, whatever the books say, while the index has a body in it', async (test) => {
    const { files, store, read, segments } = scene(test)
    const place = await store('a', bytesOf(10))
    await store('b', bytesOf(10, 2))
    for (let time = 0; time < 3; time += 1) await files.free(place, 10)
    assert.deepEqual(segments(), { 1: 20 })
    assert.ok(bytesOf(10, 2).equals(await read('b')))
  })

  it('of a former process that has no body is swept, and one that ends early is told of', async (test) => {
    const { directory, files, places, store } = scene(test)
    await store('a', bytesOf(10))
    await store('b', bytesOf(10))
    await files.stop()
    writeFileSync(join(directory, 'segments', '3'), 'left over')
    truncateSync(join(directory, 'segments', '1'), 15)
    files.start()
    files.recount()
    assert.equal(await files.sweep(), 1)
    assert.deepEqual(readdirSync(join(directory, 'segments')), ['1'])
    assert.deepEqual([...files.missing()], [places.bodies.get('b' as Sha256)])
  })

  for (const name of ['4294967296', '4294967300', '9007199254740991', '-5', '7.5', '007']) {
    it(`is not taken for one of ours when its name is ${name}`, async (test) => {
      const { directory, files, store, read, segments } = scene(test)
      writeFileSync(join(directory, 'segments', name), 'of somebody else')
      files.start()
      files.recount()
      assert.equal((await store('a', bytesOf(10))).segment, 1)
      assert.ok(bytesOf(10).equals(await read('a')))
      assert.equal(await files.sweep(), 0)
      assert.deepEqual(segments(), { 1: 10, [name]: 16 })
    })
  }

  it('begins the numbers anew when it has the highest one, and passes over those that are there', async (test) => {
    const { directory, files, store, read, segments } = scene(test)
    await store('a', bytesOf(10))
    await files.stop()
    writeFileSync(join(directory, 'segments', '4294967295'), 'of somebody else')
    files.start()
    files.recount()
    assert.equal((await store('b', bytesOf(20))).segment, 2)
    assert.ok(bytesOf(20).equals(await read('b')))
    assert.equal(await files.sweep(), 1)
    assert.deepEqual(segments(), { 1: 10, 2: 20 })
  })

  it('has a number that can be read again, whatever the index says of others', async (test) => {
    const { files, places, store } = scene(test)
    const body = { digest: 'x' as Sha256, size: 10, place: { segment: 2 ** 40, start: 0 } }
    places.bodies.set(body.digest, body)
    files.recount()
    assert.equal((await store('a', bytesOf(10))).segment, 1)
    assert.deepEqual([...files.missing()], [body])
  })

  it('is open only among those that were read last', { skip: process.platform !== 'linux' }, async (test) => {
    const { store, read } = scene(test)
    for (let number = 0; number < 200; number += 1)
      await store(String(number), bytesOf(MAX_SEGMENT_BODY, number + 1))
    const open = () => readdirSync('/proc/self/fd').length
    const before = open()
    let most = 0
    for (let number = 0; number < 200; number += 1) {
      assert.ok(bytesOf(MAX_SEGMENT_BODY, number + 1).equals(await read(String(number))))
      most = Math.max(most, open() - before)
    }
    assert.ok(most >= MAX_OPEN - 4 && most <= MAX_OPEN + 2, `${most} were open`)
  })
})

describe('dead bytes', () => {
  /** Bodies of 10 KiB, 25 to a segment, in so many segments. */
  const fill = async ({ store }: Scene, segments: number) => {
    for (let number = 0; number < 25 * segments; number += 1)
      await store(String(number), bytesOf(10 * KIB, number + 1))
  }
  const total = (lengths: Record<string, number>) =>
    Object.values(lengths).reduce((sum, each) => sum + each, 0)

  it('stay as long as they are few', async (test) => {
    const filled = scene(test)
    await fill(filled, 4)
    for (let number = 0; number < 25; number += 1) await filled.remove(String(number * 4))
    await turns(100)
    assert.equal(total(filled.segments()), 100 * 10 * KIB)
    await filled.remove('1')
    await until(() => total(filled.segments()) <= 74 * 10 * KIB + 256 * KIB - 10 * KIB)
  })

  it('go where they are most', async (test) => {
    const filled = scene(test)
    await fill(filled, 4)
    for (const number of [30, 60, 80]) await filled.remove(String(number))
    for (let number = 0; number < 23; number += 1) await filled.remove(String(number))
    await until(() => filled.segments()[1] === undefined)
    assert.equal(filled.segments()[2], 250 * KIB)
    for (const number of [23, 24])
      assert.ok(bytesOf(10 * KIB, number + 1).equals(await filled.read(String(number))))
  })

  it('go while bodies are read, removed and stored, and every one that lives stays right', async (test) => {
    const filled = scene(test)
    const { places, store, remove, readAt, events } = filled
    await fill(filled, 8)
    let reads = 0
    const readAgain = async (step: number) => {
      for (let turn = 0; turn < 150; turn += 1) {
        const number = (turn * step) % 200
        const body = places.bodies.get(String(number) as Sha256)
        if (body === undefined) continue
        const buffer = await readAt(body.place, body.size)
        assert.ok(bytesOf(10 * KIB, number + 1).equals(buffer), `body ${number}`)
        reads += 1
      }
    }
    const change = async () => {
      for (let number = 0; number < 200; number += 1) {
        if (number % 3 !== 0) await remove(String(number))
        if (number % 5 === 0) await store(`more ${number}`, bytesOf(10 * KIB, number + 1))
      }
    }
    await Promise.all([change(), ...[1, 7, 11, 13].map((step) => readAgain(step))])
    await until(() => total(filled.segments()) <= places.bodies.size * 10 * KIB + 256 * KIB)
    for (const name of places.bodies.keys()) {
      const number = Number(name.replace('more ', ''))
      assert.ok(bytesOf(10 * KIB, number + 1).equals(await filled.read(name)), `body ${name}`)
    }
    assert.ok(reads > 100)
    assert.deepEqual(events, [])
  })

  it('go although their segment is shorter than it should be', async (test) => {
    const filled = scene(test)
    await fill(filled, 2)
    truncateSync(join(filled.directory, 'segments', '1'), 0)
    for (let number = 0; number < 24; number += 1) await filled.remove(String(number))
    for (const number of [25, 26, 27]) await filled.remove(String(number))
    await until(() => filled.segments()[1] === undefined)
    // What was lost stays lost; whoever reads it finds out by the digest.
    assert.ok(!bytesOf(10 * KIB, 25).equals(await filled.read('24')))
  })

  it('of a segment that has vanished do not end the others', async (test) => {
    const filled = scene(test)
    await fill(filled, 4)
    rmSync(join(filled.directory, 'segments', '1'))
    for (let number = 0; number < 24; number += 1) await filled.remove(String(number))
    for (const number of [25, 26, 27]) await filled.remove(String(number))
    await until(() => filled.events.length > 0 && filled.segments()[2] === undefined)
    assert.ok(filled.events.every(({ kind }) => kind === 'compaction-failed'))
    for (const number of [28, 49])
      assert.ok(bytesOf(10 * KIB, number + 1).equals(await filled.read(String(number))))
  })

  it('wait for the next process when this one stops', async (test) => {
    const filled = scene(test)
    await fill(filled, 4)
    for (let number = 0; number < 60; number += 2) void filled.remove(String(number))
    await filled.files.stop()
    for (const name of filled.places.bodies.keys()) {
      assert.ok(bytesOf(10 * KIB, Number(name) + 1).equals(await filled.read(name)), `body ${name}`)
    }
  })
})
