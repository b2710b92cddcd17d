import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { JsonScanner, MAX_JSON_DEPTH, MAX_JSON_STRING } from '../../../verify/metadata/json-scanner.ts'
import { UnreadableIndex } from '../../../verify/metadata/mention.ts'
import { CUTS, damaged, pieces } from './reading.ts'

function scan(text: string, cuts: readonly number[] = []) {
  const values: [string, string | undefined][] = []
  const closed: string[] = []
  const scanner = new JsonScanner({
    value: (path, value) => void values.push([JSON.stringify(path), value]),
    close: (path) => void closed.push(JSON.stringify(path)),
  })
  for (const piece of pieces(text, cuts)) scanner.push(piece)
  scanner.end()
  return { values, closed }
}

function walk(value: unknown, path: (string | number)[] = []): [string, string | undefined][] {
  if (Array.isArray(value)) return value.flatMap((each, at) => walk(each, [...path, at]))
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, each]) => walk(each, [...path, key]))
  return [[JSON.stringify(path), typeof value === 'string' ? value : JSON.stringify(value)]]
}

test('every value is found at its place, wherever the text is cut', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), CUTS, fc.constantFrom(undefined, 2), (value, cuts, indent) => {
      assert.deepEqual(scan(JSON.stringify(value, undefined, indent), cuts).values, walk(value))
    }),
  )
})

test('objects and arrays are closed at their place, the inner ones first', () => {
  assert.deepEqual(scan('{"a":{"b":[{},[]]},"c":{}}').closed, [
    '["a","b",0]',
    '["a","b",1]',
    '["a","b"]',
    '["a"]',
    '["c"]',
    '[]',
  ])
})

test('documents may follow each other', () => {
  assert.deepEqual(scan('{"a":1}\n{"a":2}\n3').values, [
    ['["a"]', '1'],
    ['["a"]', '2'],
    ['[]', '3'],
  ])
})

test('a string that is too long is passed over, the rest is read', () => {
  const long = 'x'.repeat(MAX_JSON_STRING + 1)
  const { values } = scan(
    JSON.stringify({ a: long, [long]: 'named too long', b: 'x'.repeat(MAX_JSON_STRING) }),
    [0.3],
  )
  assert.deepEqual(values, [
    ['["a"]', undefined],
    ['[""]', 'named too long'],
    ['["b"]', 'x'.repeat(MAX_JSON_STRING)],
  ])
})

test('nesting has an end', () => {
  scan('['.repeat(MAX_JSON_DEPTH) + ']'.repeat(MAX_JSON_DEPTH))
  assert.throws(() => scan('['.repeat(MAX_JSON_DEPTH + 1)), UnreadableIndex)
})

for (const text of [
  '{',
  '["a"',
  '"a',
  '{"a":1]',
  '{"a" 1}',
  '{1:2}',
  '{"a":1 2}',
  '[1 2]',
  ',',
  '<html>',
  '{"a":,}',
])
  test(`not JSON: ${text}`, () => {
    assert.throws(() => scan(text), UnreadableIndex)
  })

test('whatever comes, it is read or found unreadable', () => {
  const text = fc.oneof(fc.string(), fc.json().chain(damaged))
  fc.assert(
    fc.property(text, CUTS, (each, cuts) => {
      try {
        scan(each, cuts)
      } catch (error) {
        assert.ok(error instanceof UnreadableIndex, String(error))
      }
    }),
  )
})
