import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memoryStore } from '../../cache/memory-store.ts'
import { Fault } from '../../core/fault.ts'
import { fieldValue, type Fields } from '../../core/fields.ts'
import type { Store } from '../../core/store.ts'
import type { ManualClock } from '../manual-clock.ts'
import { Flow, type Answering, type Reply } from './upstreams.ts'
import {
  A,
  BY_UPDATER,
  digestOf,
  download,
  ended,
  offer,
  PEER,
  shunned,
  storedTexts,
  textOf,
  world,
  type Application,
  type Given,
  type Scene,
  type World,
} from './world.ts'

const SIZE = 3_000_000
/** What the first application saw before it left. */
const BEGUN = 100_000
const OLD = Buffer.alloc(SIZE, 'A')
const NEW = Buffer.alloc(SIZE, 'B')

/** What a Range asks for from its first byte on; 0 without one. */
function firstByte(fields: Fields): number {
  return Number(/^bytes=(\d+)-/.exec(fieldValue(fields, 'range') ?? '')?.[1] ?? 0)
}

function whole(bytes: Uint8Array, fields: Fields = []): Reply {
  const described: Fields = [
    ['Content-Length', String(bytes.length)],
    ['Cache-Control', 'max-age=60'],
    ...fields,
  ]
  return { status: 200, fields: described, body: bytes }
}

