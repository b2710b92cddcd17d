/** What every `Store` does (core/store.ts); run against the disk store and the memory store. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import type { EpochMs } from '../../core/clock.ts'
import type { Sha256 } from '../../core/digest.ts'
import type { Fields } from '../../core/fields.ts'
import type { ByteSpan } from '../../core/ranges.ts'
import type { Finding, GrowingCopy, Store, StoreEvent } from '../../core/store.ts'
import { MAX_VARIANTS } from '../../cache/response-store.ts'
import { MAX_PARTIALS } from '../../cache/shelf.ts'
import {
  all,
  bytesOf,
  collect,
  fault,
  headOf,
  MIB,
  put,
  readAll,
  sha256,
  turns,
  until,
  uriOf,
} from './store-fixtures.ts'

export interface StoreLimitsInTest {
  readonly maxBytes: number
  readonly maxObjectBytes?: number
}

/** `open` makes a started store that ends with the test; a partial copy of it takes blocks of `blockBytes`. */
export function storeConformance(
  name: string,
  open: (test: TestContext, limits: StoreLimitsInTest) => Promise<Store>,
  blockBytes: number,
): void {
  const roomy = { maxBytes: 64 * MIB }
  const grow = async (test: TestContext, expectedSize?: number): Promise<[Store, GrowingCopy]> => {
    const store = await open(test, roomy)
    return [store, await store.create(expectedSize)]
  }

  describe(`${name}: a whole body at once`, () => {
    /** A store that has looked how much room there is. */
    const looked = async (test: TestContext, limits: StoreLimitsInTest = roomy): Promise<Store> => {
      const store = await open(test, limits)
      await (await store.create()).discard()
      return store
    }

    for (const size of [0, 1, 256 * 1024]) {
      it(`is stored like a copy that grew: ${size} bytes`, async (test) => {
        const store = await looked(test)
        const events: StoreEvent[] = []
        store.subscribe((event) => events.push(event))
        const bytes = Buffer.from(bytesOf(size))
        const keeping = store.reserve(size)?.keep(bytes, headOf('a'))
        const stored = await keeping
        assert.ok(stored)
        bytes.fill(0)
        assert.deepEqual(store.lookup(uriOf('a')), [stored])
        assert.deepEqual(events, [{ kind: 'stored', response: stored }])
        assert.ok(bytesOf(size).equals(await readAll(store, stored)))
        assert.equal(store.usage().bytes, size)
      })
    }

    it('replaces what is stored for the same', async (test) => {
      const store = await looked(test)
      await put(store, 'a', bytesOf(10))
      const stored = await store.reserve(5)?.keep(bytesOf(5), headOf('a'))
      assert.deepEqual(store.lookup(uriOf('a')), [stored])
      assert.equal(store.usage().responses, 1)
    })

    it('takes its room from the quota, and gives it back', async (test) => {
      const store = await looked(test)
      await put(store, 'a', bytesOf(64 * MIB - 100_000))
      const reserved = store.reserve(60_000)
      assert.ok(reserved)
      assert.equal(store.reserve(60_000), undefined)
      reserved.giveBack()
      reserved.giveBack()
      assert.ok(store.reserve(60_000))
    })

    it('is not stored, and takes no room, when it may not be kept after all', async (test) => {
      const store = await looked(test)
      const old = await put(store, 'a', bytesOf(10))
      const events = eventsOf(store)
      assert.equal(await store.reserve(5)?.keep(bytesOf(5), headOf('a'), () => false), undefined)
      assert.deepEqual([store.lookup(uriOf('a')), events], [[old], []])
      await until(() => store.usage().bytes === 10)
      assert.ok(await store.reserve(5)?.keep(bytesOf(5), headOf('a'), () => true))
    })

    it('is not for what is larger than an object may be', async (test) => {
      const store = await looked(test, { ...roomy, maxObjectBytes: 1000 })
      assert.equal(store.reserve(1001), undefined)
      assert.ok(store.reserve(1000))
    })
  })

  describe(`${name}: a response that may turn out not to be kept`, () => {
    for (const size of [0, 10, 3 * MIB]) {
      it(`is named by nobody then, and read to the end by whoever has its copy: ${size} bytes`, async (test) => {
        const [store, copy] = await grow(test)
        const old = await put(store, 'a', bytesOf(10, 9))
        const events = eventsOf(store)
        const bytes = bytesOf(size)
        await copy.write(0, bytes)
        copy.setSize(size)
        copy.release(Infinity)
        const early = copy.read({ start: 0, end: Infinity })[Symbol.asyncIterator]()
        const first = await early.next()
        assert.equal(await store.commit(copy, headOf('a'), () => false), undefined)
        assert.deepEqual([store.lookup(uriOf('a')), events], [[old], []])
        assert.equal(store.findByDigest(sha256(bytes) as Sha256), undefined)
        assert.ok(bytes.equals(await collect(copy.read({ start: 0, end: Infinity }))), 'a later reader')
        await copy.discard()
        const rest = await collect({ [Symbol.asyncIterator]: () => early })
        assert.ok(bytes.equals(Buffer.concat([first.value ?? Buffer.alloc(0), rest])), 'an early reader')
        await until(() => store.usage().bytes === 10)
      })
    }

    it('leaves an equal body of another response where it is', async (test) => {
      const [store, copy] = await grow(test)
      const bytes = bytesOf(2 * MIB)
      const other = await put(store, 'b', bytes)
      await copy.write(0, bytes)
      copy.setSize(bytes.length)
      assert.equal(await store.commit(copy, headOf('a'), () => false), undefined)
      await copy.discard()
      await turns()
      assert.ok(bytes.equals(await readAll(store, other)))
      assert.deepEqual([store.partials(), store.usage().bytes], [[], bytes.length])
    })

    it('is asked about in the very turn in which it can be found and is announced', async (test) => {
      for (const how of ['as a copy', 'at once']) {
        const [store, copy] = await grow(test)
        const seen: unknown[] = []
        const events = eventsOf(store)
        const look = () => seen.push([store.lookup(uriOf('a')).length, events.length])
        const mayKeep = () => {
          look()
          queueMicrotask(look)
          return true
        }
        await copy.write(0, bytesOf(10))
        copy.setSize(10)
        if (how === 'as a copy') await store.commit(copy, headOf('a'), mayKeep)
        else await store.reserve(10)?.keep(bytesOf(10), headOf('a'), mayKeep)
        assert.deepEqual(seen, [
          [0, 0],
          [1, 1],
        ])
      }
    })
  })

  describe(`${name}: stored responses`, () => {
    it('gives back what was stored, head and body', async (test) => {
      const store = await open(test, roomy)
      const bytes = bytesOf(3 * MIB + 5)
      const stored = await put(store, 'a', bytes, { source: 'peer', shareable: false })
      assert.deepEqual(store.lookup(uriOf('a')), [stored])
      const { id, ...rest } = stored
      assert.equal(typeof id, 'number')
      const head = headOf('a', { source: 'peer', shareable: false })
      assert.deepEqual(rest, { ...head, size: bytes.length, digest: sha256(bytes) })
      assert.ok(bytes.equals(await readAll(store, stored)))
    })

    for (const size of [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB]) {
      it(`stores a body of ${size} bytes`, async (test) => {
        const store = await open(test, roomy)
        const stored = await put(store, 'a', bytesOf(size))
        assert.ok(bytesOf(size).equals(await readAll(store, stored)))
      })
    }

    for (const [start, end] of [
      [0, 1],
      [5, 5],
      [MIB - 1, MIB + 1],
      [MIB, 2 * MIB],
      [MIB + 7, 3 * MIB - 3],
      [3 * MIB - 1, Infinity],
      [4 * MIB, 5 * MIB],
    ] as const) {
      it(`reads the span ${start} to ${end} of 3 MiB`, async (test) => {
        const store = await open(test, roomy)
        const bytes = bytesOf(3 * MIB)
        const stored = await put(store, 'a', bytes)
        for (const _ of ['first', 'second']) {
          assert.ok(bytes.subarray(start, end).equals(await collect(store.read(stored, { start, end }))))
        }
      })
    }

    it('knows nothing of a URI that was not stored', async (test) => {
      const store = await open(test, roomy)
      assert.deepEqual(store.lookup(uriOf('none')), [])
      assert.equal(store.remove(uriOf('none')), 0)
      assert.equal(store.findByDigest('0'.repeat(64) as Sha256), undefined)
    })

    it('keeps variants apart and names the most recent first', async (test) => {
      const store = await open(test, roomy)
      const variant = (coding: string, time: number) =>
        put(store, 'a', bytesOf(10, time), {
          selecting: [['Accept-Encoding', coding]],
          responseTime: time as EpochMs,
        })
      const gzip = await variant('gzip', 30)
      const brotli = await variant('br', 40)
      const plain = await variant('identity', 20)
      assert.deepEqual(store.lookup(uriOf('a')), [brotli, gzip, plain])
    })

    it('has so many variants of one URI and no more: the first ones go, also where the clock was set back', async (test) => {
      const store = await open(test, roomy)
      await put(store, 'other', bytesOf(10))
      const variants = Array.from({ length: MAX_VARIANTS + 3 }, (_, n) => String(n))
      for (const each of variants)
        await put(store, 'a', bytesOf(10, Number(each) + 9), {
          selecting: [['x', each]],
          responseTime: (MAX_VARIANTS * 2 - Number(each)) as EpochMs,
        })
      const kept = store.lookup(uriOf('a')).map(({ selecting }) => selecting[0]?.[1])
      assert.deepEqual(kept, variants.slice(-MAX_VARIANTS))
      assert.equal(store.lookup(uriOf('other')).length, 1)
      await until(() => store.usage().bytes === 10 * (MAX_VARIANTS + 1))
    })

    it('replaces the response with the same URI and selecting fields, whatever the case of their names', async (test) => {
      const store = await open(test, roomy)
      const old = await put(store, 'a', bytesOf(100, 1), { selecting: [['Accept', 'x']] })
      const events: StoreEvent[] = []
      store.subscribe((event) => events.push(event))
      const next = await put(store, 'a', bytesOf(200, 2), { selecting: [['accept', 'x']] })
      assert.deepEqual(store.lookup(uriOf('a')), [next])
      assert.deepEqual(events, [
        { kind: 'removed', response: old },
        { kind: 'stored', response: next },
      ])
      assert.equal(store.usage().bytes, 200)
    })

    it('a listener that has left hears nothing', async (test) => {
      const store = await open(test, roomy)
      const events: StoreEvent[] = []
      store.subscribe((event) => events.push(event))()
      await put(store, 'a', bytesOf(1))
      assert.deepEqual(events, [])
    })

    it('freshens fields and times and nothing else', async (test) => {
      const store = await open(test, roomy)
      const stored = await put(store, 'a', bytesOf(10))
      const update = {
        fields: [['ETag', '"2"']] as const,
        requestTime: 7000 as EpochMs,
        responseTime: 8000 as EpochMs,
        shareable: false,
      }
      const freshened = store.freshen(stored, update)
      assert.deepEqual(freshened, { ...stored, ...update })
      assert.deepEqual(store.lookup(uriOf('a')), [freshened])
      store.remove(uriOf('a'))
      assert.throws(() => store.freshen(freshened, update), fault('STORE_FAILED'))
    })

    it('removes every response of a URI and tells of it', async (test) => {
      const store = await open(test, roomy)
      await put(store, 'a', bytesOf(10, 1), { selecting: [['Accept', 'x']] })
      await put(store, 'a', bytesOf(10, 2), { selecting: [['Accept', 'y']] })
      const other = await put(store, 'b', bytesOf(10, 3))
      const kinds: string[] = []
      store.subscribe((event) => kinds.push(event.kind))
      assert.equal(store.remove(uriOf('a')), 2)
      assert.deepEqual(kinds, ['removed', 'removed'])
      assert.deepEqual([...store.list()], [other])
      assert.deepEqual(store.usage(), { bytes: 10, partialBytes: 0, maxBytes: roomy.maxBytes, responses: 1 })
    })

    it('refuses to read a response that is gone', async (test) => {
      const store = await open(test, roomy)
      const stored = await put(store, 'a', bytesOf(10))
      store.remove(uriOf('a'))
      await assert.rejects(readAll(store, stored), fault('STORE_FAILED'))
      assert.throws(() => store.link(stored, headOf('b')), fault('STORE_FAILED'))
    })

    it('a reader that has begun gets everything although the response is removed, and its bytes count until then', async (test) => {
      const store = await open(test, roomy)
      const bytes = bytesOf(4 * MIB)
      const stored = await put(store, 'a', bytes)
      const reader = store.read(stored, { start: 0, end: bytes.length })[Symbol.asyncIterator]()
      const first = await reader.next()
      assert.equal(first.done, false)
      store.remove(uriOf('a'))
      assert.equal(store.usage().bytes, bytes.length)
      const rest = await collect({ [Symbol.asyncIterator]: () => reader })
      assert.ok(bytes.equals(Buffer.concat([first.value, rest])))
      assert.equal(store.usage().bytes, 0)
    })

    it('a body that is stored again while its removal waits for a reader stays', async (test) => {
      const store = await open(test, roomy)
      const bytes = bytesOf(4 * MIB)
      const stored = await put(store, 'a', bytes)
      const reader = store.read(stored, { start: 0, end: bytes.length })[Symbol.asyncIterator]()
      await reader.next()
      store.remove(uriOf('a'))
      const again = await put(store, 'b', bytes)
      await reader.return?.(undefined)
      assert.ok(bytes.equals(await readAll(store, again)))
      assert.equal(store.usage().bytes, bytes.length)
    })
  })

  describe(`${name}: equal bodies`, () => {
    it('are kept once, until the last response goes', async (test) => {
      const store = await open(test, roomy)
      const bytes = bytesOf(2 * MIB)
      const first = await put(store, 'a', bytes)
      const second = await put(store, 'b', bytes)
      assert.equal(first.digest, second.digest)
      assert.deepEqual(store.usage(), {
        bytes: 2 * MIB,
        partialBytes: 0,
        maxBytes: roomy.maxBytes,
        responses: 2,
      })
      store.remove(uriOf('a'))
      assert.ok(bytes.equals(await readAll(store, second)))
      store.remove(uriOf('b'))
      assert.equal(store.usage().bytes, 0)
    })

    it('are found by digest and linked to another URI', async (test) => {
      const store = await open(test, roomy)
      const bytes = bytesOf(1000)
      const first = await put(store, 'a', bytes)
      assert.deepEqual(store.findByDigest(first.digest), first)
      const events: StoreEvent[] = []
      store.subscribe((event) => events.push(event))
      const second = store.link(first, headOf('b'))
      assert.deepEqual(events, [{ kind: 'stored', response: second }])
      store.remove(uriOf('a'))
      assert.ok(bytes.equals(await readAll(store, second)))
      assert.deepEqual(store.usage(), {
        bytes: 1000,
        partialBytes: 0,
        maxBytes: roomy.maxBytes,
        responses: 1,
      })
    })

    it('linked to the URI that they already have replace it', async (test) => {
      const store = await open(test, roomy)
      const first = await put(store, 'a', bytesOf(1000))
      const second = store.link(first, headOf('a'))
      assert.deepEqual(store.lookup(uriOf('a')), [second])
      assert.ok(bytesOf(1000).equals(await readAll(store, second)))
      assert.equal(store.usage().bytes, 1000)
    })
  })

  describe(`${name}: the quota`, () => {
    const KB = 1000
    const small = { maxBytes: 10 * KB }

    it('lists what was used most recently first', async (test) => {
      const store = await open(test, roomy)
      const a = await put(store, 'a', bytesOf(1, 1))
      await put(store, 'b', bytesOf(1, 2))
      await put(store, 'c', bytesOf(1, 3))
      await readAll(store, a)
      assert.deepEqual(names(store), ['a', 'c', 'b'])
    })

    it('lists what was used least recently first, when asked', async (test) => {
      const store = await open(test, roomy)
      const a = await put(store, 'a', bytesOf(10))
      await put(store, 'b', bytesOf(11))
      await readAll(store, a)
      assert.deepEqual(
        [...store.list('least-recent-first')].map(({ uri }) => uri.at(-1)),
        ['b', 'a'],
      )
    })

    it('is not changed by verifying', async (test) => {
      const store = await open(test, roomy)
      for (const each of ['a', 'b', 'c']) await put(store, each, bytesOf(2 * MIB, each.charCodeAt(0)))
      const a = store.lookup(uriOf('a'))[0]
      if (a) await readAll(store, a)
      const findings = await all(store.verify())
      assert.equal(findings.filter(({ kind }) => kind === 'right').length, 3)
      assert.equal(bytesRead(findings), 6 * MIB)
      assert.deepEqual(names(store), ['a', 'c', 'b'])
    })

    it('evicts what was used least recently, and no more than needed', async (test) => {
      const store = await open(test, small)
      const stored = new Map<string, Awaited<ReturnType<typeof put>>>()
      for (const each of ['a', 'b', 'c', 'd', 'e']) {
        stored.set(each, await put(store, each, bytesOf(2 * KB, each.charCodeAt(0))))
      }
      const a = stored.get('a')
      assert.ok(a)
      await readAll(store, a)
      const removed: string[] = []
      store.subscribe((event) => event.kind === 'removed' && removed.push(event.response.uri.at(-1) ?? ''))
      await put(store, 'f', bytesOf(3 * KB, 99))
      assert.deepEqual(removed, ['b', 'c'])
      assert.deepEqual(names(store), ['f', 'a', 'e', 'd'])
      assert.equal(store.usage().bytes, 9 * KB)
    })

    it('holds a body of exactly the quota and none of one byte more', async (test) => {
      const store = await open(test, small)
      const stored = await put(store, 'a', bytesOf(10 * KB))
      await assert.rejects(store.create(10 * KB + 1), fault('STORE_FULL'))
      assert.deepEqual(store.lookup(uriOf('a')), [stored])
      await put(store, 'b', bytesOf(1))
      assert.deepEqual(names(store), ['b'])
    })

    it('refuses the byte too many of a body whose size nobody knew', async (test) => {
      const store = await open(test, small)
      await put(store, 'a', bytesOf(4 * KB))
      const copy = await store.create()
      await copy.write(0, bytesOf(10 * KB))
      assert.deepEqual(names(store), [])
      await assert.rejects(copy.write(10 * KB, bytesOf(1)), fault('STORE_FULL'))
      assert.equal(store.usage().bytes, 10 * KB)
      await copy.discard()
      assert.equal(store.usage().bytes, 0)
    })

    it('evicts nothing for a body that is too large in any case', async (test) => {
      const store = await open(test, { maxBytes: 10 * KB, maxObjectBytes: 5 * KB })
      const stored = await put(store, 'a', bytesOf(4 * KB))
      await put(store, 'b', bytesOf(5 * KB, 2))
      await assert.rejects(store.create(5 * KB + 1), fault('STORE_FULL'))
      const copy = await store.create()
      copy.setSize(5 * KB + 1)
      await assert.rejects(copy.write(0, bytesOf(1)), fault('STORE_FULL'))
      assert.deepEqual(store.lookup(uriOf('a')), [stored])
    })

    it('lets a body of unknown size grow beyond what is stored, as far as the quota goes', async (test) => {
      const store = await open(test, { maxBytes: 40 * KB, maxObjectBytes: 5 * KB })
      for (const each of 'abcdefgh') await put(store, each, bytesOf(4 * KB, each.charCodeAt(0)))
      const copy = await store.create()
      const bytes = bytesOf(12 * KB, 2)
      for (let at = 0; at < 10 * KB; at += 2 * KB) await copy.write(at, bytes.subarray(at, at + 2 * KB))
      assert.deepEqual([names(store), store.usage().bytes], ['hgfedcb'.split(''), 38 * KB])
      // Beyond a quarter of the quota only what is free.
      await copy.write(10 * KB, bytes.subarray(10 * KB))
      await assert.rejects(copy.write(12 * KB, bytesOf(1)), fault('STORE_FULL'))
      copy.setSize(12 * KB)
      copy.release(Infinity)
      assert.equal(await store.commit(copy, headOf('d'), () => true), undefined)
      assert.ok(bytes.equals(await collect(copy.read({ start: 0, end: Infinity }))))
      await copy.discard()
      assert.deepEqual([names(store), store.usage().bytes], ['hgfedcb'.split(''), 28 * KB])
    })

    it('lets many such bodies together evict no more than one', async (test) => {
      // Large enough for a file of its own, whose room is free as soon as it is removed.
      const unit = 300 * KB
      const store = await open(test, { maxBytes: 40 * unit, maxObjectBytes: 2 * unit })
      for (let each = 0; each < 40; each += 1) await put(store, `${each}`, bytesOf(unit, each))
      const copies = await Promise.all(Array.from({ length: 4 }, () => store.create()))
      const grown = copies.map(async (copy) => {
        for (let at = 0; at < 10 * unit; at += unit) await copy.write(at, bytesOf(unit))
      })
      const settled = await Promise.allSettled(grown)
      assert.ok(settled.some(({ status }) => status === 'rejected'))
      // Each may evict for what could still be stored, and all of them for a quarter of the quota.
      assert.ok(names(store).length >= 24, `${names(store).length} of 40 are left`)
      for (const copy of copies) await copy.discard()
      const again = await store.create()
      for (let at = 0; at < 10 * unit; at += unit) await again.write(at, bytesOf(unit))
      await again.discard()
    })

    it('keeps no part of a body that turns out to be larger than what is stored', async (test) => {
      const store = await open(test, { maxBytes: 10 * KB, maxObjectBytes: 5 * KB })
      const copy = await store.create()
      await copy.write(0, bytesOf(KB))
      copy.setSize(6 * KB)
      await store.shelve(copy, headOf('a'))
      assert.deepEqual([store.partials(), store.usage().bytes], [[], 0])
    })

    it('counts what is expected of growing copies', async (test) => {
      const store = await open(test, small)
      const first = await store.create(6 * KB)
      assert.equal(store.usage().bytes, 0)
      await assert.rejects(store.create(5 * KB), fault('STORE_FULL'))
      const second = await store.create(4 * KB)
      await assert.rejects(second.write(0, bytesOf(4 * KB + 1)), fault('STORE_FULL'))
      await first.discard()
      await second.write(0, bytesOf(4 * KB + 1))
    })

    it('evicts no body that is being read, and refuses when all are', async (test) => {
      const store = await open(test, { maxBytes: 4 * MIB })
      const read = await put(store, 'a', bytesOf(2 * MIB, 1))
      const other = await put(store, 'b', bytesOf(MIB, 2))
      const reader = store.read(read, { start: 0, end: Infinity })[Symbol.asyncIterator]()
      await reader.next()
      await readAll(store, other)
      await assert.rejects(store.create(3 * MIB), fault('STORE_FULL'))
      assert.deepEqual(names(store), ['b', 'a'])
      const copy = await store.create(2 * MIB)
      assert.deepEqual(names(store), ['a'])
      await copy.discard()
      await reader.return?.(undefined)
      await store.create(3 * MIB)
      assert.deepEqual(names(store), [])
    })

    it('is never exceeded, whoever writes at the same time', async (test) => {
      const store = await open(test, small)
      let most = 0
      const write = async (seed: number) => {
        const copy = await store.create()
        for (let at = 0; at < 3000; at += 500) {
          await copy.write(at, bytesOf(500, seed + at))
          most = Math.max(most, store.usage().bytes)
        }
        copy.setSize(3000)
        await store.commit(copy, headOf(String(seed)))
        most = Math.max(most, store.usage().bytes)
      }
      const results = await Promise.allSettled(Array.from({ length: 12 }, (_, seed) => write(seed * 7 + 1)))
      assert.ok(most <= small.maxBytes, `${most} bytes`)
      for (const result of results) {
        if (result.status === 'rejected') assert.ok(fault('STORE_FULL')(result.reason))
      }
    })
  })

  describe(`${name}: a growing copy`, () => {
    it('takes bytes in any order, twice, and overlapping', async (test) => {
      const [store, copy] = await grow(test)
      const bytes = bytesOf(5 * MIB)
      copy.setSize(bytes.length)
      const write = (start: number, end: number) => copy.write(start, bytes.subarray(start, end))
      await write(3 * MIB, 4 * MIB)
      assert.deepEqual(
        [copy.heldUntil(0), copy.heldUntil(3 * MIB), copy.heldUntil(4 * MIB)],
        [0, 4 * MIB, 4 * MIB],
      )
      await write(1 * MIB, 2 * MIB + 9)
      await write(1 * MIB, 2 * MIB)
      await write(0, 5 * MIB)
      assert.equal(copy.heldUntil(0), 5 * MIB)
      const stored = await store.commit(copy, headOf('a'))
      assert.equal(stored.digest, sha256(bytes))
      assert.ok(bytes.equals(await readAll(store, stored)))
    })

    it('keeps the first bytes that it was given for a place', async (test) => {
      const [store, copy] = await grow(test)
      await copy.write(2, Buffer.from('cd'))
      await copy.write(0, Buffer.from('abXYef'))
      copy.setSize(6)
      const stored = await store.commit(copy, headOf('a'))
      assert.equal((await readAll(store, stored)).toString(), 'abcdef')
      assert.equal(stored.digest, sha256(Buffer.from('abcdef')))
    })

    it('keeps its own bytes when the writer uses its array again', async (test) => {
      const [, copy] = await grow(test)
      const array = Buffer.from('first')
      copy.release(Infinity)
      await copy.write(0, array)
      array.write('other')
      assert.equal((await collect(copy.read({ start: 0, end: 5 }))).toString(), 'first')
    })

    it('takes writes that did not wait for each other', async (test) => {
      const [store, copy] = await grow(test)
      const bytes = bytesOf(2 * MIB)
      const step = 64 * 1024
      const starts = Array.from({ length: bytes.length / step }, (_, at) => at * step)
      await Promise.all(starts.map((start) => copy.write(start, bytes.subarray(start, start + step))))
      copy.setSize(bytes.length)
      assert.equal((await store.commit(copy, headOf('a'))).digest, sha256(bytes))
    })

    it('has one size', async (test) => {
      const [, copy] = await grow(test)
      assert.equal(copy.size, undefined)
      copy.setSize(10)
      copy.setSize(10)
      assert.equal(copy.size, 10)
      assert.throws(() => copy.setSize(11), fault('RESPONSE_CHANGED'))
      await copy.write(9, bytesOf(1))
      await assert.rejects(copy.write(9, bytesOf(2)), fault('RESPONSE_INVALID'))
      await assert.rejects(copy.write(-1, bytesOf(1)), fault('RESPONSE_INVALID'))
    })

    it('does not become smaller than what it holds', async (test) => {
      const [, copy] = await grow(test)
      await copy.write(0, bytesOf(10))
      assert.throws(() => copy.setSize(9), fault('RESPONSE_INVALID'))
    })

    it('is stored only when whole', async (test) => {
      const [store, copy] = await grow(test)
      await copy.write(0, bytesOf(10))
      await assert.rejects(copy.digest('sha-256'), fault('STORE_FAILED'))
      copy.setSize(11)
      await assert.rejects(copy.digest('sha-512'), fault('STORE_FAILED'))
      await assert.rejects(store.commit(copy, headOf('a')), fault('STORE_FAILED'))
      assert.deepEqual(store.lookup(uriOf('a')), [])
      assert.equal(store.usage().bytes, 0)
      await assert.rejects(copy.write(10, bytesOf(1)), fault('STORE_FAILED'))
    })

    it('is stored once', async (test) => {
      const [store, copy] = await grow(test)
      copy.setSize(0)
      await store.commit(copy, headOf('a'))
      await assert.rejects(store.commit(copy, headOf('b')), fault('STORE_FAILED'))
    })

    it('tells its digests, before and after it is stored', async (test) => {
      const [store, copy] = await grow(test)
      const bytes = bytesOf(2 * MIB + 1)
      await copy.write(MIB, bytes.subarray(MIB))
      await copy.write(0, bytes.subarray(0, MIB))
      copy.setSize(bytes.length)
      const check = async () => {
        assert.equal(await copy.digest('sha-256'), sha256(bytes))
        assert.equal(await copy.digest('sha-512'), createHash('sha512').update(bytes).digest('hex'))
        assert.match(await copy.digest('blake2b-256'), /^[0-9a-f]{64}$/)
      }
      await check()
      await store.commit(copy, headOf('a'))
      await check()
    })

    it('gives a reader each byte as soon as it is held and released, and not before', async (test) => {
      const [, copy] = await grow(test)
      const seen: string[] = []
      const reading = (async () => {
        for await (const chunk of copy.read({ start: 1, end: Infinity })) {
          seen.push(Buffer.from(chunk).toString())
        }
      })()
      await copy.write(0, Buffer.from('abcd'))
      await turns()
      assert.deepEqual(seen, [])
      copy.release(3)
      await turns()
      assert.deepEqual(seen.join(''), 'bc')
      copy.release(2)
      await copy.write(6, Buffer.from('gh'))
      copy.release(Infinity)
      await turns()
      assert.deepEqual(seen.join(''), 'bcd')
      await copy.write(4, Buffer.from('ef'))
      await turns()
      assert.deepEqual(seen.join(''), 'bcdefgh')
      copy.setSize(8)
      await reading
    })

    it('hands out chunks of at most 256 KiB', async (test) => {
      const [, copy] = await grow(test)
      await copy.write(0, bytesOf(2 * MIB))
      copy.setSize(2 * MIB)
      copy.release(Infinity)
      for await (const chunk of copy.read({ start: 0, end: Infinity })) assert.ok(chunk.length <= 256 * 1024)
    })

    it('ends a reader whose signal aborts, waiting or about to', async (test) => {
      const [, copy] = await grow(test)
      const abort = new AbortController()
      const waiting = collect(copy.read({ start: 0, end: 10 }, abort.signal))
      await turns(1)
      abort.abort()
      assert.equal((await waiting).length, 0)
      assert.equal((await collect(copy.read({ start: 0, end: 10 }, abort.signal))).length, 0)
    })

    it('ends every reader, now and later, with the error that it failed with', async (test) => {
      const [, copy] = await grow(test)
      copy.release(Infinity)
      await copy.write(0, bytesOf(5))
      const waiting = collect(copy.read({ start: 0, end: 10 }))
      waiting.catch(() => {})
      await turns()
      const error = new Error('the source broke off')
      copy.fail(error)
      await assert.rejects(waiting, error)
      await assert.rejects(collect(copy.read({ start: 0, end: 5 })), error)
      await assert.rejects(copy.write(5, bytesOf(5)), error)
    })

    it('gives its space back when discarded, in the middle of a write too, and ends its readers', async (test) => {
      const [store, copy] = await grow(test, 5 * MIB)
      copy.release(Infinity)
      await copy.write(0, bytesOf(MIB))
      assert.equal(store.usage().bytes, MIB)
      const waiting = collect(copy.read({ start: 0, end: 2 * MIB }))
      waiting.catch(() => {})
      const writing = copy.write(MIB, bytesOf(MIB))
      writing.catch(() => {})
      await Promise.all([copy.discard(), copy.discard()])
      await assert.rejects(writing, fault('STORE_FAILED'))
      await assert.rejects(waiting, fault('STORE_FAILED'))
      await copy.discard()
      assert.equal(store.usage().bytes, 0)
      await assert.rejects(store.commit(copy, headOf('a')), fault('STORE_FAILED'))
    })

    it('forgets everything when reset, and begins again', async (test) => {
      const [store, copy] = await grow(test)
      await copy.write(MIB, bytesOf(MIB, 5))
      await copy.write(0, bytesOf(MIB, 6))
      copy.setSize(2 * MIB)
      const abort = new AbortController()
      const reading = collect(copy.read({ start: 0, end: Infinity }, abort.signal))
      await copy.reset()
      assert.deepEqual([copy.size, copy.heldUntil(0), store.usage().bytes], [undefined, 0, 0])
      const bytes = bytesOf(MIB + 3, 7)
      await copy.write(0, bytes)
      copy.setSize(bytes.length)
      copy.release(Infinity)
      assert.ok(bytes.equals(await reading))
      assert.equal((await store.commit(copy, headOf('a'))).digest, sha256(bytes))
    })

    it('refuses to be reset once bytes were released', async (test) => {
      const [, copy] = await grow(test)
      copy.release(1)
      await assert.rejects(copy.reset(), fault('STORE_FAILED'))
    })

    it('feeds readers that began before it was stored, and those that come after, to the end', async (test) => {
      const [store, copy] = await grow(test)
      const bytes = bytesOf(3 * MIB)
      copy.release(Infinity)
      await copy.write(0, bytes.subarray(0, MIB))
      const early = copy.read({ start: 0, end: Infinity })[Symbol.asyncIterator]()
      const first = await early.next()
      assert.equal(first.done, false)
      await copy.write(MIB, bytes.subarray(MIB))
      copy.setSize(bytes.length)
      await store.commit(copy, headOf('a'))
      await copy.discard()
      const rest = await collect({ [Symbol.asyncIterator]: () => early })
      assert.ok(bytes.equals(Buffer.concat([first.value, rest])))
      assert.ok(bytes.equals(await collect(copy.read({ start: 0, end: Infinity }))))
    })

    it('releases everything when it is stored', async (test) => {
      const [store, copy] = await grow(test)
      const reading = collect(copy.read({ start: 0, end: Infinity }))
      await copy.write(0, bytesOf(10))
      copy.setSize(10)
      await store.commit(copy, headOf('a'))
      assert.ok(bytesOf(10).equals(await reading))
    })

    it('its readers keep the body while they read, although it is stored and removed', async (test) => {
      const [store, copy] = await grow(test)
      const bytes = bytesOf(3 * MIB)
      await copy.write(0, bytes)
      copy.setSize(bytes.length)
      copy.release(Infinity)
      const reader = copy.read({ start: 0, end: Infinity })[Symbol.asyncIterator]()
      const first = await reader.next()
      assert.equal(first.done, false)
      await store.commit(copy, headOf('a'))
      store.remove(uriOf('a'))
      const rest = await collect({ [Symbol.asyncIterator]: () => reader })
      assert.ok(bytes.equals(Buffer.concat([first.value, rest])))
      // The file goes when the last reader has closed it, which takes as many turns as the disk does.
      await until(() => store.usage().bytes === 0)
    })

    it('feeds 300 readers of different speed and place', async (test) => {
      const [store, copy] = await grow(test)
      const bytes = bytesOf(2 * MIB)
      copy.release(Infinity)
      const read = async (number: number) => {
        const start = (number * 4099) % MIB
        const chunks: Uint8Array[] = []
        for await (const chunk of copy.read({ start, end: Infinity })) {
          chunks.push(chunk)
          if (number % 10 === 0) await turns(3)
        }
        assert.ok(bytes.subarray(start).equals(Buffer.concat(chunks)), `reader ${number}`)
      }
      const readers = Array.from({ length: 300 }, (_, number) => read(number))
      for (let at = 0; at < bytes.length; at += 128 * 1024) {
        await copy.write(at, bytes.subarray(at, at + 128 * 1024))
      }
      copy.setSize(bytes.length)
      await store.commit(copy, headOf('a'))
      await Promise.all(readers)
    })

    it('ends with the store', async (test) => {
      const [store, copy] = await grow(test)
      await store.stop()
      await assert.rejects(copy.write(0, bytesOf(1)), fault('STORE_FAILED'))
      await assert.rejects(collect(copy.read({ start: 0, end: 1 })), fault('STORE_FAILED'))
    })
  })

  describe(`${name}: a partial copy`, () => {
    const bytes = bytesOf(5 * MIB)
    const spans = [
      { start: 0, end: MIB },
      { start: 3 * MIB + 5, end: 4 * MIB + 9 },
    ]
    const taken = (held: number) => Math.ceil(held / blockBytes) * blockBytes
    const shelved = async (
      test: TestContext,
      limits: StoreLimitsInTest = roomy,
      uri = 'a',
    ): Promise<Store> => {
      const store = await open(test, limits)
      await shelve(store, uri, bytes, spans)
      return store
    }

    it('is found by its URI, with its head and size, and is no complete response', async (test) => {
      const store = await shelved(test)
      const [partial] = store.partials(uriOf('a'))
      const sizes = { size: bytes.length, heldBytes: 2 * MIB + 4 }
      assert.deepEqual(partial, { ...headOf('a'), id: partial?.id, ...sizes })
      assert.deepEqual(store.partials(), [partial])
      assert.deepEqual(
        [store.lookup(uriOf('a')), [...store.list()], store.partials(uriOf('b'))],
        [[], [], []],
      )
      assert.deepEqual(store.usage(), {
        bytes: taken(2 * MIB + 4),
        partialBytes: taken(2 * MIB + 4),
        maxBytes: roomy.maxBytes,
        responses: 0,
      })
    })

    it('goes on where it was left, and knows what is missing', async (test) => {
      const store = await shelved(test)
      const copy = resumed(store, 'a')
      await copy.recall({ start: 0, end: Infinity })
      assert.deepEqual(copy.missing({ start: 10, end: Infinity }), [
        { start: MIB, end: 3 * MIB + 5 },
        { start: 4 * MIB + 9, end: 5 * MIB },
      ])
      copy.release(Infinity)
      assert.ok(
        bytes
          .subarray(3 * MIB + 5, 4 * MIB)
          .equals(await collect(copy.read({ start: 3 * MIB + 5, end: 4 * MIB }))),
      )
      await copy.write(MIB, bytes.subarray(MIB))
      const stored = await store.commit(copy, headOf('a'))
      assert.deepEqual([stored.digest, store.partials(uriOf('a'))], [sha256(bytes), []])
      assert.ok(bytes.equals(await readAll(store, stored)))
      assert.deepEqual([store.usage().bytes, store.usage().partialBytes], [bytes.length, 0])
    })

    it('is had by one at a time, and is found again when it was put back', async (test) => {
      const store = await shelved(test)
      const [partial] = store.partials(uriOf('a'))
      assert.ok(partial)
      const copy = store.resume(partial)
      assert.ok(copy)
      assert.deepEqual([store.resume(partial), store.partials(uriOf('a'))], [undefined, []])
      await copy.write(MIB, bytes.subarray(MIB, MIB + 10))
      await store.shelve(copy, headOf('a', { fields: [['ETag', '"new"']] }))
      const [again] = store.partials(uriOf('a'))
      assert.deepEqual([again?.fields, again?.id], [[['ETag', '"new"']], partial.id])
      const left = resumed(store, 'a').missing({ start: 0, end: 2 * MIB })
      assert.deepEqual(left, [{ start: MIB + 10, end: 2 * MIB }])
    })

    it('is replaced by another with the same URI and selecting fields, and by a complete response', async (test) => {
      const store = await shelved(test)
      await shelve(store, 'a', bytesOf(10, 3), [{ start: 0, end: 5 }])
      assert.deepEqual(
        store.partials(uriOf('a')).map(({ size }) => size),
        [10],
      )
      await shelve(store, 'a', bytesOf(20, 3), [{ start: 0, end: 5 }], [['Accept', 'x']])
      assert.equal(store.partials(uriOf('a')).length, 2)
      await put(store, 'a', bytesOf(30))
      assert.deepEqual(
        store.partials(uriOf('a')).map(({ size }) => size),
        [20],
      )
      await until(() => store.usage().bytes === 30 + taken(5))
      assert.equal(store.usage().partialBytes, taken(5))
    })

    it('is removed with its URI, also while somebody has it', async (test) => {
      const store = await shelved(test)
      store.remove(uriOf('a'))
      await until(() => store.usage().bytes === 0)
      assert.deepEqual(store.partials(uriOf('a')), [])
      await shelve(store, 'a', bytes, spans)
      const copy = resumed(store, 'a')
      store.remove(uriOf('a'))
      await store.shelve(copy, headOf('a'))
      assert.deepEqual([store.partials(uriOf('a')), store.usage().bytes], [[], 0])
    })

    it('is removed with its URI at whatever moment of being put back (RFC 9111 4.4)', async (test) => {
      const store = await open(test, roomy)
      for (let delay = 0; delay < 30; delay++) {
        const copy = await store.create()
        copy.setSize(bytes.length)
        await copy.write(0, bytes.subarray(0, MIB + 5))
        const shelving = store.shelve(copy, headOf('a'))
        for (let turn = 0; turn < delay; turn++) await new Promise(setImmediate)
        store.remove(uriOf('a'))
        await shelving
        assert.deepEqual(store.partials(uriOf('a')), [], `${delay} turns of the event loop later`)
        await until(() => store.usage().bytes === 0)
      }
    })

    it('is removed with its URI in the middle of any of those moments', async (test) => {
      const store = await open(test, roomy)
      for (let delay = 0; delay < 60; delay++) {
        const copy = await store.create()
        copy.setSize(20)
        await copy.write(0, bytesOf(10))
        const shelving = store.shelve(copy, headOf('a'))
        for (let step = 0; step < delay; step++) await Promise.resolve()
        store.remove(uriOf('a'))
        await shelving
        assert.deepEqual(store.partials(), [], `${delay} steps later`)
      }
    })

    it('is not kept when it may not be, whenever that is found out', async (test) => {
      const store = await open(test, roomy)
      for (let times = 0, isAsked = true; isAsked; times++) {
        let asked = 0
        const copy = await store.create()
        copy.setSize(20)
        await copy.write(0, bytesOf(10))
        await store.shelve(copy, headOf('a'), () => (asked += 1) <= times)
        isAsked = asked > times
        assert.equal(store.partials().length, isAsked ? 0 : 1)
        assert.equal(store.usage().bytes, isAsked ? 0 : taken(10))
      }
    })

    it('without a byte, or of unknown size, is not kept', async (test) => {
      const store = await open(test, roomy)
      const empty = await store.create()
      empty.setSize(10)
      await store.shelve(empty, headOf('a'))
      const endless = await store.create()
      await endless.write(0, bytesOf(10))
      await store.shelve(endless, headOf('b'))
      assert.deepEqual(
        [store.partials(uriOf('a')), store.partials(uriOf('b')), store.usage().bytes],
        [[], [], 0],
      )
    })

    it('is evicted in its turn among the complete responses', async (test) => {
      const store = await open(test, { maxBytes: 10 * KIB_4 })
      await put(store, 'x', bytesOf(2 * KIB_4, 1))
      await shelve(store, 'a', bytesOf(6 * KIB_4, 2), [{ start: KIB_4, end: 4 * KIB_4 }])
      await put(store, 'y', bytesOf(2 * KIB_4, 3))
      const other = await store.create(4 * KIB_4)
      assert.deepEqual([names(store), store.partials(uriOf('a')).length], [['y'], 1])
      await other.discard()
      const more = await store.create(6 * KIB_4)
      assert.deepEqual([names(store), store.partials(uriOf('a')).length], [['y'], 0])
      await more.discard()
      assert.equal(store.usage().bytes, 2 * KIB_4)
    })

    it('is not evicted while somebody has it', async (test) => {
      const store = await open(test, { maxBytes: 10_000 })
      await shelve(store, 'a', bytesOf(6000, 2), [{ start: 0, end: 5000 }])
      const copy = resumed(store, 'a')
      await assert.rejects(store.create(6000), fault('STORE_FULL'))
      await store.shelve(copy, headOf('a'))
      await store.create(6000)
      assert.deepEqual(store.partials(uriOf('a')), [])
    })

    it('is one of at most a thousand: the one used least recently goes', async (test) => {
      const store = await open(test, roomy)
      for (let n = 0; n <= MAX_PARTIALS; n++)
        await shelve(store, String(n), bytesOf(20, n + 1), [{ start: 0, end: 10 }])
      await until(() => store.usage().bytes === MAX_PARTIALS * taken(10))
      assert.deepEqual([store.partials(uriOf('0')).length, store.partials(uriOf('1')).length], [0, 1])
    })

    it('can be recorded while it grows, and committed afterwards', async (test) => {
      const store = await open(test, roomy)
      const copy = await store.create(bytes.length)
      copy.setSize(bytes.length)
      await copy.write(0, bytes.subarray(0, 2 * MIB))
      await store.record(copy, headOf('a'))
      assert.deepEqual(store.partials(uriOf('a')), [], 'it is in use')
      await copy.write(2 * MIB, bytes.subarray(2 * MIB))
      const stored = await store.commit(copy, headOf('a'))
      await store.record(copy, headOf('a'))
      assert.ok(bytes.equals(await readAll(store, stored)))
      assert.deepEqual([store.partials(uriOf('a')), store.usage().bytes], [[], bytes.length])
    })
  })
}

const KIB_4 = 4096

async function shelve(
  store: Store,
  uri: string,
  bytes: Uint8Array,
  spans: readonly ByteSpan[],
  selecting: Fields = [],
): Promise<void> {
  const copy = await store.create()
  copy.setSize(bytes.length)
  for (const { start, end } of spans.toReversed()) await copy.write(start, bytes.subarray(start, end))
  await store.shelve(copy, headOf(uri, { selecting }))
}

function resumed(store: Store, uri: string): GrowingCopy {
  const [partial] = store.partials(uriOf(uri))
  const copy = partial && store.resume(partial)
  assert.ok(copy)
  return copy
}

function eventsOf(store: Store): readonly StoreEvent[] {
  const events: StoreEvent[] = []
  store.subscribe((event) => events.push(event))
  return events
}

/** The last letters of the URIs, most recently used first. */
function names(store: Store): (string | undefined)[] {
  return [...store.list()].map(({ uri }) => uri.at(-1))
}

function bytesRead(findings: readonly Finding[]): number {
  return findings.reduce((sum, finding) => sum + (finding.kind === 'read' ? finding.bytes : 0), 0)
}
