import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { seededRandom } from '../../core/random.ts'
import { DEFAULT_POLICY } from '../../retrieval/rules.ts'
import type { Resource, ResourceRequest } from '../../retrieval/resource.ts'
import { headStart, MOST_MS, SPREAD_MS, type Came } from '../../service/head-start.ts'
import { MAX_CATALOGUE_BYTES } from '../../update/limits.ts'
import { manualClock } from '../manual-clock.ts'
import { DAY, world, type World } from '../update/world.ts'

const COMPONENTS = {
  a: ['1.0', 'one'],
  b: ['1.0', 'two'],
  c: ['1.0', 'three'],
  d: ['1.0', 'four'],
} as const

/** Lets what follows from promises happen. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** What comes, or what there is to say of the file that comes. */
type Given = Resource | Partial<Resource['trace']>

interface Scene {
  readonly made: World
  readonly asked: ResourceRequest[]
  /** What comes in place of a file. */
  give: (request: ResourceRequest, name: string) => Promise<Given>
  start: () => ReturnType<typeof headStart>
  readonly clock: ReturnType<typeof manualClock>
  readonly ending: AbortController
  mayStore: boolean
}

function scene(t: TestContext): Scene {
  const clock = manualClock()
  const made = world(t, Math.floor(clock.wall() / 60_000) * 60_000)
  made.publish(COMPONENTS)
  const asked: ResourceRequest[] = []
  const ending = new AbortController()
  const built: Scene = {
    made,
    asked,
    clock,
    ending,
    mayStore: true,
    give: async () => ({}),
    start: () =>
      headStart(
        made.settings(),
        {
          clock,
          random: { ...seededRandom(1), fraction: () => 0.5 },
          policyFor: () => ({ ...DEFAULT_POLICY, store: built.mayStore }),
          via: () => ['Via', '1.1 test'],
          get,
        },
        ending.signal,
      ),
  }
  async function get(request: ResourceRequest): Promise<Resource> {
    asked.push(request)
    const name = new URL(request.uri).pathname.slice(1)
    const given = await built.give(request, name)
    if ('answer' in given) return given
    const isStored = name !== 'myupdate.cab'
    const cacheStatus = { kind: 'forward', reason: 'uri-miss', isStored } as const
    return answer(made.file(name), { how: 'internet', cacheStatus, ...given })
  }
  return built
}

function answer(bytes: Uint8Array, trace: Resource['trace'], status = 200): Resource {
  const body = (async function* () {
    yield bytes
  })()
  return { answer: { status, fields: [], body }, trace }
}

const names = ({ asked }: Scene) =>
  asked.map(({ uri }) => new URL(uri).pathname.slice(1).replace(/\.\d{12}\.cab$/, ''))

test('the catalogue comes from the origin server, and the packages that it asks for, three at once, before there is a thread', async (t) => {
  const each = scene(t)
  const first = deferred<void>()
  each.give = async (_, name) => {
    if (name.startsWith('a.')) await first.promise
    return name.startsWith('b.') ? { how: 'in-progress' } : {}
  }
  const starting = each.start()
  await settled()
  assert.deepEqual(names(each), ['myupdate.cab', 'a', 'b', 'c', 'd'])
  const [catalogue, a] = each.asked
  assert.equal(catalogue?.mayAskPeers, false)
  assert.deepEqual(catalogue?.received.at(-1), ['Cache-Control', 'no-cache'])
  assert.equal(a?.mayAskPeers, undefined)
  assert.deepEqual(a?.forwarded.at(-1), ['Via', '1.1 test'])
  first.resolve()
  const begun = await starting
  assert.deepEqual(begun.catalogue, each.made.file('myupdate.cab'))
  const came: Came[] = []
  begun.listen((one) => came.push(one))
  const told = came.map(({ url, source }) => `${new URL(url).pathname.slice(1, 2)} ${source}`)
  assert.deepEqual(told.toSorted(), ['a internet', 'b peer', 'c internet', 'd internet'])
})

test('no more than three packages are under way', async (t) => {
  const each = scene(t)
  const never = deferred<Resource>()
  each.give = async (_, name) => (name === 'myupdate.cab' ? {} : never.promise)
  void each.start()
  await settled()
  assert.deepEqual(names(each), ['myupdate.cab', 'a', 'b', 'c'])
})

test('while packages come, the thread starts at a moment of this machine’s own, and hears of the others later', async (t) => {
  const each = scene(t)
  const slow = deferred<void>()
  each.give = async (_, name) => {
    if (name.startsWith('d.')) await slow.promise
    return {}
  }
  let isBegun = false
  const starting = each.start().finally(() => (isBegun = true))
  await settled()
  each.clock.advance(SPREAD_MS / 2 - 1)
  await settled()
  assert.equal(isBegun, false)
  each.clock.advance(1)
  const begun = await starting
  const came: string[] = []
  begun.listen(({ url }) => came.push(url))
  assert.equal(came.length, 3)
  slow.resolve()
  await settled()
  assert.equal(came.length, 4)
})

test('a catalogue that does not come holds up the thread for two seconds at most', async (t) => {
  const each = scene(t)
  each.give = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('ended'))))
  const starting = each.start()
  await settled()
  each.clock.advance(MOST_MS)
  assert.equal((await starting).catalogue, undefined)
})

test('a catalogue that is refused, or too long, is the thread’s to tell of: nothing else is asked for', async (t) => {
  const each = scene(t)
  const trace = { how: 'internet', cacheStatus: { kind: 'forward', reason: 'request' } } as const
  each.give = async () => answer(Buffer.from('no'), trace, 404)
  assert.equal((await each.start()).catalogue, undefined)
  each.give = async () => answer(Buffer.alloc(MAX_CATALOGUE_BYTES + 1), trace)
  assert.equal((await each.start()).catalogue, undefined)
  each.made.now += DAY
  each.give = async () => answer(Buffer.from('no cabinet'), trace)
  assert.deepEqual((await each.start()).catalogue, Buffer.from('no cabinet'))
  assert.deepEqual(names(each), ['myupdate.cab', 'myupdate.cab', 'myupdate.cab'])
})

test('what the cache does not keep is left to the thread, so that it comes once', async (t) => {
  const each = scene(t)
  let read = 0
  const cacheStatus = { kind: 'forward', reason: 'uri-miss', isStored: false } as const
  each.give = async (_, name): Promise<Given> => {
    if (name === 'myupdate.cab') return {}
    const body = counting(() => read++)
    return { answer: { status: 200, fields: [], body }, trace: { how: 'internet', cacheStatus } }
  }
  const begun = await each.start()
  begun.listen(() => assert.fail('nothing has come'))
  assert.equal(read, 0)
  assert.ok(each.asked.slice(1).every(({ signal }) => signal.aborted))
  each.asked.length = 0
  each.mayStore = false
  await each.start()
  assert.deepEqual(names(each), ['myupdate.cab'])
})

async function* counting(onRead: () => void): AsyncGenerator<Uint8Array> {
  onRead()
  yield new Uint8Array(1)
}

test('with the thread, or the node, what only this was waiting for ends', async (t) => {
  const each = scene(t)
  const never = deferred<Resource>()
  each.give = async (_, name) => (name === 'myupdate.cab' ? {} : never.promise)
  const starting = each.start()
  await settled()
  each.ending.abort()
  await starting
  assert.ok(each.asked.slice(1).every(({ signal }) => signal.aborted))
})
