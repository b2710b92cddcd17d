import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { EntityTag } from '../../../cache/semantics/entity-tag.ts'
import {
  entityTagOf,
  matchesStrongly,
  matchesWeakly,
  parseEntityTag,
  parseEntityTags,
} from '../../../cache/semantics/entity-tag.ts'

const strong = (opaque: string): EntityTag => ({ isWeak: false, opaque })
const weak = (opaque: string): EntityTag => ({ isWeak: true, opaque })

const LISTS: readonly (readonly [text: string, tags: readonly EntityTag[] | undefined])[] = [
  ['', []],
  ['"a"', [strong('a')]],
  ['""', [strong('')]],
  ['W/"a"', [weak('a')]],
  ['"a", W/"b" ,"c"', [strong('a'), weak('b'), strong('c')]],
  [', "a",, "b",', [strong('a'), strong('b')]],
  ['"a,b"', [strong('a,b')]],
  ['"a\\", "b"', [strong('a\\'), strong('b')]],
  ['a', undefined],
  ['w/"a"', undefined],
  ['W/ "a"', undefined],
  ['"a', undefined],
  ['"a" "b"', undefined],
  ['"a b"', undefined],
  ["'a'", undefined],
  ['"a", *', undefined],
]

for (const [text, tags] of LISTS) {
  test(`RFC 9110 8.8.3: <${text}> is ${tags === undefined ? 'no list of entity tags' : JSON.stringify(tags)}`, () => {
    assert.deepEqual(parseEntityTags(text), tags)
  })
}

const COMPARISONS: readonly (readonly [EntityTag, EntityTag, strongly: boolean, weakly: boolean])[] = [
  [weak('1'), weak('1'), false, true],
  [weak('1'), weak('2'), false, false],
  [weak('1'), strong('1'), false, true],
  [strong('1'), weak('1'), false, true],
  [strong('1'), strong('1'), true, true],
  [strong('1'), strong('2'), false, false],
]

for (const [one, other, strongly, weakly] of COMPARISONS) {
  test(`RFC 9110 8.8.3.2: ${JSON.stringify(one)} and ${JSON.stringify(other)}`, () => {
    assert.equal(matchesStrongly(one, other), strongly)
    assert.equal(matchesWeakly(one, other), weakly)
  })
}

test('a single entity tag is no list', () => {
  assert.deepEqual(parseEntityTag('"a"'), strong('a'))
  assert.equal(parseEntityTag('"a", "b"'), undefined)
  assert.deepEqual(entityTagOf([['etag', ' W/"a" ']]), weak('a'))
  assert.equal(entityTagOf([]), undefined)
})

test('any list that is written is read back, and any text is read without an exception', () => {
  const tag = fc.record(
    { isWeak: fc.boolean(), opaque: fc.stringMatching(/^[!#-~]{0,9}$/) },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(fc.array(tag), fc.string({ unit: 'binary' }), (tags, text) => {
      const list = tags.map((each) => `${each.isWeak ? 'W/' : ''}"${each.opaque}"`).join(' , ')
      assert.deepEqual(parseEntityTags(list), tags)
      parseEntityTags(text)
    }),
  )
})
