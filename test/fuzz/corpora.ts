/**
 * Inputs that are tricky, kept as files: test/fuzz/corpus/<parser>/<what it is>, and in `expected.json` what the parser makes of
 * each. What a fuzzer finds is put there. New files are noted with IHAVE_CORPUS=write, and looked at before they are committed.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'

const EXPECTED = 'expected.json'

export interface Corpus {
  readonly entries: readonly { readonly name: string; readonly bytes: Buffer }[]
  /** One of the entries with bytes changed, put in, left out, doubled, or exchanged for those of another one. */
  readonly mutants: fc.Arbitrary<Buffer>
}

/** Reads a corpus, and tests that each of its files is read as is written there. */
export function corpusOf(parser: string, read: (bytes: Buffer) => string): Corpus {
  const folder = join(import.meta.dirname, 'corpus', parser)
  const names = readdirSync(folder).filter((name) => name !== EXPECTED)
  const entries = names.map((name) => ({ name, bytes: readFileSync(join(folder, name)) }))
  if (process.env['IHAVE_CORPUS'] === 'write') {
    const found = Object.fromEntries(entries.map(({ name, bytes }) => [name, read(bytes)]))
    writeFileSync(join(folder, EXPECTED), `${JSON.stringify(found, undefined, 2)}\n`)
  }
  const expected = JSON.parse(readFileSync(join(folder, EXPECTED), 'utf8')) as Record<string, string>
  test(`the corpus of ${parser} is described whole`, () => {
    assert.deepEqual(Object.keys(expected).toSorted(), names.toSorted())
  })
  for (const { name, bytes } of entries)
    test(`${parser}: ${name}`, () => assert.equal(read(bytes), expected[name]))
  return { entries, mutants: mutantsOf(entries.map(({ bytes }) => bytes)) }
}

function mutantsOf(seeds: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const seed = fc.constantFrom(...seeds)
  const change = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    removed: fc.nat(8),
    added: fc.uint8Array({ maxLength: 8 }),
    isFlip: fc.boolean(),
  })
  return fc
    .record({
      first: seed,
      second: seed,
      cut: fc.double({ min: 0, max: 1, noNaN: true }),
      isSpliced: fc.boolean(),
      changes: fc.array(change, { maxLength: 6 }),
    })
    .map(({ first, second, cut, isSpliced, changes }) => {
      const spliced = Buffer.concat([
        first.subarray(0, cut * first.length),
        second.subarray(cut * second.length),
      ])
      let bytes = Buffer.from(isSpliced ? spliced : first)
      for (const { at, removed, added, isFlip } of changes) {
        const place = Math.floor(at * bytes.length)
        if (isFlip && bytes.length > 0) bytes[Math.min(place, bytes.length - 1)]! ^= 1 << (removed % 8)
        else bytes = Buffer.concat([bytes.subarray(0, place), added, bytes.subarray(place + removed)])
      }
      return bytes
    })
}

/** So many mutants in CI; IHAVE_FUZZ=100000 for a night. */
export const RUNS = Number(process.env['IHAVE_FUZZ'] ?? 3000)

/** Judges mutants, within a time that CI can bear; IHAVE_FUZZ lifts it. */
export function fuzz<T>(inputs: fc.Arbitrary<T>, judge: (input: T) => void): void {
  const limits = process.env['IHAVE_FUZZ'] === undefined ? { interruptAfterTimeLimit: 8000 } : {}
  fc.assert(fc.property(inputs, judge), { numRuns: RUNS, ...limits })
}
