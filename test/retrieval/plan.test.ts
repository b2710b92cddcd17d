import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { missingFrom, withSpan, type Extents } from '../../cache/extents.ts'
import type { ByteSpan } from '../../core/ranges.ts'
import {
  isWorthSkipping,
  JOINED_GAP_BYTES,
  plan,
  SKIPPED_BYTES,
  SOON_BYTES,
  WHOLE,
  type InFlight,
} from '../../retrieval/plan.ts'

const MB = 1_000_000

function span(start: number, end: number): ByteSpan {
  return { start, end }
}

/** Steps as text: what is fetched, and what is waited for. */
function told(holes: readonly ByteSpan[], flights: readonly InFlight[] = []): string[] {
  return plan(holes, flights).map(({ kind, span: { start, end } }) => `${kind} ${start}-${end}`)
}

describe('what is asked of the origin server', () => {
  test('is nothing when nothing is missing', () => {
    assert.deepEqual(told([]), [])
  })

  test('are the holes, one by one', () => {
    assert.deepEqual(told([span(0, MB), span(3 * MB, 4 * MB)]), ['fetch 0-1000000', 'fetch 3000000-4000000'])
  })

  test('are the same holes in whatever order they are told, overlapping ones as one', () => {
    assert.deepEqual(told([span(3 * MB, 4 * MB), span(0, MB)]), ['fetch 0-1000000', 'fetch 3000000-4000000'])
    assert.deepEqual(told([span(502, 1763), span(10, 16)]), ['fetch 10-1763'])
    assert.deepEqual(told([span(0, 2 * MB), span(MB, MB + 5)]), ['fetch 0-2000000'])
  })

  test('is not what is on its way: it is waited for', () => {
    const flights = [{ at: 500, end: MB }]
    assert.deepEqual(told([span(500, MB)], flights), ['follow 500-1000000'])
    assert.deepEqual(told([span(MB / 2, 1.5 * MB)], flights), [
      'follow 500000-1000000',
      'fetch 1000000-1500000',
    ])
  })

  test('ends where another request begins', () => {
    assert.deepEqual(told([span(0, 3 * MB)], [{ at: MB, end: 2 * MB }]), [
      'fetch 0-1000000',
      'follow 1000000-2000000',
      'fetch 2000000-3000000',
    ])
  })

  test('is asked for by itself when it comes late only, and waited for up to the limit', () => {
    const whole = [{ at: MB, end: Infinity }]
    assert.deepEqual(told([span(MB + SOON_BYTES, 6 * MB)], whole), ['follow 5194304-6000000'])
    assert.deepEqual(told([span(MB + SOON_BYTES + 1, 6 * MB)], whole), ['fetch 5194305-6000000'])
  })

  test('is the whole to its unknown end', () => {
    assert.deepEqual(told([WHOLE]), ['fetch 0-Infinity'])
    assert.deepEqual(told([span(10, Infinity)], [{ at: 10, end: Infinity }]), ['follow 10-Infinity'])
  })

  test('is one request for two holes with little between them, unless somebody else brings one of them', () => {
    const near = [span(0, 100), span(100 + JOINED_GAP_BYTES - 1, 3000)]
    assert.deepEqual(told(near), ['fetch 0-3000'])
    assert.deepEqual(told([span(0, 100), span(100 + JOINED_GAP_BYTES, 3000)]), [
      'fetch 0-100',
      'fetch 1124-3000',
    ])
    assert.deepEqual(told(near, [{ at: 50, end: 100 }]), ['fetch 0-50', 'follow 50-100', 'fetch 1123-3000'])
  })

  test('covers every missing byte once, and no byte that is on its way soon (property)', () => {
    const spans = fc.array(
      fc.tuple(fc.nat(400), fc.nat(60)).map(([at, length]) => span(at * 4096, (at + length) * 4096)),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(spans, spans, fc.nat(400), fc.nat(200), (held, others, from, length) => {
        const extents = held.reduce(withSpan, [] as Extents)
        const asked = span(from * 4096, (from + length) * 4096)
        const free = others.reduce(withSpan, [] as Extents).flatMap((each) => missingFrom(extents, each))
        const flights = free.map(({ start: at, end }) => ({ at, end }))
        const holes = missingFrom(extents, asked)
        const steps = plan(holes, flights)
        const covered = steps.reduce((all, step) => withSpan(all, step.span), [] as Extents)
        assert.deepEqual(covered, holes.reduce(withSpan, [] as Extents))
        const bytes = (all: readonly ByteSpan[]) => all.reduce((sum, { start, end }) => sum + end - start, 0)
        assert.equal(bytes(steps.map((step) => step.span)), bytes(holes))
      }),
    )
  })
})

describe('a request under way that comes to what is here', () => {
  test('goes on through a little, and ends before much', () => {
    assert.equal(isWorthSkipping(0, SKIPPED_BYTES, []), false)
    assert.equal(isWorthSkipping(0, SKIPPED_BYTES + 1, []), true)
  })

  test('counts what others bring right behind it', () => {
    const others = [
      { at: SKIPPED_BYTES, end: SKIPPED_BYTES + 1 },
      { at: SKIPPED_BYTES + 9, end: Infinity },
    ]
    assert.equal(isWorthSkipping(0, SKIPPED_BYTES, others), true)
    assert.equal(isWorthSkipping(0, SKIPPED_BYTES - 1, others), false)
  })
})
