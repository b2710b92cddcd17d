import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isToken, splitList, withoutOws } from '../../../cache/semantics/list.ts'

const LISTS: readonly (readonly [value: string, elements: readonly string[]])[] = [
  ['', []],
  [' , ,\t', []],
  ['a, b ,\tc', ['a', 'b', 'c']],
  ['a="x,y", b', ['a="x,y"', 'b']],
  ['a="x\\",y", b', ['a="x\\",y"', 'b']],
  ['a="x, b', ['a="x', 'b']],
  ['a="x\\', ['a="x\\']],
]

for (const [value, elements] of LISTS) {
  test(`RFC 9110 5.6.1: <${value}> has ${elements.length} elements`, () => {
    assert.deepEqual(splitList(value), elements)
  })
}

test('RFC 9110 5.6.3: only spaces and tabs are optional white space', () => {
  assert.equal(withoutOws(' \ta b\t '), 'a b')
  assert.equal(withoutOws('\u00a0a\v'), '\u00a0a\v')
  assert.equal(withoutOws(' \t '), '')
})

test('RFC 9110 5.6.2: a token has no separator in it', () => {
  for (const token of ['a', 'max-age', "!#$%&'*+.^_`|~09AZ"]) assert.ok(isToken(token), token)
  for (const other of ['', 'a b', 'a;b', '"a"', 'a/b', 'ä', 'a\n']) assert.ok(!isToken(other), other)
})

test('joining words with commas and splitting them again gives the words', () => {
  const word = fc.stringMatching(/^[!-+.-~]{1,8}$/).filter((text) => !text.includes('"'))
  fc.assert(
    fc.property(fc.array(word), (words) => {
      assert.deepEqual(splitList(words.join(' ,\t')), words)
    }),
  )
})

const HOSTILE: readonly (readonly [piece: string, elements: number])[] = [
  ['"\\', 1],
  ['"', 1],
  [' ', 0],
  ['",', 150_000],
  [', ', 0],
]

for (const [piece, elements] of HOSTILE) {
  test(`300,000 times <${piece}> is split in linear time`, () => {
    assert.equal(splitList(piece.repeat(300_000)).length, elements)
  })
}
