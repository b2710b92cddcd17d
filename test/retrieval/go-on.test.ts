/** What a peer left behind that no application has seen: the origin server goes on, or begins anew. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Expectation } from '../../core/verifier.ts'
import { REST_MS, SAVED_MS, isWorthGoingOn } from '../../retrieval/go-on.ts'
import { distinctBytes, RangedOrigin, type RangedFile } from './ranged-origin.ts'
import { Flow } from './upstreams.ts'
import { digestOf, offer, PEER, sha256, shunned, world } from './world.ts'

const BYTES_PER_SECOND = 1_000_000
const RIGHT = distinctBytes(400_000)
const HELD = 300_000
const FIELDS: RangedFile['fields'] = [['ETag', '"one"']]

describe('going on with what peers have begun', () => {
  const digest = digestOf(RIGHT)
  const least = (SAVED_MS * BYTES_PER_SECOND) / 1000
  const rest = (REST_MS * BYTES_PER_SECOND) / 1000
  for (const [what, expectation, heldBytes, missingBytes, isWorthIt] of [
    ['the least that saves time, and the most that others wait for', digest, least, rest, true],
    ['less is held', digest, least - 1, rest, false],
    ['more is missing', digest, least, rest + 1, false],
    ['nobody knows how much is missing', digest, least, Infinity, false],
    [
      'a signature judges the whole',
      { kind: 'signature', rung: 'V4' } as unknown as Expectation,
      least,
      rest,
      true,
    ],
    ['nothing judges it', { kind: 'none', rung: 'V6' } as const, least, rest, false],
  ] as const)
    test(`${isWorthIt ? 'is worth it' : 'is not worth it'}: ${what}`, () =>
      assert.equal(isWorthGoingOn(expectation, heldBytes, missingBytes, BYTES_PER_SECOND), isWorthIt))

  test('of a line of which nothing is known 1 MB/s is supposed', () => {
    assert.equal(isWorthGoingOn(digest, least, rest), true)
    assert.equal(isWorthGoingOn(digest, least, rest + 1), false)
  })
})

/** A peer that sends the first `HELD` bytes of `body`, and then nothing. */
function stopping(body: Uint8Array, file: Partial<RangedFile> = {}, reply?: RangedOrigin['answer']) {
  const origin = new RangedOrigin({ body: RIGHT, fields: FIELDS, ...file })
  const node = world({
    expectation: digestOf(RIGHT),
    offers: [offer(RIGHT.length)],
    peers: () => ({
      status: 200,
      fields: [['Content-Length', `${RIGHT.length}`]],
      body: new Flow().push(body.subarray(0, HELD)),
    }),
    origin: reply ?? origin.answer,
    originBytesPerSecond: BYTES_PER_SECOND,
  })
  return { node, origin }
}

const WRONG = Buffer.from(RIGHT)
WRONG[1000] = (WRONG[1000] ?? 0) ^ 1

describe('a peer that sends most of a file, and then nothing', () => {
  test('has not sent the right bytes in vain: the origin server sends the rest alone', async () => {
    const { node, origin } = stopping(RIGHT)
    const given = await node.get()
    assert.deepEqual([given.text.length, given.error], [RIGHT.length, undefined])
    assert.deepEqual(
      origin.asked.filter((range) => range === `bytes=${HELD}-`),
      [`bytes=${HELD}-`],
    )
    assert.equal(origin.asked.includes(undefined), false)
    assert.ok(node.told.some(({ kind }) => kind === 'stored'))
  })

  test('is not offered to others before the whole is judged', async () => {
    const { node } = stopping(RIGHT)
    await node.get()
    const kinds = node.told.map(({ kind }) => kind)
    assert.deepEqual(
      kinds.filter((kind) => kind === 'announced' || kind === 'readable' || kind === 'completed'),
      ['announced', 'readable', 'completed'],
    )
    assert.ok(!kinds.includes('failed'))
  })

  test('and sent a wrong byte: the origin server sends that part too, and the rest only once', async () => {
    const { node, origin } = stopping(WRONG)
    const given = await node.get()
    assert.deepEqual([given.error, Buffer.from(given.text, 'latin1').length], [undefined, given.text.length])
    assert.deepEqual(
      origin.asked.filter(
        (range) => range === undefined || range.startsWith('bytes=0-') || range === `bytes=${HELD}-`,
      ),
      [`bytes=${HELD}-`, `bytes=0-${HELD - 1}`],
    )
    const stored = node.told.find((each) => each.kind === 'stored')
    assert.ok(stored?.kind === 'stored')
    assert.deepEqual([stored.response.digest, stored.response.source], [sha256(RIGHT), 'internet'])
    // The end may have been of another version: it is no proof that the peer has lied.
    assert.deepEqual(new Set(shunned(node).map(([, reason]) => reason)), new Set(['stalled', 'broke-off']))
    assert.deepEqual(new Set(shunned(node).map(([peer]) => peer)), new Set([PEER]))
  })

  test('the same where nothing tells two versions apart: all of it is fetched', async () => {
    const { node, origin } = stopping(WRONG, { fields: [] })
    const given = await node.get()
    assert.equal(given.error, undefined)
    assert.equal(origin.asked.at(-1), undefined)
    const stored = node.told.find((each) => each.kind === 'stored')
    assert.ok(stored?.kind === 'stored')
    assert.equal(stored.response.digest, sha256(RIGHT))
  })

  test('of a file that is another one by now: all of it is fetched, and the request does not fail', async () => {
    const newer = distinctBytes(RIGHT.length + 400, 1)
    const { node, origin } = stopping(RIGHT, { body: newer })
    const given = await node.get()
    assert.equal(given.error, undefined)
    assert.equal(origin.asked.at(-1), undefined)
  })
})
