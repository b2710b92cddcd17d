/** Bytes that came on a member's promise are held against what that member vouches for when it has the whole. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EpochMs } from '../../core/clock.ts'
import type { Policy } from '../../core/policy.ts'
import type { Sha256 } from '../../core/digest.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Candidate, Expectation, Verdict, Verifier } from '../../core/verifier.ts'
import { attest } from '../../site/attestation.ts'
import { withAttestations } from '../../site/attested.ts'
import { promise } from '../../site/promise.ts'
import type { Site } from '../../site/site.ts'
import { FakeUpstream } from '../retrieval/upstreams.ts'
import { manualClock } from '../manual-clock.ts'
import { TestSite } from './fixtures.ts'

const URI = 'http://files.example/list' as TargetUri
const SIZE = 1000
const POLICY = {
  share: true,
  immutable: false,
  store: true,
  verify: 'auto',
  waitForDownloads: true,
} as Policy
const FORMER = 'aa'.repeat(32) as Sha256
const COMING = 'bb'.repeat(32) as Sha256

interface Version {
  readonly etag?: string
}

/** Alice fetches it anew; of what she has vouched for so far she tells as long as she has not got the whole. */
function scene({ etag }: Version, formerly: Version) {
  const clock = manualClock()
  clock.advance(1_000_000)
  const site = new TestSite(clock)
  const [alice, bob] = [site.member('alice'), site.member('bob')]
  const vouched = (body: Sha256, fetchedAt: EpochMs, version: Version) =>
    attest(
      {
        uri: URI,
        body,
        length: SIZE,
        etag: version.etag,
        modified: undefined,
        fetchedAt,
        freshUntil: (fetchedAt + 60_000) as EpochMs,
      },
      alice,
    )
  const former = vouched(FORMER, clock.wall(), formerly)
  clock.advance(60_000)
  const fetchedAt = clock.wall()
  const freshUntil = (fetchedAt + 60_000) as EpochMs
  const promised = promise(
    { uri: URI, length: SIZE, etag, modified: undefined, freshUntil },
    alice,
    fetchedAt,
  )
  const told = { lines: [promised, former] }
  const member = {
    membership: bob,
    names: { privateNameOf: (uri: string) => uri },
    placesOfMembers: () => [],
    fetch: async () => told.lines.join('\n'),
  } as unknown as Site
  const origin = new FakeUpstream(() => ({
    status: 200,
    fields: [['Content-Length', String(SIZE)], ...(etag === undefined ? [] : [['ETag', etag] as const])],
  }))
  const verifier = withAttestations(
    {} as Verifier,
    { attest: true, quorum: 1 },
    {
      clock,
      site: member,
      book: { of: () => [], add: () => {} } as never,
      origin,
    },
  )
  const location = 'http://127.0.0.6:6515/alias'
  const question = { uri: URI, target: URI, fields: [], policy: POLICY, location, isGrowing: true }
  return {
    clock,
    origin,
    expect: () => verifier.attested?.(question) ?? Promise.reject(new Error('nothing is attested')),
    vouch: () => (told.lines = [vouched(COMING, fetchedAt, { ...(etag !== undefined && { etag }) })]),
    verify: (expectation: Expectation, sha256: Sha256): Promise<Verdict> =>
      verifier.verify(expectation, { size: SIZE, sha256 } as Candidate),
  }
}

describe('a promise', () => {
  for (const [what, version, formerly] of [
    ['with an entity tag', { etag: '"2"' }, { etag: '"1"' }],
    ['without a validator', {}, {}],
  ] as [string, Version, Version][])
    test(`${what} is kept by what is vouched for then, whatever the member has vouched for before`, async () => {
      const { clock, expect, vouch, verify } = scene(version, formerly)
      const expectation = await expect()
      assert.equal(expectation.kind, 'promised')
      const verdict = verify(expectation, COMING)
      await new Promise(setImmediate)
      vouch()
      clock.advance(20)
      assert.equal((await verdict).kind, 'verified')
    })

  test('is broken by other bytes', async () => {
    const { expect, vouch, verify } = scene({}, {})
    const expectation = await expect()
    vouch()
    const verdict = await verify(expectation, FORMER)
    assert.ok(verdict.kind === 'refused' && verdict.isUnproved === undefined)
  })

  test('counts by what the origin server has, which is asked once in a second', async () => {
    const { clock, expect, origin } = scene({}, {})
    for (let time = 0; time < 5; time++) assert.equal((await expect()).kind, 'promised')
    assert.equal(origin.requests.length, 1)
    clock.advance(1000)
    assert.equal((await expect()).kind, 'promised')
    assert.equal(origin.requests.length, 2)
  })

  test('does not count any more when what is coming is not fresh', async () => {
    const { clock, expect } = scene({}, {})
    clock.advance(60_000)
    assert.equal((await expect()).kind, 'none')
  })
})
