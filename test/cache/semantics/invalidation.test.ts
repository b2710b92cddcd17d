import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Fields } from '../../../core/fields.ts'
import { parseTargetUri } from '../../../core/target-uri.ts'
import { invalidatedUris } from '../../../cache/semantics/invalidation.ts'

const TARGET = 'http://a.example/dir/x?q=1'

function invalidated(method: string, status: number, fields: Fields = []): readonly string[] {
  const uri = parseTargetUri(TARGET)
  assert.ok(uri)
  return invalidatedUris({ method, uri }, { status, fields })
}

for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH', 'get']) {
  test(`RFC 9111 4.4: a ${method} that succeeds invalidates its target`, () => {
    for (const status of [200, 201, 204, 303, 399]) assert.deepEqual(invalidated(method, status), [TARGET])
  })
  test(`RFC 9111 4.4: a ${method} that fails invalidates nothing`, () => {
    for (const status of [100, 400, 404, 500, 599]) assert.deepEqual(invalidated(method, status), [])
  })
}

for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE']) {
  test(`RFC 9110 9.2.1: ${method} is safe and invalidates nothing`, () => {
    assert.deepEqual(invalidated(method, 200, [['Location', '/y']]), [])
  })
}

const REFERENCES: readonly (readonly [reference: string, also: string | undefined])[] = [
  ['/y', 'http://a.example/y'],
  ['y?z', 'http://a.example/dir/y?z'],
  ['http://A.example:80/%7ey#part', 'http://a.example/~y'],
  ['//a.example/y', 'http://a.example/y'],
  ['http://b.example/y', undefined],
  ['https://a.example/y', undefined],
  ['http://a.example:8080/y', undefined],
  ['http://a.example.evil/y', undefined],
  ['http://user@a.example/y', undefined],
  ['ftp://a.example/y', undefined],
  ['http://[', undefined],
]

for (const [reference, also] of REFERENCES) {
  test(`RFC 9111 4.4: <${reference}> ${also === undefined ? 'is not' : `is, as ${also},`} invalidated too`, () => {
    const expected = also === undefined ? [TARGET] : [TARGET, also]
    assert.deepEqual(invalidated('POST', 201, [['Location', reference]]), expected)
    assert.deepEqual(invalidated('PUT', 200, [['content-location', reference]]), expected)
  })
}

test('each URI is named once', () => {
  const fields: Fields = [
    ['Location', '/y'],
    ['Content-Location', '/y'],
    ['Location', TARGET],
  ]
  assert.deepEqual(invalidated('POST', 201, fields), [TARGET, 'http://a.example/y'])
})

test('whatever Location says, nothing of another origin is named', () => {
  const reference = fc.oneof(fc.string(), fc.webUrl(), fc.webPath())
  fc.assert(
    fc.property(reference, (location) => {
      for (const uri of invalidated('POST', 201, [['Location', location]]))
        assert.ok(uri.startsWith('http://a.example/'))
    }),
  )
})
