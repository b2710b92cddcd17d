import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { memoryStore } from '../../cache/memory-store.ts'
import type { EpochMs } from '../../core/clock.ts'
import type { Fields } from '../../core/fields.ts'
import type { ResponseHead, Store } from '../../core/store.ts'
import { compileRules, type Rule } from '../../retrieval/rules.ts'
import { cacheOperations, type CacheOperations, type PurgeStep } from '../../service/cache-operations.ts'
import { manualClock } from '../manual-clock.ts'
import { all, bytesOf, fault, headOf, MIB, put, readAll, uriOf } from '../cache/store-fixtures.ts'

const NOW = 1_700_000_000_000

const RULES: readonly Rule[] = [
  {
    match: '/open/**',
    rule: 'open',
    share: true,
    immutable: true,
    store: true,
    verify: 'auto',
    waitForDownloads: true,
  },
]

async function cacheOf(...responses: readonly [name: string, size: number, head?: Partial<ResponseHead>][]) {
  const clock = manualClock()
  const store = memoryStore({ maxBytes: 64 * MIB, clock })
  await store.start()
  for (const [name, size, head] of responses)
    await put(store, name, bytesOf(size), { requestTime: at(0), responseTime: at(0), fields: [], ...head })
  return { store, clock, cache: cacheOperations({ clock, store, rules: () => compileRules(RULES, []) }) }
}

/** Keeps the first `held` of `size` bytes as a partial copy. */
async function putPart(store: Store, name: string, held: number, size: number): Promise<void> {
  const copy = await store.create(held, size)
  copy.setSize(size)
  await copy.write(0, bytesOf(held))
  await store.shelve(
    copy,
    headOf(name, { requestTime: at(0), responseTime: at(0), fields: cacheControl('max-age=60') }),
  )
}

/** So many seconds after the beginning. */
function at(seconds: number): EpochMs {
  return (NOW + seconds * 1000) as EpochMs
}

function cacheControl(value: string): Fields {
  return [['Cache-Control', value]]
}

async function names(cache: CacheOperations, target?: string): Promise<string[]> {
  return (await all(cache.list({ target }))).map(({ uri }) => uri.slice(uriOf('').length))
}

describe('looking into the cache', () => {
  it('shows every response, the least recently used first, and marks nothing as used', async () => {
    const { store, cache } = await cacheOf(['a', 1], ['b', 2], ['c', 3])
    const [a] = store.lookup(uriOf('a'))
    if (a) await readAll(store, a)
    assert.deepEqual(await names(cache), ['b', 'c', 'a'])
    assert.deepEqual(await names(cache), ['b', 'c', 'a'])
  })

  it('tells size, age, freshness, source and whether peers may have it', async () => {
    const { cache } = await cacheOf(
      ['open/a', 10, { source: 'peer' }],
      ['open/b', 20, { shareable: false, fields: cacheControl('max-age=100') }],
      ['c', 30, { responseTime: at(-40), fields: cacheControl('max-age=100') }],
      ['d', 40, { fields: cacheControl('max-age=100, no-cache') }],
      ['e', 50, { responseTime: at(-40), fields: cacheControl('max-age=30') }],
    )
    const year = 365 * 24 * 3600
    assert.deepEqual(
      (await all(cache.list({}))).map(({ bytes, ageMs, freshMs, source, shared }) => [
        bytes,
        ageMs / 1000,
        freshMs / 1000,
        source,
        shared,
      ]),
      [
        [10, 0, year, 'peer', true],
        [20, 0, year, 'internet', false],
        [30, 40, 60, 'internet', false],
        [40, 0, 0, 'internet', false],
        [50, 40, -10, 'internet', false],
      ],
    )
  })

  it('finds a variant fresh for the request that it answered', async () => {
    const fields: Fields = [...cacheControl('max-age=60'), ['Vary', 'Accept']]
    const { cache } = await cacheOf(['a', 1, { fields, selecting: [['Accept', 'x']] }])
    const [entry] = await all(cache.list({}))
    assert.equal(entry?.freshMs, 60_000)
  })

  it('shows no query, and finds by pattern as rules do', async () => {
    const { cache } = await cacheOf(['pool/a.deb?token=secret', 1], ['pool/b.deb', 2], ['c.rpm', 3])
    assert.deepEqual(await names(cache), ['pool/a.deb?…', 'pool/b.deb', 'c.rpm'])
    assert.deepEqual(await names(cache, '*.deb'), ['pool/a.deb?…', 'pool/b.deb'])
    assert.deepEqual(await names(cache, 'http://updates.example/*'), ['c.rpm'])
    assert.deepEqual(await names(cache, '/pool/**'), ['pool/a.deb?…', 'pool/b.deb'])
  })

  it('shows what is not whole, and how much of it is here', async () => {
    const { store, cache } = await cacheOf(['open/a', 10])
    await putPart(store, 'open/part?token=secret', 1000, 5000)
    const entries = await all(cache.list({}))
    assert.deepEqual(
      entries.map(({ uri, bytes, ofBytes, digest, freshMs, shared }) => [
        uri.slice(uriOf('').length),
        bytes,
        ofBytes,
        digest === undefined,
        freshMs > 0,
        shared,
      ]),
      [
        ['open/part?…', 1000, 5000, true, true, false],
        ['open/a', 10, undefined, false, true, true],
      ],
    )
    assert.equal(new Set(entries.map(({ id }) => id)).size, 2)
    assert.deepEqual(await names(cache, '/open/part'), ['open/part?…'])
    assert.deepEqual(await names(cache, '*.deb'), [])
  })

  it('lets others have their turn among many', async () => {
    const many = Array.from({ length: 300 }, (_, number): [string, number] => [String(number), 1])
    const { cache } = await cacheOf(...many)
    let turns = 0
    const count = () => {
      turns += 1
      if (turns < 100) setImmediate(count)
    }
    setImmediate(count)
    assert.equal((await names(cache)).length, 300)
    assert.ok(turns >= 2)
  })

  it('refuses what is neither URL nor pattern, without repeating it', async () => {
    const { cache } = await cacheOf()
    for (const target of ['', '{a', '[z-a]', 'x'.repeat(3000)])
      await assert.rejects(
        all(cache.list({ target })),
        (error) => fault('BAD_REQUEST')(error) && !String(error).includes('z-a'),
        target.slice(0, 10),
      )
  })
})

