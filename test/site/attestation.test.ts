import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import type { EpochMs } from '../../core/clock.ts'
import type { Sha256 } from '../../core/digest.ts'
import { attest, lineKey, readAttestation, type Attestation } from '../../site/attestation.ts'
import { attestationBook, MAX_KEPT, MAX_LINES } from '../../site/attestation-book.ts'
import { agreed, isCurrent } from '../../site/attested.ts'
import type { Membership } from '../../site/membership.ts'
import { manualClock } from '../manual-clock.ts'
import { TestSite } from './fixtures.ts'

const URI = 'http://files.example/tool-1.2.3.bin'
const BODY = 'ab'.repeat(32) as Sha256

function scene() {
  const clock = manualClock()
  clock.advance(1_000_000)
  const site = new TestSite(clock)
  const alice = site.member('alice')
  const vouched = {
    uri: URI,
    body: BODY,
    length: 1000,
    etag: '"one"',
    modified: undefined,
    fetchedAt: clock.wall(),
    freshUntil: (clock.wall() + 60_000) as EpochMs,
  }
  return { clock, site, alice, vouched, line: attest(vouched, alice) }
}

function refusal(line: string, own: Membership, now: EpochMs, uri = URI): string | undefined {
  const read = readAttestation(line, uri, own, now)
  return read.kind === 'refused' ? read.reason : undefined
}

describe('an attestation', () => {
  test('says what its member fetched', () => {
    const { clock, site, alice, line } = scene()
    const read = readAttestation(line, URI, site.member('bob'), clock.wall())
    assert.deepEqual(read, {
      kind: 'attestation',
      attestation: {
        member: alice.id,
        body: BODY,
        length: 1000,
        etag: '"one"',
        modified: undefined,
        fetchedAt: clock.wall(),
        freshUntil: clock.wall() + 60_000,
      },
    })
    assert.equal(lineKey(line), `${BODY} ${alice.id}`)
  })

  test('is no proof for another URL', () => {
    const { clock, site, line } = scene()
    assert.equal(refusal(line, site.member('bob'), clock.wall(), `${URI}?other`), 'for another URL')
  })

  test('forged: changed, signed by another member, with no pass, with a pass that the forger made', () => {
    const { clock, site, alice, vouched, line } = scene()
    const bob = site.member('bob')
    const mallory = new TestSite(clock).member('mallory')
    const [statement = '', pass = ''] = line.split(' ')
    const [said = '', signature = ''] = statement.split('.')
    const other = {
      ...JSON.parse(Buffer.from(said, 'base64url').toString()),
      body: 'cd'.repeat(32),
    } as object
    const changed = `${Buffer.from(JSON.stringify(other)).toString('base64url')}.${signature} ${pass}`
    assert.equal(refusal(changed, bob, clock.wall()), 'a wrong signature')
    assert.equal(refusal(`${statement} ${bob.pass.text}`, bob, clock.wall()), 'a wrong signature')
    assert.equal(refusal(statement, bob, clock.wall()), 'not by a member in good standing')
    assert.equal(refusal(attest(vouched, mallory), bob, clock.wall()), 'not by a member in good standing')
    const borrowed = `${attest(vouched, mallory).split(' ')[0]} ${alice.pass.text}`
    assert.equal(refusal(borrowed, bob, clock.wall()), 'a wrong signature')
  })

  test('of another site is none, even by the same key', () => {
    const { clock, vouched, alice } = scene()
    const elsewhere = new TestSite(clock).member('bob')
    assert.equal(refusal(attest(vouched, alice), elsewhere, clock.wall()), 'not by a member in good standing')
  })

  test('of a revoked member, and of one whose pass has run out, is none', () => {
    const { clock, site, alice, line, vouched } = scene()
    const knows = site.member('carol', { denied: [alice.id] })
    assert.equal(refusal(line, knows, clock.wall()), 'not by a member in good standing')
    const late = attest(vouched, site.member('late', { until: clock.wall() + 1000 }))
    clock.advance(1000)
    assert.equal(refusal(late, site.member('bob'), clock.wall()), 'not by a member in good standing')
  })

  test('from the future is none', () => {
    const { clock, site, alice, vouched } = scene()
    const line = attest({ ...vouched, fetchedAt: (clock.wall() + 121_000) as EpochMs }, alice)
    assert.equal(refusal(line, site.member('bob'), clock.wall()), 'from the future')
  })
})

