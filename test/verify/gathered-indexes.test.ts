import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { memoryStore } from '../../cache/memory-store.ts'
import type { Fields } from '../../core/fields.ts'
import type { ResponseHead, Store } from '../../core/store.ts'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import { digestRecords, type DigestRecords } from '../../verify/digest-records.ts'
import {
  gatheredIndexes,
  MAX_DEFERRALS,
  MAX_WAITING,
  type GatheredIndexesComponents,
  type GatheringEvent,
} from '../../verify/gathered-indexes.ts'
import { manualClock, type ManualClock } from '../manual-clock.ts'

const HEX = 'a'.repeat(64)
const OTHER_HEX = 'b'.repeat(64)
const SIMPLE = 'http://p.test/simple/x/'
const HTML: Fields = [['Content-Type', 'text/html']]
const WHEEL = uri('http://p.test/files/x.whl')

test('a digest is known as soon as its index was read, behind the request', async () => {
  const { gathered, put, log } = scene()
  await put(SIMPLE, page(WHEEL, HEX), HTML)
  assert.equal(gathered.known(WHEEL), undefined)
  await gathered.idle()
  assert.deepEqual(gathered.known(WHEEL), { digest: { algorithm: 'sha-256', hex: HEX } })
  assert.deepEqual(log, [
    { kind: 'index-read', index: SIMPLE, format: 'PyPI (HTML)', digests: 1, outside: 0, elapsedMs: 0 },
  ])
  await gathered.stop()
})

test('who asks right after the index has come waits for it, other servers’ files do not', async () => {
  const { gathered, put } = scene()
  await put(SIMPLE, page(WHEEL, HEX), HTML)
  const other = gathered.find(uri('http://q.test/x.whl'))
  const wheel = gathered.find(WHEEL)
  assert.equal(await Promise.race([other, wheel]), undefined)
  assert.equal((await wheel)?.digest.hex, HEX)
  await gathered.stop()
})

test('an index is read when nothing is on its way for applications any more', async () => {
  let isBusy = true
  const { gathered, put, log, clock } = scene({ isBusy: () => isBusy })
  await put(SIMPLE, page(WHEEL, HEX), HTML)
  await waits(clock, 3)
  assert.deepEqual(log, [])
  isBusy = false
  await waits(clock, 1)
  await gathered.idle()
  assert.equal(gathered.known(WHEEL)?.digest.hex, HEX)
  await gathered.stop()
})

test('an index is read at once when a request waits for it, however busy the node is', async () => {
  const { gathered, put } = scene({ isBusy: () => true })
  await put(SIMPLE, page(WHEEL, HEX), HTML)
  assert.equal((await gathered.find(WHEEL))?.digest.hex, HEX)
  await gathered.stop()
})

test('a request that waits for a later index does so without keeping the node from reading it', async () => {
  const { gathered, put } = scene({ isBusy: () => true })
  for (const hex of [HEX, OTHER_HEX]) {
    await put(SIMPLE, page(WHEEL, hex), HTML)
    const [, found] = await Promise.all([
      gathered.find(uri('http://p.test/files/other')),
      gathered.find(WHEEL),
    ])
    assert.equal(found?.digest.algorithm, 'sha-256')
    await gathered.idle()
  }
  await put('http://p.test/simple/y/', page(uri('http://p.test/files/y.whl'), HEX), HTML)
  assert.equal((await gathered.find(uri('http://p.test/files/y.whl')))?.digest.hex, HEX)
  await gathered.stop()
})

test('a node that is never idle reads its indexes all the same', async () => {
  const { gathered, put, clock } = scene({ isBusy: () => true })
  await put(SIMPLE, page(WHEEL, HEX), HTML)
  await waits(clock, MAX_DEFERRALS + 2)
  await gathered.idle()
  assert.equal(gathered.known(WHEEL)?.digest.hex, HEX)
  await gathered.stop()
})

test('nobody waits longer than the bound', async () => {
  const held = Promise.withResolvers<void>()
  const { gathered, put, clock } = scene({ beforeReading: () => held.promise })
  await put(SIMPLE, page(WHEEL, HEX), HTML)
  const asking = gathered.find(WHEEL)
  await setImmediate()
  clock.advance(400)
  assert.equal(await asking, undefined)
  held.resolve()
  await gathered.idle()
  assert.equal((await gathered.find(WHEEL))?.digest.hex, HEX)
  await gathered.stop()
})

