import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { EpochMs } from '../../core/clock.ts'
import type { Sha256 } from '../../core/digest.ts'
import { attest, readAttestation } from '../../site/attestation.ts'
import { promise, readPromise } from '../../site/promise.ts'
import { manualClock } from '../manual-clock.ts'
import { TestSite } from './fixtures.ts'

const URI = 'http://files.example/tool-1.2.3.bin'
const PROMISED = {
  uri: URI,
  length: 1000,
  etag: '"one"',
  modified: undefined,
  freshUntil: 1_800_000_000_000 as EpochMs,
}

function scene() {
  const clock = manualClock()
  clock.advance(1_000_000)
  const site = new TestSite(clock)
  const [alice, bob] = [site.member('alice'), site.member('bob')]
  return { clock, site, alice, bob, line: promise(PROMISED, alice, clock.wall()) }
}

test('a promise says who fetches which version', () => {
  const { clock, alice, bob, line } = scene()
  const { uri: _, ...version } = PROMISED
  assert.deepEqual(readPromise(line, URI, bob, clock.wall()), { member: alice.id, ...version })
})

test('a promise is none for another URL, to another site, and two minutes later', () => {
  const { clock, bob, line } = scene()
  assert.equal(readPromise(line, `${URI}?other`, bob, clock.wall()), undefined)
  const elsewhere = new TestSite(clock).member('bob')
  assert.equal(readPromise(line, URI, elsewhere, clock.wall()), undefined)
  for (const later of [121_000, -121_000])
    assert.equal(readPromise(line, URI, bob, (clock.wall() + later) as EpochMs), undefined)
})

test('a stranger, a revoked member, and who changes a promise, promise nothing', () => {
  const { clock, site, alice, bob, line } = scene()
  const mallory = new TestSite(clock).member('mallory')
  assert.equal(readPromise(promise(PROMISED, mallory, clock.wall()), URI, bob, clock.wall()), undefined)
  const knows = site.member('carol', { denied: [alice.id] })
  assert.equal(readPromise(line, URI, knows, clock.wall()), undefined)
  const [statement = '', pass = ''] = line.slice('promise:'.length).split(' ')
  const [said = '', signature = ''] = statement.split('.')
  const other = { ...(JSON.parse(Buffer.from(said, 'base64url').toString()) as object), length: 5 }
  const changed = `promise:${Buffer.from(JSON.stringify(other)).toString('base64url')}.${signature} ${pass}`
  assert.equal(readPromise(changed, URI, bob, clock.wall()), undefined)
  assert.equal(readPromise('promise:', URI, bob, clock.wall()), undefined)
})

test('a promise is no attestation, and an attestation no promise', () => {
  const { clock, alice, bob, line } = scene()
  const now = clock.wall()
  for (const each of [line, line.slice('promise:'.length)])
    assert.equal(readAttestation(each, URI, bob, now).kind, 'refused')
  const vouched = { ...PROMISED, body: 'ab'.repeat(32) as Sha256, fetchedAt: now, freshUntil: now }
  assert.equal(readPromise(`promise:${attest(vouched, alice)}`, URI, bob, now), undefined)
})

test('whatever a line is, it is no promise, and nothing is thrown', () => {
  const { clock, bob, line } = scene()
  const mutant = fc
    .tuple(fc.nat(100), fc.string({ maxLength: 3 }))
    .map(([at, put]) => line.slice(0, at) + put + line.slice(at + 1))
    .filter((each) => each !== line)
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((each) => `promise:${each}`),
        mutant,
      ),
      (each) => {
        assert.equal(readPromise(each, URI, bob, clock.wall()), undefined)
      },
    ),
  )
})
