import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { compileGlob } from '../../retrieval/glob.ts'
import { type GlobAutomaton, MAX_REMEMBERED_STEPS } from '../../retrieval/glob-automaton.ts'

function automaton(pattern: string): GlobAutomaton {
  const compiled = compileGlob(pattern)
  return compiled.kind === 'glob' ? compiled.glob.automaton : assert.fail(pattern)
}

test('a text answers the same however many were asked about before', () => {
  const text = fc.stringMatching(/^http:\/\/[ab]\/[ab/.]{0,12}$/)
  const pattern = fc.constantFrom('**/a/**', '*.b', '**/{a,ab,b}*[ab]{2}', '/a/**/b', '**/*a*b*')
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 30 }), (glob, texts) => {
      const practised = automaton(glob)
      for (const each of texts) assert.equal(practised.matches(each), automaton(glob).matches(each), each)
    }),
  )
})

test('what is remembered is bounded, whatever texts a stranger makes up', () => {
  const glob = automaton('**/*[ab][^]{30}x'.replace('[^]', '[a-z]'))
  let most = 0
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{80}$/), (text) => {
      const expected = 'ab'.includes(text.at(-31) ?? '')
      assert.equal(glob.matches(`http://a/${text.slice(1)}x`), expected, text)
      most = Math.max(most, glob.remembered)
      assert.ok(glob.remembered <= MAX_REMEMBERED_STEPS)
    }),
    { numRuns: 500 },
  )
  assert.ok(most > MAX_REMEMBERED_STEPS / 2, `${most} steps: the bound was not tried`)
})
