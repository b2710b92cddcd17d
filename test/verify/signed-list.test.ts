import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { memoryStore } from '../../cache/memory-store.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import { digestRecords } from '../../verify/digest-records.ts'
import { gatheredIndexes, type GatheringEvent } from '../../verify/gathered-indexes.ts'
import type { Grant } from '../../verify/index-reading.ts'
import { MAX_LISTED_FILES, type SignedFile } from '../../verify/signed-list.ts'
import { manualClock } from '../manual-clock.ts'

const CATALOG = 'http://updates.test/av/myupdate.cab'
const PACKAGE = 'http://updates.test/av/engine.202601131511.cab' as TargetUri
const [HEX, OTHER_HEX] = ['a'.repeat(64), 'b'.repeat(64)]
const NO_GRANT: Grant = { id: '', includes: () => false }

function file(url: string, sha256 = HEX): SignedFile {
  return { url, size: 1_000, sha256 }
}

interface Given {
  readonly path?: string
  readonly isVerifiedHere?: (index: TargetUri) => boolean
  readonly grant?: Grant
  readonly maxDigests?: number
}

function node({
  path = ':memory:',
  isVerifiedHere = () => true,
  grant = NO_GRANT,
  maxDigests = 50_000,
}: Given = {}) {
  const clock = manualClock()
  const log: GatheringEvent[] = []
  const records = digestRecords({ path, maxDigests }, { onDamage: (reason) => assert.fail(reason) })
  const gathered = gatheredIndexes(
    { maxWaitMs: 400, maxStoredBytes: 50_000, maxDecodedBytes: 400_000 },
    {
      clock,
      store: memoryStore({ maxBytes: 1_000_000, clock }),
      records,
      grantFor: () => grant,
      isVerifiedHere,
      log: (event) => log.push(event),
    },
  )
  gathered.start()
  return { gathered, log }
}

function fileIn(context: Pick<TestContext, 'after'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-signed-list-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'digests.sqlite')
}

test('what a verified catalogue says of its packages is known at once, with the size', async () => {
  const { gathered, log } = node()
  gathered.learn({ catalog: CATALOG, files: [file(PACKAGE)] })
  assert.deepEqual(gathered.known(PACKAGE), { digest: { algorithm: 'sha-256', hex: HEX }, size: 1_000 })
  const format = 'signed catalogue'
  assert.deepEqual(log, [
    { kind: 'index-read', index: CATALOG, format, digests: 1, outside: 0, elapsedMs: 0 },
  ])
  await gathered.stop()
})

test('the next release replaces what the one before said, and the same again changes nothing', async () => {
  const { gathered, log } = node()
  const older = 'http://updates.test/av/engine.202501010000.cab' as TargetUri
  gathered.learn({ catalog: CATALOG, files: [file(older)] })
  gathered.learn({ catalog: CATALOG, files: [file(PACKAGE, OTHER_HEX)] })
  gathered.learn({ catalog: CATALOG, files: [file(PACKAGE, OTHER_HEX)] })
  assert.equal(gathered.known(older), undefined)
  assert.equal(gathered.known(PACKAGE)?.digest.hex, OTHER_HEX)
  assert.equal(log.length, 2)
  await gathered.stop()
})

test('it survives a restart, as long as the product is one that is kept up to date here', async (t) => {
  const path = fileIn(t)
  const first = node({ path })
  first.gathered.learn({ catalog: CATALOG, files: [file(PACKAGE)] })
  await first.gathered.stop()
  const second = node({ path, isVerifiedHere: (index) => index === CATALOG })
  assert.equal(second.gathered.known(PACKAGE)?.digest.hex, HEX)
  await second.gathered.stop()
  const third = node({ path, isVerifiedHere: () => false })
  assert.equal(third.gathered.known(PACKAGE), undefined)
  await third.gathered.stop()
})

test('a publisher speaks for files below its catalogue only, unless a rule lets it speak for others', async () => {
  const elsewhere = [
    'http://deb.test/pool/x_1.0.deb',
    'http://updates.test/other/x.cab',
    'https://updates.test/av/x.cab',
    'not a URL',
  ]
  const files = [file(PACKAGE), ...elsewhere.map((url) => file(url))]
  const strict = node()
  strict.gathered.learn({ catalog: CATALOG, files })
  for (const url of elsewhere) assert.equal(strict.gathered.known(url as TargetUri), undefined, url)
  assert.equal(strict.gathered.known(PACKAGE)?.digest.hex, HEX)
  const [read] = strict.log
  assert.deepEqual(read?.kind === 'index-read' && [read.digests, read.outside], [1, 4])
  await strict.gathered.stop()
  const granted = node({
    grant: { id: 'http://deb.test/**', includes: (uri) => uri.startsWith('http://deb.test/') },
  })
  granted.gathered.learn({ catalog: CATALOG, files })
  assert.equal(granted.gathered.known('http://deb.test/pool/x_1.0.deb' as TargetUri)?.digest.hex, HEX)
  await granted.gathered.stop()
})

test('a list that is longer than the bound is cut, and one that there is no room for is not kept at all', async () => {
  const files = Array.from({ length: MAX_LISTED_FILES + 1 }, (_, at) =>
    file(`http://updates.test/av/${at}.cab`),
  )
  const known = (gathered: ReturnType<typeof node>['gathered'], at: number) =>
    gathered.known(`http://updates.test/av/${at}.cab` as TargetUri)
  const wide = node()
  wide.gathered.learn({ catalog: CATALOG, files })
  assert.ok(known(wide.gathered, MAX_LISTED_FILES - 1))
  assert.equal(known(wide.gathered, MAX_LISTED_FILES), undefined)
  await wide.gathered.stop()
  const narrow = node({ maxDigests: 1_000 })
  narrow.gathered.learn({ catalog: CATALOG, files })
  assert.equal(known(narrow.gathered, 0), undefined)
  assert.equal(narrow.log[0]?.kind, 'index-failed')
  await narrow.gathered.stop()
})
