import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import type { Sha256 } from '../../core/digest.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import { digestRecords, MAX_NOTED_BODIES, type DigestRecords } from '../../verify/digest-records.ts'
import { claimRow, inOrder, nameOf, type Claim } from '../../verify/digest-rows.ts'

const INDEX = 'http://a.test/index' as TargetUri
const OTHER = 'http://a.test/other' as TargetUri
const X = 'http://a.test/x' as TargetUri
const directory = mkdtempSync(join(tmpdir(), 'ihave-records-'))
after(() => rmSync(directory, { recursive: true, force: true }))

let files = 0
const newPath = () => join(directory, `${++files}.sqlite`)

function open(path = ':memory:', maxDigests = 1000): { records: DigestRecords; damages: string[] } {
  const damages: string[] = []
  const records = digestRecords({ path, maxDigests }, { onDamage: (reason) => damages.push(reason) })
  records.open()
  return { records, damages }
}

function claim(digit: string, size?: number): Claim {
  const digest = { algorithm: 'sha-256', hex: digit.repeat(64) } as const
  return size === undefined ? { digest } : { digest, size }
}

const rows = (claims: readonly (readonly [TargetUri, Claim])[]) =>
  claims.map(([uri, each]) => claimRow(uri, each))

function record(records: DigestRecords, index: TargetUri, claims: [TargetUri, Claim][], version = 'v'): void {
  const recording = records.begin(index, version)
  recording.add(rows(claims))
  recording.finish()
}

function many(count: number): [TargetUri, Claim][] {
  return Array.from({ length: count }, (_, at) => [`${INDEX}/${at}` as TargetUri, claim('a')])
}

test('what an index says counts once it has been read to its end', () => {
  const { records } = open()
  const recording = records.begin(INDEX, 'v')
  recording.add(rows([[X, claim('a', 7)]]))
  assert.deepEqual([records.find(X), records.versionOf(INDEX)], [[], undefined])
  recording.finish()
  assert.deepEqual([records.find(X), records.versionOf(INDEX)], [[claim('a', 7)], 'v'])
})

test('a new version replaces the one before, and its space is given back', () => {
  const { records } = open(':memory:', 5000)
  record(records, INDEX, [[X, claim('a')], ...many(2500)], 'first')
  record(records, INDEX, [[X, claim('b')]], 'second')
  assert.deepEqual(records.find(X), [claim('b')])
  assert.equal(records.versionOf(INDEX), 'second')
  assert.equal(records.count(), 1)
  let sweeps = 0
  while (records.sweep()) sweeps += 1
  assert.ok(sweeps > 1, `${sweeps} sweeps: each takes a bounded time`)
})

test('a reading that is given up leaves what was known', () => {
  const { records } = open()
  record(records, INDEX, [[X, claim('a')]])
  const recording = records.begin(INDEX, 'w')
  recording.add(rows([[X, claim('b')]]))
  recording.giveUp()
  assert.deepEqual([records.find(X), records.versionOf(INDEX), records.count()], [[claim('a')], 'v', 1])
})

test('what several indexes say of one URI is told by each', () => {
  const { records } = open()
  record(records, INDEX, [[X, claim('a')]])
  record(records, OTHER, [[X, { digest: { algorithm: 'sha-512', hex: 'c'.repeat(128) }, size: 0 }]])
  assert.deepEqual(
    records.find(X).map(({ digest }) => digest.algorithm),
    ['sha-256', 'sha-512'],
  )
})

test('beyond the bound the index that was read first makes room', () => {
  const { records } = open(':memory:', 10)
  record(records, INDEX, [[X, claim('a')], ...many(5)])
  record(records, OTHER, [[OTHER, claim('b')], ...many(5)])
  assert.deepEqual([records.find(X), records.find(OTHER)], [[], [claim('b')]])
  assert.ok(records.count() <= 10)
})

test('an index that is larger than the bound is not kept at all', () => {
  const { records } = open(':memory:', 10)
  const recording = records.begin(INDEX, 'v')
  assert.throws(() => recording.add(rows(many(11))), RangeError)
  recording.giveUp()
  assert.equal(records.count(), 0)
})

test('all of it is there after a restart, but what was half read', () => {
  const path = newPath()
  const first = open(path)
  record(first.records, INDEX, [[X, claim('a', 7)]])
  first.records.noteBody({ algorithm: 'sha-512', hex: 'c'.repeat(128) }, 'd'.repeat(64) as Sha256)
  first.records.begin(OTHER, 'v').add(rows([[OTHER, claim('b')]]))
  first.records.close()
  const { records } = open(path)
  assert.deepEqual([records.find(X), records.find(OTHER), records.count()], [[claim('a', 7)], [], 1])
  assert.equal(records.bodyOf({ algorithm: 'sha-512', hex: 'c'.repeat(128) }), 'd'.repeat(64))
  records.close()
})

for (const [what, spoil] of [
  ['is something else', (path: string) => writeFileSync(path, 'no database'.repeat(1000))],
  ['is a directory', (path: string) => mkdirSync(path)],
  ['is of another version', (path: string) => new DatabaseSync(path).exec('PRAGMA user_version = 99')],
  ['is cut', (path: string) => cutFile(path)],
] as const)
  test(`a file that ${what} is begun anew`, () => {
    const path = newPath()
    spoil(path)
    const { records, damages } = open(path)
    record(records, INDEX, [[X, claim('a')]])
    assert.deepEqual(records.find(X), [claim('a')])
    assert.ok(damages.length > 0)
    records.close()
  })

function cutFile(path: string): void {
  const { records } = open(path)
  record(records, INDEX, many(900))
  records.close()
  writeFileSync(path, readFileSync(path).subarray(0, 10_000))
}

test('a file that cannot be made is said, and nothing is known', () => {
  const { records, damages } = open('/proc/no/such/place')
  record(records, INDEX, [[X, claim('a')]])
  records.noteBody(claim('a').digest, 'x' as Sha256)
  assert.deepEqual([records.find(X), records.count(), records.sweep()], [[], 0, false])
  assert.equal(records.bodyOf(claim('a').digest), undefined)
  assert.ok(damages.length > 0)
  records.close()
})

test('a row with a flipped bit does not count', () => {
  const path = newPath()
  const first = open(path)
  record(first.records, INDEX, [[X, claim('a')]])
  first.records.close()
  const database = new DatabaseSync(path)
  database.prepare('UPDATE claims SET digest = ?').run(Buffer.from(`ab${'a'.repeat(62)}`, 'hex'))
  database.close()
  const { records } = open(path)
  assert.deepEqual(records.find(X), [])
  records.close()
  assert.ok(existsSync(path))
})

test('bodies that are noted by another digest are bounded: the first go', () => {
  const { records } = open()
  const digestOf = (at: number) =>
    ({ algorithm: 'sha-512', hex: at.toString(16).padStart(128, '0') }) as const
  for (let at = 0; at <= MAX_NOTED_BODIES; at++) records.noteBody(digestOf(at), 'b' as Sha256)
  assert.deepEqual([records.bodyOf(digestOf(0)), records.bodyOf(digestOf(1))], [undefined, 'b'])
})

test('rows are put in the order of their names, none lost and none doubled', () => {
  const some = rows(many(500))
  const ordered = inOrder(some)
  const first = (name: Buffer) => name.readUInt32BE()
  assert.ok(ordered.every(([name], at) => at === 0 || first(name) >= first(ordered[at - 1]?.[0] ?? name)))
  assert.deepEqual(new Set(ordered), new Set(some))
  assert.ok(first(nameOf(X)) !== first(nameOf(OTHER)))
})
