import assert from 'node:assert/strict'
import test from 'node:test'
import { MAX_PATTERN_LENGTH, MAX_REPEATS, parseGlobPattern } from '../../retrieval/glob-pattern.ts'

const FLAWED: readonly (readonly [pattern: string, expected: RegExp])[] = [
  ['', /a URL glob of at most/],
  ['x'.repeat(MAX_PATTERN_LENGTH + 1), /at most 2000 characters/],
  ['a{b', /a } for each \{/],
  ['a}b{', /a } for each \{/],
  ['{a,{b}', /a } for each \{/],
  ['a[b', /a set such as \[0-9\]/],
  ['a[]', /a set such as \[0-9\]/],
  ['[z-a]', /a set of ASCII characters/],
  ['[ü]', /a set of ASCII characters/],
  ['[%20]', /a set of ASCII characters/],
  ['[a]{0}', /repeated 1 to 128 times/],
  [`[a]{${MAX_REPEATS + 1}}`, /repeated 1 to 128 times/],
  ['http://bücher.example/**', /xn--/],
  ['http://example.com', /a path after the host/],
  ['//example.com', /a path after the host/],
]

for (const [pattern, expected] of FLAWED)
  test(`"${pattern.slice(0, 30)}" is refused with what was expected`, () => {
    const parsed = parseGlobPattern(pattern)
    assert.equal(parsed.kind, 'invalid')
    assert.match(parsed.kind === 'invalid' ? parsed.expected : '', expected)
  })

test('the longest pattern and the highest repetition are accepted', () => {
  assert.equal(parseGlobPattern('x'.repeat(MAX_PATTERN_LENGTH)).kind, 'parts')
  assert.equal(parseGlobPattern(`[0-9a-f]{${MAX_REPEATS}}`).kind, 'parts')
})

test('a pattern with half of a surrogate pair is read, not thrown at', () => {
  assert.equal(parseGlobPattern('a\ud800b').kind, 'parts')
})