describe('what members agree on', () => {
  const by = (member: string, more: Partial<Attestation> = {}) =>
    ({ member, body: BODY, length: 10, fetchedAt: 0, freshUntil: 0, ...more }) as Attestation

  test('a quorum of two is two members, not one member twice, and not two bodies', () => {
    assert.equal(agreed([by('a'), by('a')], 2).length, 0)
    assert.equal(agreed([by('a'), by('b', { body: 'cd'.repeat(32) as Sha256 })], 2).length, 0)
    assert.equal(agreed([by('a'), by('b', { length: 11 })], 2).length, 0)
    assert.equal(agreed([by('a'), by('b')], 2).length, 1)
    const lie = by('c', { length: 11, fetchedAt: 5 as EpochMs })
    assert.equal(agreed([by('a'), by('b'), lie], 2).length, 1, 'a lie of its length takes nothing away')
  })

  test('the latest comes first', () => {
    const later = by('b', { body: 'cd'.repeat(32) as Sha256, fetchedAt: 5 as EpochMs })
    assert.deepEqual(agreed([by('a'), later], 1)[0], later)
  })
})

describe('a name that can change: what the origin server says decides', () => {
  const old = { etag: '"one"', modified: 'Mon', length: 10, freshUntil: 100 } as unknown as Attestation
  for (const [what, origin, now, isRight] of [
    ['the same entity tag', { isAnswer: true, etag: '"one"' }, 500, true],
    ['another entity tag: a former version is replayed', { isAnswer: true, etag: '"two"' }, 50, false],
    ['the same date and length', { isAnswer: true, modified: 'Mon', length: '10' }, 500, true],
    ['the same date and another length', { isAnswer: true, modified: 'Mon', length: '11' }, 50, false],
    ['the same date, which alone is too coarse', { isAnswer: true, modified: 'Mon' }, 50, false],
    ['no validator, still fresh', { isAnswer: true }, 99, true],
    ['no validator, expired', { isAnswer: true }, 100, false],
    ['no answer', { isAnswer: false }, 50, false],
  ] as const)
    test(`${what}: ${isRight}`, () => assert.equal(isCurrent(old, origin, now), isRight))
})

test('the book keeps one line for each body and member, the latest, and forgets the oldest', () => {
  const book = attestationBook(':memory:', 3)
  for (let at = 0; at < 5; at++) book.add('u', `k${at % 2}`, `line ${at}`)
  assert.deepEqual(book.of('u'), ['line 4', 'line 3'])
  for (let at = 0; at < 4; at++) book.add(`v${at}`, 'k', 'x')
  assert.deepEqual([book.of('u'), book.of('v0'), book.of('v3')], [[], [], ['x']])
  book.close()
  const large = attestationBook(':memory:')
  for (let at = 0; at < MAX_LINES + 1; at++) large.add('u', `k${at}`, `line ${at}`)
  assert.equal(large.of('u').length, MAX_LINES)
  large.close()
})

for (const [what, bytes] of [
  ['is no database', Buffer.alloc(4096, 0xff)],
  ['has another schema', undefined],
] as const)
  test(`a book whose file ${what} is put aside and begun anew, and said by its name`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'ihave-book-'))
    const path = join(folder, 'attestations.sqlite')
    if (bytes === undefined) {
      const other = new DatabaseSync(path)
      other.exec('CREATE TABLE attestations (x)')
      other.close()
    } else writeFileSync(path, bytes)
    const damages: string[] = []
    for (let time = 0; time < 2; time++) {
      const book = attestationBook(path, MAX_KEPT, (reason) => damages.push(reason))
      if (time === 0) book.add('u', 'k', 'line')
      assert.deepEqual(book.of('u'), ['line'])
      book.close()
    }
    assert.equal(damages.length, 1)
    assert.ok(damages[0]?.includes(path) && existsSync(`${path}.damaged`), damages[0])
    rmSync(folder, { recursive: true })
  })

test('a book whose file cannot be made is in memory', () => {
  const damages: string[] = []
  const book = attestationBook('/proc/no/such/place', MAX_KEPT, (reason) => damages.push(reason))
  book.add('u', 'k', 'line')
  assert.deepEqual([book.of('u'), damages.length], [['line'], 1])
  book.close()
})