describe('purging', () => {
  async function purge(cache: CacheOperations, target: string, isDryRun = false): Promise<PurgeStep[]> {
    return all(cache.purge({ target, isDryRun }))
  }
  const left = async (store: Store) => [...store.list()].map(({ uri }) => uri.slice(uriOf('').length))

  it('a URL removes what is stored under exactly this URL, with its query and in every variant', async () => {
    const { store, cache } = await cacheOf(
      ['a?x=1', 1],
      ['a?x=2', 2],
      ['a', 3],
      ['a', 4, { selecting: [['Accept', 'x']] }],
    )
    assert.deepEqual(await purge(cache, uriOf('a?x=1')), [{ kind: 'done', responses: 1, bytes: 1 }])
    assert.deepEqual(await left(store), ['a', 'a', 'a?x=2'])
    assert.deepEqual(await purge(cache, 'HTTP://Updates.Example:80/%61'), [
      { kind: 'done', responses: 2, bytes: 7 },
    ])
    assert.deepEqual(await left(store), ['a?x=2'])
  })

  it('removes what is not whole as well, by its URL or by pattern', async () => {
    const { store, cache } = await cacheOf(['a', 10])
    await putPart(store, 'part[1]', 1000, 5000)
    await putPart(store, 'b', 500, 5000)
    await putPart(store, 'a', 100, 5000)
    const dry = await purge(cache, '**', true)
    assert.deepEqual(dry.at(-1), { kind: 'done', responses: 4, bytes: 1610 })
    assert.equal(dry.length, 5)
    assert.deepEqual(await purge(cache, uriOf('part[1]')), [{ kind: 'done', responses: 1, bytes: 1000 }])
    assert.deepEqual(
      store.partials().map(({ uri }) => uri),
      [uriOf('a'), uriOf('b')],
    )
    assert.deepEqual(await purge(cache, '**'), [{ kind: 'done', responses: 3, bytes: 610 }])
    assert.deepEqual([store.partials(), store.usage().bytes], [[], 0])
  })

  it('a URL with characters of patterns is that URL, if it is stored', async () => {
    const { store, cache } = await cacheOf(['a*?b[]=1', 1], ['ab?b[]=1', 1], ['a?c', 2], ['abc', 3])
    await purge(cache, uriOf('a*?b[]=1'))
    assert.deepEqual(await left(store), ['abc', 'a?c', 'ab?b[]=1'])
    await purge(cache, uriOf('a?c'))
    assert.deepEqual(await left(store), ['abc', 'ab?b[]=1'])
    assert.deepEqual(await purge(cache, uriOf('nothing?b[]=1')), [{ kind: 'done', responses: 0, bytes: 0 }])
  })

  it('a URL as it was shown, without its query, means every query', async () => {
    const { store, cache } = await cacheOf(['a?token=1', 1], ['a?token=2', 1], ['b', 1])
    await purge(cache, uriOf('a?…'))
    assert.deepEqual(await left(store), ['b'])
  })

  it('a pattern removes what it matches, and ** everything', async () => {
    const { store, cache } = await cacheOf(['a.deb', 1], ['b.deb', 2], ['c.rpm', 3])
    assert.deepEqual(await purge(cache, '*.deb'), [{ kind: 'done', responses: 2, bytes: 3 }])
    assert.deepEqual(await left(store), ['c.rpm'])
    await purge(cache, '**')
    assert.deepEqual([await left(store), store.usage().bytes], [[], 0])
  })

  it('counts the bytes that the disk gets back: equal bodies once, and not what others still have', async () => {
    const { store, cache } = await cacheOf(['a', 100], ['b', 100], ['c', 100], ['d', 200])
    assert.deepEqual(await purge(cache, '{a,d}'), [{ kind: 'done', responses: 2, bytes: 200 }])
    assert.equal(store.usage().bytes, 100)
    assert.deepEqual(await purge(cache, '{b,c}'), [{ kind: 'done', responses: 2, bytes: 100 }])
    assert.equal(store.usage().bytes, 0)
  })

  it('a dry run tells the same and removes nothing', async () => {
    const { store, cache } = await cacheOf(['a?secret', 1], ['b', 2])
    const steps = await purge(cache, '**', true)
    assert.deepEqual(
      steps.map((step) => (step.kind === 'would-go' ? step.entry.uri : step)),
      [uriOf('a?…'), uriOf('b'), { kind: 'done', responses: 2, bytes: 3 }],
    )
    assert.equal((await left(store)).length, 2)
  })

  it('tells how far it has come among many', async () => {
    const many = Array.from({ length: 80 }, (_, number): [string, number] => [String(number), 1])
    const { cache } = await cacheOf(...many)
    assert.deepEqual(await purge(cache, '**'), [
      { kind: 'progress', responses: 32, ofResponses: 80 },
      { kind: 'progress', responses: 64, ofResponses: 80 },
      { kind: 'done', responses: 80, bytes: 1 },
    ])
  })

  it('announces what went, so that it is offered to nobody any more', async () => {
    const { store, cache } = await cacheOf(['a', 1])
    const removed: string[] = []
    store.subscribe((event) => removed.push(`${event.kind} ${event.response.uri}`))
    await purge(cache, uriOf('a'))
    assert.deepEqual(removed, [`removed ${uriOf('a')}`])
  })
})

describe('verifying', () => {
  it('reads every body once and says how many are right', async () => {
    const { cache } = await cacheOf(['a', 3 * MIB], ['b', 3 * MIB], ['c', 0], ['d', 10])
    assert.deepEqual(await all(cache.verify()), [
      { kind: 'done', bodies: 3, partials: 0, bytes: 3 * MIB + 10 },
    ])
  })

  it('says now and then how far it has come', async () => {
    const { clock, store } = await cacheOf(['a', 3 * MIB])
    const slow: Store = {
      ...store,
      usage: () => store.usage(),
      async *verify() {
        for await (const finding of store.verify()) {
          clock.advance(100)
          yield finding
        }
      },
    }
    const steps = await all(
      cacheOperations({ clock, store: slow, rules: () => compileRules([], []) }).verify(),
    )
    const progress = steps.filter((step) => step.kind === 'progress')
    assert.ok(progress.length >= 2 && progress.length <= 7)
    for (const step of progress) assert.equal(step.ofBytes, 3 * MIB)
    assert.deepEqual(steps.at(-1), { kind: 'done', bodies: 1, partials: 0, bytes: 3 * MIB })
  })
})
