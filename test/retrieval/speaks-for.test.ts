import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TargetUri } from '../../core/target-uri.ts'
import { compileRules, DEFAULT_POLICY } from '../../retrieval/rules.ts'
import { grantFor } from '../../retrieval/speaks-for.ts'

const FILE = 'http://files.test/x.whl' as TargetUri
const INDEX = 'http://p.test/simple/x/' as TargetUri

function grant(speaksFor: readonly string[], index: TargetUri = INDEX) {
  return grantFor(
    compileRules([{ ...DEFAULT_POLICY, match: 'http://p.test/simple/**', speaksFor }], []),
    index,
  )
}

test('an index vouches elsewhere for what its rule names, and for nothing else', () => {
  const { includes } = grant(['http://other.test/**', 'http://files.test/**'])
  assert.deepEqual([includes(FILE), includes('http://evil.test/x.whl' as TargetUri)], [true, false])
})

test('an index without such a rule vouches for nothing elsewhere', () => {
  for (const each of [grant([]), grant(['**'], 'http://q.test/simple/x/' as TargetUri)])
    assert.deepEqual([each.id, each.includes(FILE)], ['', false])
})

test('what cannot be compiled matches nothing', () => {
  assert.equal(grant(['{']).includes(FILE), false)
})

test('another grant has another name', () => {
  assert.notEqual(grant(['http://a.test/**']).id, grant(['http://b.test/**']).id)
})