test('a changed index is read again, an unchanged one is not', async () => {
  const { gathered, put, log } = scene()
  for (const hex of [HEX, HEX, OTHER_HEX]) {
    await put(SIMPLE, page(WHEEL, hex), HTML)
    await gathered.idle()
  }
  assert.equal(log.length, 2)
  assert.equal(gathered.known(WHEEL)?.digest.hex, OTHER_HEX)
  await gathered.stop()
})

test('an index that cannot be read proves nothing, and what it said before stays', async () => {
  const { gathered, put, log } = scene()
  await put(SIMPLE, page(WHEEL, HEX), HTML)
  await gathered.idle()
  await put(SIMPLE, `${page(WHEEL, OTHER_HEX)}<a`, HTML)
  await gathered.idle()
  assert.equal(gathered.known(WHEEL)?.digest.hex, HEX)
  assert.deepEqual(log.at(-1), { kind: 'index-failed', index: SIMPLE, reason: 'a tag that is cut' })
  await gathered.stop()
})

test('what a peer sent is not read, although the application asked for it', async () => {
  const { gathered, put } = scene()
  await put(SIMPLE, page(WHEEL, HEX), HTML, { source: 'peer' })
  await gathered.idle()
  assert.equal(gathered.known(WHEEL), undefined)
  await gathered.stop()
})

test('what a peer sent is read when an index from the origin server names these very bytes', async () => {
  const { gathered, put } = scene()
  const primary = gzipSync(
    `<metadata><package><checksum type="sha256">${HEX}</checksum><location href="x.rpm"/></package></metadata>`,
  )
  const hex = createHash('sha256').update(primary).digest('hex')
  const location = `repodata/${hex}-primary.xml.gz`
  await put(
    'http://r.test/os/repodata/repomd.xml',
    `<repomd><data type="primary"><checksum type="sha256">${hex}</checksum><location href="${location}"/></data></repomd>`,
  )
  await gathered.idle()
  await put(`http://r.test/os/${location}`, primary, [], { source: 'peer' })
  await put(`http://r.test/os/repodata/${HEX}-primary.xml.gz`, primary, [], { source: 'peer' })
  await gathered.idle()
  assert.equal(gathered.known(uri('http://r.test/os/x.rpm'))?.digest.hex, HEX)
  await gathered.stop()
})

test('what a peer sent is read right after the index that names it, though both wait', async () => {
  let isBusy = true
  const { gathered, put, clock } = scene({ isBusy: () => isBusy })
  const packages = gzipSync(`Filename: pool/x.deb\nSize: 1\nSHA256: ${HEX}\n`)
  const hex = createHash('sha256').update(packages).digest('hex')
  const directory = 'main/binary-amd64'
  await put('http://d.test/dists/s/Release', `SHA256:\n ${hex} 9 ${directory}/Packages.gz\n`)
  await put(`http://d.test/dists/s/${directory}/by-hash/SHA256/${hex}`, packages, [], { source: 'peer' })
  isBusy = false
  await waits(clock, 1)
  await gathered.idle()
  assert.equal(gathered.known(uri('http://d.test/pool/x.deb'))?.digest.hex, HEX)
  await gathered.stop()
})

for (const [what, index, file] of [
  ['another server', 'http://evil.test/simple/x/', 'http://p.test/files/x.whl'],
  ['another port', 'http://p.test:81/simple/x/', 'http://p.test/files/x.whl'],
  ['what is not below its root', 'http://p.test/evil/simple/x/', 'http://p.test/files/x.whl'],
  ['a host that begins likewise', 'http://p.test/simple/x/', 'http://p.test.evil.test/x.whl'],
] as const)
  test(`an index does not speak for ${what}, unless a rule lets it`, async () => {
    const strict = scene()
    await strict.put(index, page(uri(file), HEX), HTML)
    await strict.gathered.idle()
    assert.equal(strict.gathered.known(uri(file)), undefined)
    assert.equal(strict.log[0]?.kind === 'index-read' && strict.log[0].outside, 1)
    await strict.gathered.stop()

    const allowed = scene({
      grantFor: (from) => ({ id: 'granted', includes: (to) => from === index && to === file }),
    })
    await allowed.put(index, page(uri(file), HEX), HTML)
    await allowed.gathered.idle()
    assert.equal(allowed.gathered.known(uri(file))?.digest.hex, HEX)
    await allowed.gathered.stop()
  })

