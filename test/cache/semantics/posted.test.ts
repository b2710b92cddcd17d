import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fields } from '../../../core/fields.ts'
import { parseTargetUri } from '../../../core/target-uri.ts'
import { mayStorePosted } from '../../../cache/semantics/posted.ts'
import { cacheControl, httpDate } from './fixtures.ts'

const URI = parseTargetUri('http://archive.example/search?q=1')
assert.ok(URI)

const at = (location: string): Fields => [['Content-Location', location]]
const HERE = at('/search?q=1')
const FRESH = cacheControl('max-age=60')

interface Case {
  readonly method?: string
  readonly status?: number
  readonly asked?: Fields
  readonly came: Fields
}

const CASES: readonly (readonly [sentence: string, of: Case, stored: boolean])[] = [
  ['its own representation, with max-age', { came: [...HERE, ...FRESH] }, true],
  ['its own representation, with Expires', { came: [...HERE, ['Expires', httpDate(60)]] }, true],
  ['its own representation, by absolute URI', { came: [...at(String(URI)), ...FRESH] }, true],
  ['another representation', { came: [...at('/search?q=2'), ...FRESH] }, false],
  ['that of another host', { came: [...at('http://other.example/search?q=1'), ...FRESH] }, false],
  ['no word what it represents', { came: FRESH }, false],
  ['two words what it represents', { came: [...HERE, ...HERE, ...FRESH] }, false],
  ['an unreadable location', { came: [...at('http://'), ...FRESH] }, false],
  ['no explicit lifetime', { came: [...HERE, ['Last-Modified', httpDate(-9000)]] }, false],
  ['public alone, which is no lifetime', { came: [...HERE, ...cacheControl('public')] }, false],
  ['no-store', { came: [...HERE, ...cacheControl('max-age=60, no-store')] }, false],
  ['private', { came: [...HERE, ...cacheControl('max-age=60, private')] }, false],
  ['an error', { status: 404, came: [...HERE, ...FRESH] }, false],
  ['the answer to PUT', { method: 'PUT', came: [...HERE, ...FRESH] }, false],
  ['credentials', { asked: [['Authorization', 'Basic eA==']], came: [...HERE, ...FRESH] }, false],
  ['a request with no-store', { asked: cacheControl('no-store'), came: [...HERE, ...FRESH] }, false],
]

for (const [sentence, { method = 'POST', status = 200, asked = [], came }, stored] of CASES) {
  test(`RFC 9110 9.3.3: ${sentence}: ${stored ? 'stored' : 'not stored'}`, () => {
    const request = { method, uri: URI, fields: asked }
    const { kind } = mayStorePosted(request, { status, fields: came }, { store: true })
    assert.equal(kind === 'store', stored)
  })
}

test('R6.3: a rule that does not store counts for POST too', () => {
  const request = { method: 'POST', uri: URI, fields: [] }
  assert.equal(
    mayStorePosted(request, { status: 200, fields: [...HERE, ...FRESH] }, { store: false }).kind,
    'no',
  )
})
