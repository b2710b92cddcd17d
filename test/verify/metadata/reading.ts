/** Reading made-up indexes in tests. */
import * as fc from 'fast-check'
import type { Emit, IndexReader, Mention } from '../../../verify/metadata/mention.ts'

/** Everything that an index says. @param cuts where its text is cut into pieces, as shares of it. */
export function mentionsIn(
  reader: (emit: Emit) => IndexReader,
  text: string,
  cuts: readonly number[] = [],
): Mention[] {
  const mentions: Mention[] = []
  const reading = reader((each) => mentions.push(each))
  for (const piece of pieces(text, cuts)) reading.push(piece)
  reading.end()
  return mentions
}

export function pieces(text: string, cuts: readonly number[]): string[] {
  const places = [0, ...cuts.map((cut) => Math.floor(cut * text.length)), text.length].toSorted(
    (a, b) => a - b,
  )
  return places.slice(1).map((end, at) => text.slice(places[at], end))
}

/** Shares of a text at which it is cut. */
export const CUTS = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 })

/** A text that was one thing and has become another: parts of it left out, doubled, or exchanged for something else. */
export function damaged(text: string): fc.Arbitrary<string> {
  const place = fc.nat(text.length)
  const change = fc.tuple(
    place,
    place,
    fc.oneof(fc.string(), fc.constantFrom('<', '>', '"', '{', '}', '\\', '&#', ']]>')),
  )
  return fc
    .array(change, { minLength: 1, maxLength: 4 })
    .map((changes) =>
      changes.reduce((all, [from, to, other]) => all.slice(0, from) + other + all.slice(to), text),
    )
}