test('indexes that disagree about a file prove nothing about it', async () => {
  const { gathered, put } = scene()
  await put(SIMPLE, page(WHEEL, HEX), HTML)
  await put('http://p.test/simple/y/', page(WHEEL, OTHER_HEX), HTML)
  await gathered.idle()
  assert.equal(gathered.known(WHEEL), undefined)
  await gathered.stop()
})

test('spellings of one name are one', async () => {
  const { gathered, put } = scene()
  await put('http://d.test/flat/Packages', `Filename: ./a+b.deb\nSize: 1\nSHA256: ${HEX}\n`)
  await gathered.idle()
  for (const name of ['a+b.deb', 'a%2Bb.deb', 'a%2bb.deb'])
    assert.equal(gathered.known(uri(`http://d.test/flat/${name}`))?.size, 1)
  await gathered.stop()
})

test('crates lie where the stored config.json of the index says', async () => {
  const { gathered, put, log } = scene()
  const line = JSON.stringify({ name: 'serde', vers: '1.0.0', cksum: HEX })
  await put('http://c.test/index/se/rd/serde', line)
  await gathered.idle()
  assert.equal(log[0]?.kind, 'index-failed')
  await put('http://c.test/index/config.json', '{"dl":"http://c.test/dl"}', [
    ['Content-Type', 'application/json'],
  ])
  await put('http://c.test/index/se/rd/serde', line)
  await gathered.idle()
  assert.equal(gathered.known(uri('http://c.test/dl/serde/1.0.0/download'))?.digest.hex, HEX)
  await gathered.stop()
})

test('an index that is too large is not read', async () => {
  const { gathered, put, log } = scene()
  await put(SIMPLE, page(WHEEL, HEX) + ' '.repeat(100_000), HTML)
  await put('http://p.test/simple/y/', gzipSync(' '.repeat(500_000) + page(WHEEL, HEX)), HTML)
  await gathered.idle()
  assert.equal(gathered.known(WHEEL), undefined)
  assert.deepEqual(
    log.map(({ kind }) => kind),
    ['index-failed'],
  )
  assert.deepEqual(gathered.counts(), { read: 0, failed: 1 })
  await gathered.stop()
})

test('a body is found by the other digest that its index names, if it is right', async () => {
  const { gathered, put } = scene()
  const sri = (bytes: string) => `sha512-${createHash('sha512').update(bytes).digest('base64')}`
  const dist = (name: string, bytes: string) => ({
    dist: { tarball: `http://n.test/x/-/${name}`, integrity: sri(bytes) },
  })
  const packument = { versions: { 1: dist('x-1.tgz', 'right'), 2: dist('x-2.tgz', 'right too') } }
  await put('http://n.test/x', JSON.stringify(packument), [['Content-Type', 'application/json']])
  await gathered.idle()
  await put('http://n.test/x/-/x-1.tgz', 'right', [], { shareable: true })
  await put('http://n.test/x/-/x-2.tgz', 'wrong', [], { shareable: true })
  await gathered.idle()
  const digest = (bytes: string) =>
    ({ algorithm: 'sha-512', hex: createHash('sha512').update(bytes).digest('hex') }) as const
  assert.equal(gathered.bodyWith(digest('right')), createHash('sha256').update('right').digest('hex'))
  assert.equal(gathered.bodyWith(digest('right too')), undefined)
  await gathered.stop()
})

test('when the records were lost, what is stored is read again', async () => {
  const store = memoryStore({ maxBytes: 1_000_000, clock: manualClock() })
  const first = scene({ store })
  await first.put(SIMPLE, page(WHEEL, HEX), HTML)
  await first.gathered.stop()
  const { gathered } = scene({ store })
  await gathered.idle()
  assert.equal(gathered.known(WHEEL)?.digest.hex, HEX)
  await gathered.stop()
})

