import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { blockBytes, missingFrom, NO_EXTENTS, runEnd, withSpan } from '../../cache/extents.ts'
import type { ByteSpan } from '../../core/ranges.ts'

const LIMIT = 64
const span = fc
  .tuple(fc.nat(LIMIT), fc.nat(LIMIT))
  .map(([one, other]): ByteSpan => ({ start: Math.min(one, other), end: Math.max(one, other) }))

describe('extents', () => {
  it('join spans that touch or overlap', () => {
    const extents = [
      { start: 0, end: 2 },
      { start: 6, end: 8 },
      { start: 2, end: 4 },
      { start: 3, end: 7 },
    ].reduce(withSpan, NO_EXTENTS)
    assert.deepEqual(extents, [{ start: 0, end: 8 }])
  })

  it('take each block once in which a byte of them lies', () => {
    fc.assert(
      fc.property(fc.array(span), (spans) => {
        const scaled = spans.map(({ start, end }) => ({ start: start * 1000, end: end * 1000 }))
        const touched = scaled.flatMap(({ start, end }) =>
          offsetsOf({ start: Math.floor(start / 4096), end: start < end ? Math.ceil(end / 4096) : 0 }),
        )
        assert.equal(blockBytes(scaled.reduce(withSpan, NO_EXTENTS)), new Set(touched).size * 4096)
      }),
    )
  })

  it('answer like a plain set of offsets, whatever was put in', () => {
    fc.assert(
      fc.property(fc.array(span), span, fc.nat(LIMIT), (spans, asked, offset) => {
        const extents = spans.reduce(withSpan, NO_EXTENTS)
        const held = new Set(spans.flatMap(offsetsOf))
        assert.deepEqual(
          extents.flatMap(offsetsOf),
          [...held].toSorted((a, b) => a - b),
        )
        assert.deepEqual(
          missingFrom(extents, asked).flatMap(offsetsOf),
          offsetsOf(asked).filter((each) => !held.has(each)),
        )
        assert.equal(runEnd(extents, offset), naiveRunEnd(held, offset))
      }),
    )
  })

  it('stay ascending, without empty spans and without neighbours that touch', () => {
    fc.assert(
      fc.property(fc.array(span), fc.array(span), (spans, asked) => {
        const extents = spans.reduce(withSpan, NO_EXTENTS)
        for (const list of [extents, ...asked.map((each) => missingFrom(extents, each))]) {
          list.forEach(({ start, end }, at) => assert.ok(start < end && (list[at - 1]?.end ?? -1) < start))
        }
      }),
    )
  })
})

function offsetsOf({ start, end }: ByteSpan): number[] {
  return Array.from({ length: end - start }, (_, at) => start + at)
}

function naiveRunEnd(held: ReadonlySet<number>, offset: number): number {
  let end = offset
  while (held.has(end)) end += 1
  return end
}
