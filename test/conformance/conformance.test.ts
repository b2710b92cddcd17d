/**
 * The public HTTP cache suite, in the release that the lock file names, in forward-proxy mode. What does not pass is
 * listed in known-results.json, which may only shrink, and explained in docs/conformance.md.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { measure } from './measure.ts'
import { RELEASE } from './release.ts'
import type { Kind } from './suite.ts'

const KNOWN = JSON.parse(readFileSync(new URL('known-results.json', import.meta.url), 'utf8')) as Record<
  Kind,
  readonly string[]
>
const EXPLANATIONS = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8')

test('the public cache suite gives the known results, no worse and no better', async () => {
  const results = await measure({ directory: RELEASE })
  const known = new Set(Object.values(KNOWN).flat())
  const passes = results.filter(({ outcome }) => outcome === 'pass').map(({ id }) => id)
  const worse = results.filter(({ id, outcome }) => outcome !== 'pass' && !known.has(id))
  assert.deepEqual(worse, [], 'these tests passed before')
  const better = passes.filter((id) => known.has(id))
  assert.deepEqual(
    better,
    [],
    'these tests pass now: take them off known-results.json and docs/conformance.md',
  )
  const ids = new Set(results.map(({ id }) => id))
  assert.deepEqual(
    [...known].filter((id) => !ids.has(id)),
    [],
    'the suite has no such tests',
  )
})

test('every known difference from what the suite asks for is explained', () => {
  const differences = [...KNOWN.required, ...KNOWN.optimal]
  assert.deepEqual(
    differences.filter((id) => !EXPLANATIONS.includes(`\`${id}\``)),
    [],
  )
})
