import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reasonText, refusedText } from '../../cli/refusals.ts'

test('what was refused is told in words, with its code', () => {
  assert.equal(
    refusedText({ replayed: 3, https: 1, 'internal-redirect': 1 }),
    '3 × a replay (replayed), 1 × https, 1 × a redirect to an internal address (internal-redirect)',
  )
  assert.equal(refusedText({}), '')
})

test('a reason that is not known here stays as it is, whatever its name', () => {
  assert.equal(reasonText('of-another-version'), 'of-another-version')
  assert.equal(reasonText('constructor'), 'constructor')
})
