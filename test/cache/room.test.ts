import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Evictor, Room } from '../../cache/room.ts'
import { SpaceBooks } from '../../cache/space.ts'
import type { Sha256 } from '../../core/digest.ts'
import type { StoredResponse } from '../../core/store.ts'
import { fault, headOf, MIB } from './store-fixtures.ts'

/** A file system of `disk` bytes that holds `sizes` bodies; each eviction costs `costPerEviction` bytes of index. */
function roomOn(disk: number, sizes: readonly number[], costPerEviction = 0) {
  const books = new SpaceBooks(1000 * MIB)
  const bodies = sizes.map((size, id): StoredResponse => ({
    ...headOf(String(id)),
    id,
    size,
    digest: String(id) as Sha256,
  }))
  books.bodyBytes = sizes.reduce((sum, size) => sum + size, 0)
  let free = disk - books.bodyBytes
  let looks = 0
  const evictor: Evictor<StoredResponse> = {
    candidates: () => bodies,
    bytesInUse: () => 0,
    evict: async (victims) => {
      for (const { id, size } of victims) {
        bodies.splice(
          bodies.findIndex((body) => body.id === id),
          1,
        )
        books.bodyBytes -= size
        free += size - costPerEviction
      }
    },
    removed: async () => {},
    evictFromDisk: async (victims) => {
      await evictor.evict(victims)
      return victims.reduce((sum, { size }) => sum + size, 0)
    },
    freeBytes: async () => {
      looks += 1
      return free
    },
  }
  return { room: new Room(books, evictor, Infinity), books, bodies, looks: () => looks }
}

describe('room on the file system', () => {
  it('is made for what is expected', async () => {
    const { room, bodies } = roomOn(10 * MIB, [3 * MIB, 3 * MIB, 3 * MIB])
    await room.open(2 * MIB)
    assert.equal(bodies.length, 2)
  })

  it('is made again when evicting took some itself', async () => {
    const { room, bodies } = roomOn(10 * MIB, [5 * MIB, 5 * MIB], 1)
    await room.open(5 * MIB)
    assert.equal(bodies.length, 0)
  })

  it('is refused when evicting everything does not help, and nothing stays claimed', async () => {
    const { room, books } = roomOn(10 * MIB, [5 * MIB])
    await assert.rejects(room.open(11 * MIB), fault('STORE_FULL'))
    assert.equal(books.outstanding, 0)
  })

  it('could be there for what fits when everything goes, and nothing goes for the question', async () => {
    const { room, bodies } = roomOn(10 * MIB, [3 * MIB, 3 * MIB])
    assert.equal(await room.hasSpaceFor(10 * MIB), true)
    assert.equal(await room.hasSpaceFor(10 * MIB + 1), false)
    await room.open(2 * MIB)
    assert.equal(await room.hasSpaceFor(8 * MIB + 1), false, 'what is promised to others is theirs')
    assert.equal(bodies.length, 2)
  })

  it('is not looked at for a small one where there was much a moment ago', async () => {
    const { room, looks } = roomOn(500 * MIB, [])
    await room.open(0)
    const before = looks()
    assert.deepEqual([await room.hasSpaceFor(MIB), looks() - before], [true, 0])
    assert.deepEqual([await room.hasSpaceFor(501 * MIB), looks() - before], [false, 1])
  })

  it('is not sought for ever where freed space is counted late', async () => {
    const { room, bodies } = roomOn(49 * MIB, Array<number>(50).fill(MIB), MIB)
    await assert.rejects(room.open(0), fault('STORE_FULL'))
    assert.equal(bodies.length, 47)
  })

  it('is looked at anew for every 16 MiB that are written', async () => {
    const { room, looks } = roomOn(500 * MIB, [])
    const copy = await room.open(0)
    const before = looks()
    for (let written = 0; written < 40; written += 1) {
      await copy.claim(MIB, undefined)
      copy.hold(MIB)
    }
    assert.equal(looks() - before, 2)
  })

  it('is looked at before a new copy when 4 MiB were claimed since, not before each small one', async () => {
    const { room, looks } = roomOn(500 * MIB, [])
    for (let number = 0; number < 1025; number += 1) {
      const copy = await room.open(4096)
      await copy.claim(4096, 4096)
    }
    assert.equal(looks(), 2)
    await room.open(4 * MIB)
    assert.equal(looks(), 3)
  })

  it('is looked at the more often the less of it there is', async () => {
    const { room, looks } = roomOn(16_384, [])
    const copy = await room.open(0)
    await copy.claim(8192, undefined)
    copy.hold(8192)
    assert.equal(looks(), 2)
    await copy.claim(1024, undefined)
    assert.equal(looks(), 2)
    await copy.claim(4096, undefined)
    assert.equal(looks(), 3)
  })

  it('is freed once for all who find the disk full at the same time', async () => {
    const { room, bodies } = roomOn(100 * MIB, Array<number>(50).fill(MIB))
    const copies = await Promise.all(Array.from({ length: 20 }, () => room.open(0)))
    await Promise.all(copies.map((copy) => copy.freeDisk(1000)))
    assert.equal(bodies.length, 49)
    await copies[0]?.freeDisk(1000)
    assert.equal(bodies.length, 48)
  })

  it('is made by evicting bodies of no bytes as well', async () => {
    const books = new SpaceBooks(10)
    books.bodyBytes = 10
    const bodies = [...Array<number>(100).fill(0), 10].map((size, id) => ({ id, size }) as StoredResponse)
    const evictor: Evictor<StoredResponse> = {
      candidates: () => [...bodies],
      bytesInUse: () => 0,
      evict: async (victims) => {
        for (const { size } of victims) books.bodyBytes -= size
        bodies.splice(0, victims.length)
      },
      removed: async () => {},
      evictFromDisk: async () => 0,
      freeBytes: async () => Infinity,
    }
    await new Room(books, evictor, Infinity).open(10)
    assert.equal(bodies.length, 0)
  })
})