test('so many indexes wait, and no more', async () => {
  const held = Promise.withResolvers<void>()
  const { gathered, put, log } = scene({ beforeReading: () => held.promise })
  for (let at = 0; at < MAX_WAITING + 10; at++)
    await put(`http://p.test/simple/x${at}/`, page(WHEEL, HEX), HTML)
  held.resolve()
  await gathered.idle()
  assert.ok(log.length >= MAX_WAITING && log.length <= MAX_WAITING + 1, `${log.length} were read`)
  await gathered.stop()
})

test('stopping ends what is being read', async () => {
  const { gathered, put, log } = scene()
  await put(SIMPLE, page(WHEEL, HEX).repeat(50), HTML)
  await gathered.stop()
  assert.deepEqual(log, [])
})

test('what an index was allowed to say and is no longer, does not count after a restart', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'ihave-grants-')), 'digests.sqlite')
  const records = () =>
    digestRecords({ path, maxDigests: 1000 }, { onDamage: (reason) => assert.fail(reason) })
  const elsewhere = uri('http://q.test/x.whl')
  const granted = scene({ records: records(), grantFor: () => ({ id: 'a b', includes: () => true }) })
  await granted.put(SIMPLE, page(elsewhere, HEX), HTML)
  await granted.gathered.idle()
  assert.equal(granted.gathered.known(elsewhere)?.digest.hex, HEX)
  await granted.gathered.stop()
  const { gathered } = scene({ records: records(), grantFor: () => ({ id: 'b', includes: () => true }) })
  assert.equal(gathered.known(elsewhere), undefined)
  await gathered.stop()
  rmSync(dirname(path), { recursive: true })
})

const NO_GRANT = { id: '', includes: () => false }

interface Given {
  readonly grantFor?: GatheredIndexesComponents['grantFor']
  readonly records?: DigestRecords
  readonly store?: Store
  readonly beforeReading?: () => Promise<void>
  readonly isBusy?: () => boolean
}

function scene({
  grantFor = () => NO_GRANT,
  store: given,
  records: kept,
  beforeReading = async () => {},
  isBusy = () => false,
}: Given = {}) {
  const clock = manualClock()
  const store = given ?? memoryStore({ maxBytes: 10_000_000, clock })
  const log: GatheringEvent[] = []
  const records =
    kept ??
    digestRecords({ path: ':memory:', maxDigests: 1000 }, { onDamage: (reason) => assert.fail(reason) })
  const slowly: GatheredIndexesComponents['store'] = {
    subscribe: (listener) => store.subscribe(listener),
    lookup: (each) => store.lookup(each),
    list: () => store.list(),
    async *read(...args) {
      await beforeReading()
      yield* store.read(...args)
    },
  }
  const gathered = gatheredIndexes(
    { maxWaitMs: 400, maxStoredBytes: 50_000, maxDecodedBytes: 400_000 },
    { clock, store: slowly, records, grantFor, isBusy, log: (event) => log.push(event) },
  )
  gathered.start()
  const put = async (
    url: string,
    body: string | Uint8Array,
    fields: Fields = [],
    more: Partial<ResponseHead> = {},
  ) => {
    const bytes = Buffer.from(body)
    const copy = await store.create(bytes.length)
    copy.setSize(bytes.length)
    await copy.write(0, bytes)
    const now = clock.wall()
    const head = { uri: uri(url), selecting: [], status: 200, fields, requestTime: now, responseTime: now }
    return store.commit(copy, { ...head, source: 'internet', shareable: false, ...more })
  }
  return { clock, store, gathered, put, log }
}

/** Lets that many deferrals go by. */
async function waits(clock: ManualClock, deferrals: number): Promise<void> {
  for (let count = 0; count < deferrals; count += 1) {
    await setImmediate()
    clock.advance(250)
    await setImmediate()
  }
}

function page(file: TargetUri, hex: string): string {
  return `<a href="${file}#sha256=${hex}">x</a>`
}

function uri(url: string): TargetUri {
  const parsed = parseTargetUri(url)
  assert.ok(parsed)
  return parsed
}
