import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { UnreadableIndex } from '../../../verify/metadata/mention.ts'
import { MAX_TAG, TagScanner } from '../../../verify/metadata/tag-scanner.ts'
import { CUTS, damaged, pieces } from './reading.ts'

function scan(text: string, cuts: readonly number[] = [], language: 'xml' | 'html' = 'xml') {
  const said: string[] = []
  const scanner = new TagScanner(language, {
    open: (name, tag) => void said.push(`<${name} ${tag.attribute('a') ?? '-'}>`),
    close: (name) => void said.push(`</${name}>`),
    text: (each) => void said.push(each ?? 'too long'),
  })
  for (const piece of pieces(text, cuts)) scanner.push(piece)
  scanner.end()
  // Text may come in pieces when it is cut.
  return said.join('')
}

test('tags, attributes and text are told in order', () => {
  assert.equal(
    scan(
      '<?xml version="1.0"?><r:x a="1 &gt; 0">t&amp;&#65;&#x42;<!-- <no> --><y b="2"/><![CDATA[<z>]]></r:x>',
    ),
    '<x 1 > 0>t&AB<y -></y><z></x>',
  )
})

test('a ">" in quotes ends no tag', () => {
  assert.equal(scan(`<x a="/>" b='>'>y</x>`), '<x />>y</x>')
})

test('of an attribute that stands twice nobody knows the value', () => {
  assert.equal(scan('<x a="1" p:a="2"/>'), '<x -></x>')
})

test('HTML may have bare attributes, a doctype, and things that are no tags', () => {
  assert.equal(scan('<!DOCTYPE html><A A=1 b>x<1></a>', [], 'html'), '<a 1>x</a>')
})

for (const text of ['<!DOCTYPE x>', '<!ENTITY a "b">', '<x>&a;</x><!ELEMENT x>', '< x>'])
  test(`XML with ${text} is refused`, () => {
    assert.throws(() => scan(text), UnreadableIndex)
  })

test('entities that nobody predefined stay as they are', () => {
  assert.equal(scan('<x>&lol; &#x110000; &#9999999;</x>'), '<x ->&lol; &#x110000; &#9999999;</x>')
})

test('a tag has an end, a comment too', () => {
  scan(`<x a="${'y'.repeat(MAX_TAG - 8)}"/>`, [0.5])
  for (const text of [
    `<x a="${'y'.repeat(MAX_TAG)}`,
    `<!--${'y'.repeat(MAX_TAG)}`,
    `<![CDATA[${'y'.repeat(MAX_TAG)}`,
  ])
    assert.throws(() => scan(text), UnreadableIndex)
})

test('text that is too long is passed over, wherever it is cut', () => {
  fc.assert(
    fc.property(CUTS, (cuts) => {
      const said = scan(`<x>${'y'.repeat(2 * MAX_TAG)}</x>`, cuts)
      assert.equal(said, '<x ->too long</x>')
    }),
  )
})

test('cuts change nothing', () => {
  const text = `<a a="<>"><b>some &amp; text</b><!-- > --><![CDATA[ ]] ]]><c a='x"y'/></a>`
  fc.assert(fc.property(CUTS, (cuts) => assert.equal(scan(text, cuts), scan(text))))
})

test('whatever comes, it is read or found unreadable', () => {
  const text = fc.oneof(fc.string(), damaged('<a b="c">d<e/></a><!-- f --><![CDATA[g]]>'))
  fc.assert(
    fc.property(text, CUTS, fc.constantFrom('xml' as const, 'html' as const), (each, cuts, language) => {
      try {
        scan(each, cuts, language)
      } catch (error) {
        assert.ok(error instanceof UnreadableIndex, String(error))
      }
    }),
  )
})
