import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { memoryStore } from '../../cache/memory-store.ts'
import { fieldValue, withoutFields, type Fields } from '../../core/fields.ts'
import { parseRange } from '../../core/ranges.ts'
import { diskStore } from '../../cache/disk-store.ts'
import { systemRandom } from '../../core/random.ts'
import { flipBit, MIB, temporaryDirectory, turns, until } from '../cache/store-fixtures.ts'
import { onFileSystem, withoutFileSystem } from '../cache/small-file-system.ts'
import { distinctBytes, RangedOrigin } from './ranged-origin.ts'
import { A, ended, sha256, world, type Given, type World } from './world.ts'

const SIZE = 5 * MIB
const TAGGED: Fields = [['ETag', '"1"']]
/** In the fourth piece: readers have three of them then. */
const DAMAGE = 3 * MIB + 100

interface Scene {
  readonly node: World
  readonly origin: RangedOrigin
  readonly directory: string
}

/** A node whose stored file is damaged after its beginning, on a disk. */
async function damaged(context: TestContext, fields = TAGGED): Promise<Scene> {
  const directory = temporaryDirectory(context)
  const origin = new RangedOrigin({ body: distinctBytes(SIZE), fields, cacheControl: 'max-age=3600' })
  const node = world({
    origin: origin.answer,
    store: (clock) =>
      diskStore(
        { directory, maxBytes: 64 * MIB, memoryBytes: 0 },
        { clock, random: systemRandom, log: () => {} },
      ),
  })
  await node.store.start()
  context.after(() => node.store.stop())
  await node.get()
  await until(() => node.store.lookup(A).length === 1)
  // Its row is written with others of the same moment.
  await turns()
  const [stored] = node.store.lookup(A)
  assert.ok(stored)
  flipBit(directory, stored, DAMAGE)
  origin.asked.length = 0
  return { node, origin, directory }
}

