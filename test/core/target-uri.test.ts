import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTargetUri, requestedUri } from '../../core/target-uri.ts'

const SPELLINGS: readonly (readonly [string, string])[] = [
  ['HTTP://Example.ORG:80/a/./b/../c', 'http://example.org/a/c'],
  ['http://example.org', 'http://example.org/'],
  ['http://example.org/%7euser/%2b?%2B=%41#part', 'http://example.org/~user/%2B?%2B=A'],
  ['https://example.org:443/', 'https://example.org/'],
  ['http://[2001:DB8::1]:8080/', 'http://[2001:db8::1]:8080/'],
]

test('what is equivalent has one spelling (RFC 3986 6.2.2)', () => {
  for (const [written, normal] of SPELLINGS) assert.equal(parseTargetUri(written), normal)
})

test('an empty query is another resource than none (RFC 3986 6.2.3)', () => {
  const uris = [
    'http://example.org/list',
    'http://example.org/list?',
    'http://example.org?',
    'http://example.org/?#part',
  ]
  const normal = [
    'http://example.org/list',
    'http://example.org/list?',
    'http://example.org/?',
    'http://example.org/?',
  ]
  assert.deepEqual(uris.map(parseTargetUri), normal)
})

test('reserved characters stay as they are written (RFC 3986 2.2)', () => {
  for (const query of ["?a='1'", '?a=%271%27', "?a=%27b'c%27'", "?a='b?c", "?!$&'()*+,;=:@/?"])
    assert.equal(parseTargetUri(`http://example.org/q${query}`), `http://example.org/q${query}`)
  assert.equal(parseTargetUri("http://example.org/'%27#'"), "http://example.org/'%27")
  assert.equal(parseTargetUri("http://example.org/?'ä b'"), "http://example.org/?'%C3%A4%20b'")
})

test('what is no place, or carries a name and a password, is none', () => {
  for (const text of [
    '',
    '/path',
    'ftp://example.org/',
    'http://',
    'http://a@example.org/',
    'http://a:b@example.org/',
  ])
    assert.equal(parseTargetUri(text), undefined)
})

test('a request is for what its target says, unless that was read as something else', () => {
  const target = new URL("http://example.org/q?a='1'")
  assert.equal(requestedUri(target, "HTTP://example.org:80/q?a='1'"), "http://example.org/q?a='1'")
  assert.equal(requestedUri(target, '/elsewhere'), 'http://example.org/q?a=%271%27')
  assert.equal(requestedUri(new URL('http://a@example.org/'), 'http://a@example.org/'), undefined)
})
