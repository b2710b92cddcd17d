/** For how long a copy that came from a peer may be used again: as the origin server said, and never for long by the peer's word alone. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EpochMs } from '../../core/clock.ts'
import { fieldValue, type Fields } from '../../core/fields.ts'
import { believed, describing } from '../../retrieval/peer-fields.ts'
import { A, digestOf, field, offer, world, type World } from './world.ts'

const TEXT = 'version 1'
const NEXT = 'version 2'
const LONG_AGO = 'Sat, 01 Nov 2025 00:00:00 GMT'

/** The peer has what it got from the origin server under `fields`; since then there is another version. */
function behindPeer(fields: Fields): World {
  const node: World = world({
    expectation: digestOf(TEXT),
    offers: [offer(TEXT.length)],
    rule: { immutable: false },
    peers: () => ({
      status: 200,
      fields: node.dated([['Content-Length', `${TEXT.length}`], ['ETag', '"1"'], ...fields]),
      body: TEXT,
    }),
    origin: () => ({ status: 200, fields: node.dated([['ETag', '"2"']]), body: NEXT }),
  })
  return node
}

describe('a copy from a peer', () => {
  for (const [told, fields] of [
    ['max-age', [['Cache-Control', 'max-age=5']]],
    ['s-maxage', [['Cache-Control', 'max-age=600, s-maxage=5']]],
    [
      'max-age and Age',
      [
        ['Cache-Control', 'max-age=600'],
        ['Age', '595'],
      ],
    ],
    ['must-revalidate', [['Cache-Control', 'max-age=5, must-revalidate']]],
  ] as [string, Fields][])
    test(`is fresh for no longer than the origin server said: ${told}`, async () => {
      const node = behindPeer([...fields, ['Last-Modified', LONG_AGO]])
      assert.deepEqual([(await node.get()).how, (await node.get()).how], ['peer', 'hit'])
      node.clock.advance(6000)
      assert.equal((await node.get([['Cache-Control', 'only-if-cached']])).status, 504)
    })

  test('is fresh for as long as that, also where nothing could be guessed', async () => {
    for (const fields of [
      [['Cache-Control', 'max-age=600']],
      [['Expires', 'Wed, 15 Nov 2023 23:59:59 GMT']],
    ] as Fields[]) {
      const node = behindPeer(fields)
      await node.get()
      node.clock.advance(500_000)
      assert.equal((await node.get()).how, 'hit')
    }
  })

  test('is answered with its age, and with what the application may do with it', async () => {
    const node = behindPeer([
      ['Cache-Control', 'public, max-age=600, stale-if-error=86400'],
      ['Age', '100'],
    ])
    const given = await node.get()
    assert.deepEqual([field(given, 'age'), field(given, 'cache-control')], ['100', 'max-age=600'])
    node.clock.advance(20_000)
    assert.equal(field(await node.get(), 'age'), '120')
  })

  test('is kept whatever the peer says of that: who must not have it cannot have it', async () => {
    for (const refusal of ['no-store', 'private', 'no-cache']) {
      const node = behindPeer([['Cache-Control', `max-age=600, ${refusal}`]])
      await node.get()
      assert.equal((await node.get()).how, 'hit')
    }
  })

  test('is passed on with its age', async () => {
    const node = behindPeer([
      ['Cache-Control', 'max-age=600'],
      ['Age', '100'],
    ])
    await node.get()
    node.clock.advance(30_000)
    const opened = node.lan.open(node.aliases.aliasOf(A))
    assert.equal(fieldValue(opened?.fields ?? [], 'age'), '130')
  })
})

describe('what a peer says of freshness', () => {
  const NOW = Date.parse('2026-11-30T12:00:00Z') as EpochMs
  const now = 'Mon, 30 Nov 2026 12:00:00 GMT'
  const told = (fields: Fields) =>
    fieldValue(believed(describing(fields), NOW, { immutable: false }), 'cache-control')

  for (const [says, means] of [
    ['max-age=60', 'max-age=60'],
    ['max-age=31536000, immutable, public', 'max-age=86400'],
    ['s-maxage=31536000, max-age=0', 'max-age=0, s-maxage=86400'],
    ['max-age=60, stale-while-revalidate=31536000, stale-if-error=31536000', 'max-age=60'],
    ['max-age=60, max-age=31536000', 'max-age=0'],
    ['max-age=60; public', 'max-age=0'],
    ['NO-CACHE', undefined],
    ['private, no-store, MUST-REVALIDATE, proxy-revalidate', 'must-revalidate, proxy-revalidate'],
    ['max-age=60, no-cache="set-cookie", private="set-cookie"', 'max-age=60'],
    ['public', undefined],
  ] as const)
    test(`${says} means ${means ?? 'nothing'}`, () => {
      assert.equal(
        told([
          ['Date', now],
          ['Cache-Control', says],
        ]),
        means,
      )
    })

  test('is held against the age that the copy has: no more than a day is left', () => {
    assert.equal(
      told([
        ['Cache-Control', 'max-age=999999999'],
        ['Age', '1000'],
      ]),
      'max-age=87400',
    )
    const dayOld = 'Sun, 29 Nov 2026 12:00:00 GMT'
    assert.equal(
      told([
        ['Cache-Control', 'max-age=999999999'],
        ['Date', dayOld],
      ]),
      'max-age=172800',
    )
    assert.equal(
      told([
        ['Cache-Control', 'max-age=999999999'],
        ['Date', 'Tue, 30 Nov 2027 12:00:00 GMT'],
      ]),
      'max-age=86400',
    )
  })

  test('is nothing of a name that always means the same bytes', () => {
    const fields: Fields = [
      ['ETag', '"1"'],
      ['Cache-Control', 'max-age=60'],
      ['Expires', now],
    ]
    assert.deepEqual(believed(fields, NOW, { immutable: true }), [['ETag', '"1"']])
  })

  test('by Expires is the same, and less than by max-age', () => {
    const expires = ['Expires', 'Mon, 30 Nov 2026 12:10:00 GMT'] as const
    assert.equal(told([['Date', now], expires]), 'max-age=600')
    assert.equal(told([['Date', now], expires, ['Cache-Control', 'max-age=5']]), 'max-age=5')
    assert.equal(
      told([
        ['Date', now],
        ['Expires', '0'],
      ]),
      'max-age=0',
    )
    assert.equal(
      told([
        ['Date', now],
        ['Expires', 'Tue, 30 Nov 2027 12:00:00 GMT'],
      ]),
      'max-age=86400',
    )
    assert.equal(told([['Date', now], expires, ['Expires', '0']]), 'max-age=0')
  })
})