function latin(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

describe('a hit whose bytes prove damaged in the middle', () => {
  test('goes on from the origin server, which is asked for the rest alone', async (context) => {
    const { node, origin } = await damaged(context)
    const given = await node.get()
    assert.deepEqual([given.error, given.text === latin(origin.file.body)], [undefined, true])
    assert.deepEqual(origin.asked, [`bytes=${3 * MIB}-`])
    assert.deepEqual(node.store.lookup(A), [])
  })

  test('has its rest fetched once for all who read it, and kept: the next one asks for what is missing', async (context) => {
    const { node, origin } = await damaged(context)
    const given = await Promise.all([1, 2, 3, 4].map(() => node.get()))
    for (const { error, text } of given)
      assert.deepEqual([error, text === latin(origin.file.body)], [undefined, true])
    assert.deepEqual(origin.asked, [`bytes=${3 * MIB}-`])
    await until(() => node.store.partials(A).length === 1)
    assert.ok((await node.get()).text === latin(origin.file.body))
    assert.deepEqual(origin.asked, [`bytes=${3 * MIB}-`, `bytes=0-${3 * MIB - 1}`])
    assert.equal(origin.sent, 2 * SIZE, 'the first time, and once more')
  })

  test('of which a range is asked for gets the rest of that range', async (context) => {
    const { node, origin } = await damaged(context)
    const given = await node.get([['Range', `bytes=1000-${4 * MIB}`]])
    assert.equal(given.error, undefined)
    assert.ok(given.text === latin(origin.file.body.subarray(1000, 4 * MIB + 1)))
    assert.deepEqual(origin.asked, [`bytes=${3 * MIB}-${4 * MIB}`])
  })

  test('goes on from an origin server that sends the whole in place of a part', async (context) => {
    const { node, origin } = await damaged(context)
    const reply = origin.reply.bind(origin)
    origin.reply = (request) => reply({ ...request, fields: [] })
    const given = await node.get()
    assert.deepEqual([given.error, given.text === latin(origin.file.body)], [undefined, true])
  })

  for (const [why, spoil] of [
    [
      'the origin server has another version',
      ({ origin }: Scene) => (origin.file.fields = [['ETag', '"2"']]),
    ],
    ['nobody answers', ({ origin }: Scene) => (origin.reply = () => ({ status: 503, fields: [] }))],
    [
      'the rest breaks off',
      ({ origin }: Scene) => {
        const reply = origin.reply.bind(origin)
        origin.reply = (request) => {
          const { start = 0 } = parseRange(fieldValue(request.fields, 'range') ?? '', SIZE)?.[0] ?? {}
          return { ...reply(request), body: origin.file.body.subarray(start, start + 1000) }
        }
      },
    ],
  ] as const)
    test(`breaks off where ${why}: no byte of anything else is given`, async (context) => {
      const scene = await damaged(context)
      const { body } = scene.origin.file
      spoil(scene)
      const given = await scene.node.get()
      assert.ok(given.error instanceof Error)
      assert.ok(latin(body).startsWith(given.text))
    })

  test('breaks off where nothing tells whether it is the same file', async (context) => {
    const { node, origin } = await damaged(context, [])
    assert.ok((await node.get()).error instanceof Error)
    assert.deepEqual(origin.asked, [])
  })

  test('breaks off for an application that wants nobody asked', async (context) => {
    const { node, origin } = await damaged(context)
    assert.ok((await node.get([['Cache-Control', 'only-if-cached']])).error instanceof Error)
    assert.deepEqual(origin.asked, [])
  })

  test('whose first bytes are damaged is another answer, and stored anew', async (context) => {
    const { node, origin, directory } = await damaged(context)
    const [stored] = node.store.lookup(A)
    assert.ok(stored)
    flipBit(directory, stored, 5)
    const given = await node.get()
    assert.deepEqual([given.error, given.text === latin(origin.file.body)], [undefined, true])
    assert.deepEqual(origin.asked, [undefined])
    await until(() => node.store.lookup(A).length === 1)
  })
})

/** Of the store, in bytes. */
interface Limits {
  readonly maxBytes: number
  readonly maxObjectBytes?: number
}

describe('a body for which there is no room', () => {
  const LIMIT = 2 * MIB

  /** One whose length nobody knows before its end. */
  function unbounded(fields: Fields, limits: Limits = { maxBytes: LIMIT }): Scene['node'] {
    const body = distinctBytes(SIZE)
    const origin = new RangedOrigin({ body, fields, cacheControl: 'max-age=3600' })
    return world({
      rule: { share: false },
      store: (clock) => memoryStore({ ...limits, clock }),
      origin(request) {
        const reply = origin.reply(request)
        return reply.status === 200
          ? { ...reply, fields: withoutFields(reply.fields, ['content-length']) }
          : reply
      },
    })
  }

  test('but for its being too large to be stored is given whole, and not stored', async () => {
    const node = unbounded([], { maxBytes: 4 * SIZE, maxObjectBytes: LIMIT })
    for (let times = 1; times <= 2; times += 1) {
      const [given, other] = await Promise.all([node.get(), node.get()])
      for (const { error, text } of [given, other])
        assert.deepEqual([error, text === latin(distinctBytes(SIZE))], [undefined, true])
      await node.settle()
      assert.deepEqual([node.store.usage().bytes, node.origin.requests.length], [0, times])
    }
  })

  test('goes on from the origin server where its validator is strong', async () => {
    const node = unbounded(TAGGED)
    const given = await node.get()
    assert.deepEqual([given.error, given.text === latin(distinctBytes(SIZE))], [undefined, true])
    await node.settle()
    assert.deepEqual([node.growingBytes(), node.origin.openBodies], [0, 0])
    const told = ended(node).reduce((sum, { bytes }) => sum + bytes.internet, 0)
    assert.ok(told >= SIZE, `${told} of ${SIZE} bytes are in the books`)
  })

  test('is cut where nothing tells whether it is the same, and passed on when it is asked for again', async () => {
    const node = unbounded([])
    assert.ok((await node.get()).error instanceof Error)
    for (let time = 0; time < 3; time++) {
      const again = await node.get()
      assert.deepEqual([again.error, again.text === latin(distinctBytes(SIZE))], [undefined, true])
    }
    await node.settle()
    assert.deepEqual([node.growingBytes(), node.retrievals.all().length], [0, 0])
  })
})

/** A node whose partial copies lie on a disk. */
async function onDisk(context: TestContext, directory: string, size: number): Promise<Scene> {
  const origin = new RangedOrigin({ body: distinctBytes(size), fields: TAGGED, cacheControl: 'max-age=3600' })
  const node = world({
    rule: { share: false },
    origin: origin.answer,
    store: (clock) =>
      diskStore(
        { directory, maxBytes: 64 * MIB, memoryBytes: 0, reserveBytes: 0 },
        { clock, random: systemRandom, log: () => {} },
      ),
  })
  await node.store.start()
  context.after(() => node.store.stop())
  return { node, origin, directory }
}

async function getsRange({ node, origin }: Scene, start: number, end: number): Promise<Given> {
  const given = await node.get([['Range', `bytes=${start}-${end - 1}`]])
  assert.deepEqual([given.status, given.error], [206, undefined])
  assert.ok(given.text === latin(origin.file.body.subarray(start, end)), 'other bytes were delivered')
  return given
}

function partialFile({ directory }: Scene): string {
  return join(directory, 'growing', readdirSync(join(directory, 'growing'))[0] ?? '')
}

describe('a range of a partial copy', () => {
  for (const [how, damage] of [
    ['was removed', rmSync],
    ['was cut', (path: string) => truncateSync(path, 100)],
  ] as const)
    test(`whose file ${how} is fetched again, once, and is here from then on`, async (context) => {
      const scene = await onDisk(context, temporaryDirectory(context), SIZE)
      const { node, origin } = scene
      await getsRange(scene, 0, 2 * MIB)
      await until(() => node.store.partials(A).length === 1)
      damage(partialFile(scene))
      await getsRange(scene, 0, MIB)
      await getsRange(scene, 0, MIB)
      await until(() => node.store.partials(A).length === 1)
      origin.asked.length = 0
      await getsRange(scene, 0, MIB)
      assert.deepEqual(origin.asked, [])
      const whole = await node.get()
      assert.deepEqual([whole.error, whole.text === latin(origin.file.body)], [undefined, true])
    })

  test('of which a bit was flipped is fetched again, and the whole is stored as it is', async (context) => {
    const scene = await onDisk(context, temporaryDirectory(context), SIZE)
    const { node, origin } = scene
    await getsRange(scene, MIB, 3 * MIB)
    await until(() => node.store.partials(A).length === 1)
    const path = partialFile(scene)
    const bytes = readFileSync(path)
    bytes[2 * MIB + 5] = (bytes[2 * MIB + 5] ?? 0) ^ 1
    writeFileSync(path, bytes)
    const { cacheStatus } = await getsRange(scene, 2 * MIB, 2 * MIB + 10)
    const told = { kind: 'forward', reason: 'partial', status: 206, isStored: true, isCollapsed: false }
    assert.deepEqual(cacheStatus, { ...told, detail: 'internet' }, 'it was no hit')
    const whole = await node.get()
    assert.deepEqual([whole.error, whole.text === latin(origin.file.body)], [undefined, true])
    await until(() => node.store.lookup(A).length === 1)
    assert.equal(node.store.lookup(A)[0]?.digest, sha256(origin.file.body))
  })

  test('is passed on from the byte on where the disk failed, and so is the whole, each time', async (context) => {
    const scene = await onDisk(context, temporaryDirectory(context), SIZE)
    const { node, origin, directory } = scene
    const growing = join(directory, 'growing')
    rmSync(growing, { recursive: true })
    writeFileSync(growing, 'nothing can lie in here')
    for (let time = 0; time < 2; time += 1) {
      const whole = await node.get()
      assert.deepEqual([whole.error, whole.text === latin(origin.file.body)], [undefined, true])
      await getsRange(scene, MIB, 4 * MIB)
    }
    await node.settle()
    assert.deepEqual([...node.store.list()], [])
    assert.deepEqual([node.growingBytes(), node.origin.openBodies], [0, 0])
    rmSync(growing)
    mkdirSync(growing)
  })

  test(
    'for which the disk has no room is passed on, from the byte on where it came to its end',
    { skip: withoutFileSystem },
    onFileSystem('4m', async (context, directory) => {
      const scene = await onDisk(context, directory, 8 * MIB)
      try {
        // The second one comes to the end of the disk in its middle.
        for (const start of [0, 3 * MIB, 6 * MIB])
          await getsRange(scene, start, Math.min(start + 3 * MIB, 8 * MIB))
        assert.ok(scene.origin.sent <= 9 * MIB, `${scene.origin.sent} bytes were fetched`)
      } finally {
        await scene.node.store.stop()
      }
    }),
  )
})