function rest(bytes: Uint8Array, from: number, fields: Fields = []): Reply {
  const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`
  return { status: 206, fields: [['Content-Range', range], ...fields], body: bytes.subarray(from) }
}

/** A body of `SIZE` bytes of which the beginning has come. */
function begun(fields: Fields, bytes = OLD): Reply {
  return { ...whole(bytes, fields), body: new Flow().push(bytes.subarray(0, BEGUN)) }
}

/** Begins to read, as an application does that leaves in the middle. */
async function leaveInTheMiddle(node: World, application: Application): Promise<void> {
  const { answer } = await node.within(application.resource)
  const chunks = answer.body?.[Symbol.asyncIterator]()
  await chunks?.next()
  application.leave()
  await chunks?.return?.()
  await node.settle()
}

async function afterBreak(first: Fields, second: (from: number) => Reply): Promise<[World, Given]> {
  const node = world({
    rule: { share: false },
    origin: ({ fields }, n) => (n === 1 ? begun(first) : second(firstByte(fields))),
  })
  await leaveInTheMiddle(node, node.ask())
  await node.pass(1000)
  const given = await node.get()
  await node.settle()
  return [node, given]
}

function isMixed(text: string): boolean {
  return text.includes('A') && text.includes('B')
}

const V1: Fields = [['ETag', '"v1"']]
const V2: Fields = [['ETag', '"v2"']]
const WEAK: Fields = [['ETag', 'W/"v1"']]
const MONDAY: Fields = [['Last-Modified', 'Mon, 13 Nov 2023 00:00:00 GMT']]
const TUESDAY: Fields = [['Last-Modified', 'Tue, 14 Nov 2023 00:00:00 GMT']]

describe('an application that comes back soon', () => {
  test('is given what is here and the rest of it, so that every byte came from the origin server once', async () => {
    const [node, given] = await afterBreak(V1, (from) => rest(OLD, from, V1))
    assert.deepEqual([given.status, given.text.length, given.error], [200, SIZE, undefined])
    assert.equal(given.text, OLD.toString('latin1'))
    const asked = node.origin.requests[1]?.fields ?? []
    assert.deepEqual([fieldValue(asked, 'range'), fieldValue(asked, 'if-range')], [`bytes=${BEGUN}-`, '"v1"'])
    const bytes = ended(node).map((each) => each.bytes.internet)
    assert.deepEqual(bytes, [BEGUN, SIZE - BEGUN])
    assert.deepEqual(await storedTexts(node), [OLD.toString('latin1')])
    assert.equal(node.store.usage().partialBytes, 0)
  })

  test('has what is here asked about when it is no longer fresh, and gets the file as it is now', async () => {
    const node = world({
      rule: { share: false },
      origin: (_, n) => (n === 1 ? begun(V1) : whole(NEW, V2)),
    })
    await leaveInTheMiddle(node, node.ask())
    await node.pass(120_010)
    assert.deepEqual([node.growingBytes(), node.store.usage().partialBytes], [0, BEGUN])
    const given = await node.get()
    assert.deepEqual([given.text === NEW.toString('latin1'), given.error], [true, undefined])
    assert.deepEqual(node.origin.requests[1]?.fields, [['If-None-Match', '"v1"']])
    await node.settle()
    assert.deepEqual(await storedTexts(node), [NEW.toString('latin1')])
    assert.deepEqual([node.growingBytes(), node.store.usage().partialBytes], [0, 0])
  })

  test('is given the rest when the origin server confirms what is no longer fresh', async () => {
    const node = world({
      rule: { share: false },
      origin: ({ fields }, n) => {
        if (n === 1) return begun(V1)
        return fieldValue(fields, 'if-none-match') === '"v1"'
          ? { status: 304, fields: V1 }
          : rest(OLD, firstByte(fields), V1)
      },
    })
    await leaveInTheMiddle(node, node.ask())
    await node.pass(120_010)
    const given = await node.get()
    assert.deepEqual([given.text === OLD.toString('latin1'), given.error], [true, undefined])
    assert.equal(fieldValue(node.origin.requests[2]?.fields ?? [], 'range'), `bytes=${BEGUN}-`)
  })

  const changed: [string, Fields, (from: number) => Reply][] = [
    ['200 with another ETag and the same length', V1, () => whole(NEW, V2)],
    ['200 with another ETag and another length', V1, () => whole(NEW.subarray(1), V2)],
    ['200 without any validator', V1, () => whole(NEW)],
    ['206 with another ETag', V1, (from) => rest(NEW, from, V2)],
    ['206 without any validator, of another length', V1, (from) => rest(NEW.subarray(1), from)],
    ['a weak ETag, and 206 with another', WEAK, (from) => rest(NEW, from, [['ETag', 'W/"v2"']])],
    ['a weak ETag, and 200 with the same', WEAK, () => whole(NEW, WEAK)],
    [
      'a weak ETag, and 206 with the same',
      WEAK,
      (from) => (from > 0 ? rest(NEW, from, WEAK) : whole(NEW, WEAK)),
    ],
    ['no validator, and 206', [], (from) => (from > 0 ? rest(NEW, from) : whole(NEW))],
    ['no validator, and 200', [], () => whole(NEW)],
    ['200 with another Last-Modified', MONDAY, () => whole(NEW, TUESDAY)],
    ['206 with another Last-Modified', MONDAY, (from) => rest(NEW, from, TUESDAY)],
  ]
  for (const [name, first, second] of changed)
    test(`never gets two versions as one: ${name}`, async () => {
      const [node, given] = await afterBreak(first, second)
      assert.equal(isMixed(given.text), false, 'a mix was delivered')
      for (const text of await storedTexts(node)) assert.equal(isMixed(text), false, 'a mix was stored')
      // Whole and new, or broken off for everybody to see.
      if (given.error === undefined) assert.match(given.text, /^B+$/)
    })

  test('is given the rest of a file that never changes under its name, with a validator or without', async () => {
    const node = world({
      rule: { share: false, immutable: true },
      origin: ({ fields }, n) => (n === 1 ? begun([]) : rest(OLD, firstByte(fields))),
    })
    await leaveInTheMiddle(node, node.ask())
    const given = await node.get()
    assert.deepEqual([given.text === OLD.toString('latin1'), given.error], [true, undefined])
    assert.equal(fieldValue(node.origin.requests[1]?.fields ?? [], 'range'), `bytes=${BEGUN}-`)
  })

  test('and finds the file changed is given the new one by asking once more', async () => {
    const [node] = await afterBreak(V1, () => whole(NEW, V2))
    const given = await node.get()
    assert.deepEqual([given.text === NEW.toString('latin1'), given.error], [true, undefined])
  })
})

describe('a download whose peer dies after the application was answered', () => {
  const sources: [string, Partial<Scene>][] = [
    ['a running download', { expectation: digestOf(OLD), downloads: [download(SIZE)] }],
    ['a copy for its application to verify', { expectation: BY_UPDATER, offers: [offer(SIZE)] }],
  ]
  const answers: [string, 'whole' | 'broken', (fields: Fields) => Reply][] = [
    ['206 of another part', 'broken', () => rest(OLD, SIZE / 2)],
    ['206 of all', 'whole', (fields) => rest(OLD, firstByte(fields))],
    ['the whole', 'whole', () => whole(OLD)],
    ['304', 'broken', () => ({ status: 304, fields: V1 })],
    ['404', 'broken', () => ({ status: 404, fields: [['Content-Length', '4']], body: 'gone' })],
    ['no-store', 'whole', () => ({ status: 200, fields: [['Cache-Control', 'no-store']], body: OLD })],
    [
      'no-store of another length',
      'broken',
      () => ({ status: 200, fields: [['Cache-Control', 'no-store']], body: 'other' }),
    ],
  ]
  for (const [name, end, origin] of answers)
    for (const [which, status, length, asking] of [
      ['', 200, SIZE, []],
      [' (asked for a range)', 206, SIZE / 2, [['Range', `bytes=${SIZE / 2}-`]]],
      [' (asked for a change)', 200, SIZE, [['If-None-Match', '"v1"']]],
    ] as [string, number, number, Fields][])
      for (const [source, scene] of sources)
        test(`at byte 0 of ${source} ends ${end}: the origin server says ${name}${which}`, async () => {
          const node = world({
            ...scene,
            peers: () => ({ ...whole(OLD), body: new Flow().breakOff() }),
            origin: ({ fields }) => origin(fields),
          })
          const given = await node.get(asking)
          await node.settle()
          assert.equal(given.status, status)
          if (end === 'whole') assert.deepEqual([given.text.length, given.error], [length, undefined])
          else assert.ok(given.error instanceof Fault, 'the application takes this for the end')
          if (name.startsWith('no-store')) assert.deepEqual(node.store.lookup(A), [])
          assert.deepEqual([node.growingBytes(), node.retrievals.all().length, ended(node).length], [0, 0, 1])
        })

  test('in the middle is completed by the origin server with the bytes that are missing', async () => {
    const node = world({
      expectation: digestOf(OLD),
      downloads: [download(SIZE)],
      peers: () => ({ ...whole(OLD), body: new Flow().push(OLD.subarray(0, SIZE / 2)).breakOff() }),
      origin: ({ fields }) => rest(OLD, firstByte(fields)),
    })
    const given = await node.get()
    assert.deepEqual([given.text.length, given.error], [SIZE, undefined])
    assert.equal(fieldValue(node.origin.requests[0]?.fields ?? [], 'range'), `bytes=${SIZE / 2}-`)
  })

  test('in the middle ends with an error where the origin server has another file', async () => {
    const node = world({
      expectation: digestOf(OLD),
      downloads: [download(SIZE)],
      peers: () => ({ ...whole(OLD), body: new Flow().push(OLD.subarray(0, SIZE / 2)).breakOff() }),
      origin: ({ fields }) => rest(NEW, firstByte(fields)),
    })
    const given = await node.get()
    assert.ok(given.error, 'the mix was delivered as a whole')
    assert.deepEqual(await storedTexts(node), [])
    assert.equal(node.growingBytes(), 0)
  })

  test('does not tell the origin server of validators that only a peer has said', async () => {
    const node = world({
      expectation: digestOf(OLD),
      downloads: [download(SIZE)],
      peers: () => ({
        ...whole(OLD, [['ETag', '"chosen-by-the-peer"'], ...MONDAY]),
        body: new Flow().push(OLD.subarray(0, SIZE / 2)).breakOff(),
      }),
      origin: ({ fields }) => rest(OLD, firstByte(fields), [['ETag', '"the real one"']]),
    })
    const given = await node.get()
    assert.deepEqual([given.text.length, given.error], [SIZE, undefined])
    assert.doesNotMatch(JSON.stringify(node.origin.requests), /chosen-by-the-peer|13 Nov 2023/)
  })
})

describe('no growing copy is left in the store', () => {
  test('when the application leaves while room is made', async () => {
    const made = Promise.withResolvers<void>()
    const node = world({
      rule: { share: false },
      store: (clock) => withSlow('create', clock, made.promise),
      origin: () => ({ ...whole(OLD), body: new Flow() }),
    })
    const application = node.ask()
    await node.settle()
    application.leave()
    await node.settle()
    made.resolve()
    await node.settle()
    assert.deepEqual([node.growingBytes(), node.retrievals.all().length], [0, 0])
    await roomFor(node, LIMIT)
    assert.equal(node.origin.openBodies, 0)
  })

  for (const [name, reply] of [
    ['a part', { status: 206, fields: [['Content-Range', 'bytes 0-4/3000000']], body: 'hello' }],
    ['not found', { status: 404, fields: [['Content-Length', '4']], body: 'gone' }],
    ['no-store', { status: 200, fields: [['Cache-Control', 'no-store']], body: 'hello' }],
  ] as [string, Reply][])
    test(`when a peer has begun and the origin server answers with ${name}`, async () => {
      const node = world({
        store: (clock) => memoryStore({ maxBytes: LIMIT, clock }),
        expectation: digestOf(OLD, SIZE),
        offers: [offer(SIZE)],
        peers: () => ({ ...whole(OLD), body: new Flow().push(OLD.subarray(0, 10)).breakOff() }),
        origin: () => reply,
      })
      const given = await node.get()
      assert.deepEqual([given.status, given.text, given.error], [reply.status, reply.body, undefined])
      await node.settle()
      assert.deepEqual([node.growingBytes(), node.retrievals.all().length], [0, 0])
      await roomFor(node, LIMIT)
    })

  test('when a peer sent wrong bytes and nobody can be reached then', async () => {
    const node = world({
      store: (clock) => memoryStore({ maxBytes: LIMIT, clock }),
      expectation: digestOf(OLD, SIZE),
      offers: [offer(SIZE)],
      peers: () => whole(NEW),
      origin: () => {
        throw new Fault('UNREACHABLE', 'no way')
      },
    })
    await assert.rejects(node.get(), { code: 'UNREACHABLE' })
    await node.settle()
    assert.equal(node.growingBytes(), 0)
    await roomFor(node, LIMIT)
  })

  /** Each turn of the event loop is another await at which the application may be gone. */
  for (const [name, scene] of [
    ['the origin server', {}],
    ['a peer', { offers: [offer(SIZE)] }],
    ['a running download', { downloads: [download(SIZE)] }],
  ] as [string, Partial<Scene>][])
    test(`at whatever moment the application of ${name} leaves`, async () => {
      for (let turn = 0; turn < 40; turn++) {
        const node = world({
          store: (clock) => memoryStore({ maxBytes: LIMIT, clock }),
          expectation: digestOf(OLD, SIZE),
          waitMs: 20,
          peers: trickle(),
          origin: trickle(),
          ...scene,
        })
        const application = node.ask()
        void node.read(application).catch(() => {}) // it is gone before it has all
        await turns(node, turn)
        application.leave()
        await longAfter(node)
        const left = [node.growingBytes(), node.retrievals.all().length, ended(node).length]
        assert.deepEqual(left, [0, 0, 1], `left in turn ${turn}`)
        assert.equal(node.origin.openBodies + node.peers.openBodies, 0, `a body is open after turn ${turn}`)
        assert.equal(node.clock.pending(), 0, `a timer runs on after turn ${turn}`)
      }
    })
})

describe('a node that stops', () => {
  for (const [name, scene] of [
    ['the origin server', { rule: { share: false } }],
    ['an origin server that is not cached', { origin: uncached }],
    ['a peer', { offers: [offer(SIZE)] }],
    ['a running download', { downloads: [download(SIZE)] }],
    ['a peer of which only the application can tell', { offers: [offer(SIZE)], expectation: BY_UPDATER }],
  ] as [string, Partial<Scene>][])
    test(`ends each retrieval once and hangs nobody: bytes of ${name}, at every moment`, async () => {
      for (let turn = 0; turn < 40; turn++) {
        const node = world({
          expectation: digestOf(OLD, SIZE),
          peers: trickle(),
          origin: trickle(),
          ...scene,
        })
        const reading = node.ask()
        const read = reading.resource.then(({ answer }) => textOf(answer.body))
        read.catch(() => {}) // looked at below
        await turns(node, turn)
        node.retrievals.stop()
        await node.settle()
        reading.leave() // the proxy cuts its clients then
        await node.within(Promise.allSettled([read]))
        await longAfter(node)
        assert.equal(node.origin.openBodies + node.peers.openBodies, 0, `turn ${turn}`)
        assert.equal(ended(node).length, 1, `told how often in turn ${turn}?`)
        assert.deepEqual([node.growingBytes(), node.retrievals.all().length], [0, 0], `turn ${turn}`)
      }
    })

  test('while the copy is being stored tells its end once', async () => {
    const stored = Promise.withResolvers<void>()
    const node = world({
      rule: { share: false },
      store: (clock) => withSlow('commit', clock, stored.promise),
      origin: () => whole(Buffer.from('x')),
    })
    const given = await node.get()
    assert.deepEqual([given.text, given.error], ['x', undefined])
    node.retrievals.stop()
    stored.resolve()
    await node.settle()
    assert.equal(ended(node).length, 1)
    assert.deepEqual([node.growingBytes(), node.retrievals.all().length], [0, 0])
  })

  test('while a proof is looked up', async () => {
    const node = world({
      expectation: digestOf(OLD),
      offers: [offer(SIZE)],
      peers: trickle(),
      origin: trickle(),
    })
    const application = node.ask()
    node.retrievals.stop()
    await assert.rejects(node.within(application.resource), { code: 'STOPPING' })
    assert.equal(ended(node).length, 1)
  })
})

describe('what is only passed on', () => {
  for (const [name, reply, asking] of [
    ['with a body', { status: 200, fields: [['Cache-Control', 'no-store']], body: 'hello' }, []],
    ['without one (204)', { status: 204, fields: [] }, []],
    ['without one (304)', { status: 304, fields: V1 }, [['If-None-Match', '"v1"']]],
    ['as an error', { status: 404, fields: [['Content-Length', '4']], body: 'gone' }, []],
  ] as [string, Reply, Fields][])
    test(`tells its end once: ${name}`, async () => {
      const node = world({ rule: { share: false }, origin: () => reply })
      const given = await node.get(asking)
      assert.deepEqual([given.status, given.text], [reply.status, reply.body ?? ''])
      await node.settle()
      assert.deepEqual(
        ended(node).map((each) => each.bytes.internet),
        [given.text.length],
      )
    })

  test('is given up when its application leaves, read or not', async () => {
    const node = world({ rule: { share: false }, origin: uncached })
    const application = node.ask()
    await node.within(application.resource)
    application.leave()
    await node.settle()
    assert.deepEqual([node.origin.openBodies, ended(node).length], [0, 1])
  })
})

describe('peers that send wrong bytes', () => {
  test('of a file that is verified first are shunned, and the application never knows', async () => {
    const node = world({
      expectation: digestOf(OLD),
      offers: [offer(SIZE)],
      peers: () => whole(NEW),
      origin: () => whole(OLD),
    })
    const given = await node.get()
    assert.deepEqual(
      [given.text === OLD.toString('latin1'), given.error, given.how],
      [true, undefined, 'internet'],
    )
    assert.deepEqual(shunned(node), [[PEER, 'bad-bytes']])
  })

  test('on a disk that cannot be emptied of them cost the application nothing', async () => {
    const broken = new Fault('STORE_FAILED', 'cannot truncate')
    const node = world({
      expectation: digestOf(OLD),
      offers: [offer(SIZE)],
      peers: () => whole(NEW),
      origin: () => whole(OLD),
      store(clock) {
        const store = memoryStore({ maxBytes: 1_000_000_000, clock })
        const create = store.create.bind(store)
        store.create = async (...args) =>
          Object.assign(await create(...args), { reset: () => Promise.reject(broken) })
        return store
      },
    })
    const given = await node.get()
    assert.deepEqual(
      [given.text === OLD.toString('latin1'), given.error, given.how],
      [true, undefined, 'internet'],
    )
    assert.deepEqual([shunned(node), node.growingBytes()], [[[PEER, 'bad-bytes']], 0])
  })

  test('of a file that is streamed never see it end well', async () => {
    const node = world({
      expectation: digestOf(OLD),
      downloads: [download(SIZE)],
      peers: () => whole(NEW),
      origin: () => whole(OLD),
    })
    const given = await node.get()
    assert.ok(given.error instanceof Fault && given.error.code === 'VERIFICATION_FAILED')
    assert.ok(given.text.length <= SIZE - 256 * 1024, 'the last block was not held back')
    assert.deepEqual([shunned(node), node.store.lookup(A)], [[[PEER, 'bad-bytes']], []])
    assert.equal(node.growingBytes(), 0)
  })
})

describe('the progress that others are told', () => {
  test('is the rate of the source in use, not of the one before it', async () => {
    const more = new Flow()
    const node = world({
      expectation: digestOf(OLD),
      downloads: [download(SIZE)],
      peers: () => ({ ...whole(OLD), body: new Flow().push(OLD.subarray(0, 2_000_000)).breakOff() }),
      origin: () => ({ ...rest(OLD, 2_000_000), body: more }),
    })
    const reading = node.ask()
    await node.within(reading.resource)
    await node.pass(20) // those who read the same are asked first
    more.push(OLD.subarray(0, 1000))
    await node.settle()
    node.clock.advance(1000)
    assert.equal(node.retrievals.all()[0]?.progress().bytesPerSecond, 1000)
    reading.leave()
  })
})

describe('the speed that people are shown', () => {
  const sources: readonly [name: string, (come: Flow) => Scene][] = [
    ['the origin server', (come) => ({ origin: () => ({ ...whole(OLD), body: come }) })],
    [
      'a peer',
      (come) => ({
        expectation: digestOf(OLD),
        downloads: [download(SIZE)],
        peers: () => ({ ...whole(OLD), body: come }),
        origin: () => assert.fail(),
        // It is waited for as long as the test lasts.
        isBusy: true,
      }),
    ],
  ]
  for (const [name, scene] of sources)
    test(`is none where nothing comes from ${name} any more, whatever others are told`, async () => {
      const come = new Flow()
      const node = world(scene(come))
      const reading = node.ask()
      await node.pass(100)
      come.push(OLD.subarray(0, 200_000))
      await node.settle()
      node.clock.advance(400)
      const [retrieval] = node.retrievals.all()
      assert.ok(retrieval)
      assert.ok((retrieval.shown().bytesPerSecond ?? 0) >= 400_000)
      node.clock.advance(10_000)
      assert.equal(retrieval.shown().bytesPerSecond, 0)
      assert.ok((retrieval.progress().bytesPerSecond ?? 0) > 0)
      reading.leave()
    })
})

const LIMIT = SIZE + 1000

/** Whatever waits for something has given up. */
async function longAfter(node: World): Promise<void> {
  await node.pass(100)
  node.clock.advance(130_000)
  await node.settle()
}

async function roomFor({ store }: World, bytes: number): Promise<void> {
  const copy = await store.create(bytes)
  await copy.discard()
}

/** A store that takes its time over one thing. */
function withSlow(what: 'create' | 'commit', clock: ManualClock, ready: Promise<void>): Store {
  const store = memoryStore({ maxBytes: LIMIT, clock })
  const work = store[what].bind(store) as (...inputs: unknown[]) => Promise<unknown>
  const late = async (...inputs: unknown[]) => {
    await ready
    return work(...inputs)
  }
  return Object.assign(store, { [what]: late })
}

/** Some bytes at once, then nothing more. */
function trickle(): Answering {
  return () => begun(V1)
}

function uncached(): Reply {
  return { status: 200, fields: [['Cache-Control', 'no-store']], body: new Flow().push('some') }
}

/** Some moments of the first 60 ms: between them lies one turn of the event loop, and every fifth time 10 ms. */
async function turns(node: World, count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await Promise.resolve()
    if (turn % 5 === 4) node.clock.advance(5)
    if (turn % 3 === 2) await oneTurn()
  }
}

function oneTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

describe('a file that proves wrong on its way from the origin server (by a gateway)', () => {
  test('is not gone on with: the next application gets it from its first byte', async () => {
    const wrong = new Fault('VERIFICATION_FAILED', 'other bytes')
    const etag: Fields = [['ETag', '"1"']]
    const node = world({
      rule: { share: false, immutable: true },
      origin: (_, n) =>
        n === 1
          ? { ...whole(OLD, etag), body: new Flow().push(OLD.subarray(0, SIZE - 1)).breakOff(wrong) }
          : whole(NEW, etag),
    })
    assert.ok((await node.get()).error instanceof Fault, 'cut, so that nobody takes it for the whole')
    await node.settle()
    assert.equal((await node.get()).text, NEW.toString())
    assert.equal(fieldValue(node.origin.requests[1]?.fields ?? [], 'range'), undefined)
  })
})
