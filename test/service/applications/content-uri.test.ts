import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isUri, namedContent, sha256From } from '../../../service/applications/content-uri.ts'

const HEX = '7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069'
const NI = 'ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk'

for (const uri of [
  NI,
  `${NI.replace('///', '//example.com/')}?ct=text/plain`,
  `urn:sha256:${HEX}`,
  `urn:SHA-256:${HEX.toUpperCase()}`,
  `hash://sha256/${HEX}`,
  `magnet:?dn=name&xt=urn:md5:00&xt=urn:sha256:${HEX}`,
])
  test(`${uri} is read as one name`, () => {
    assert.equal(namedContent(uri)?.sha256, HEX)
  })

test('a magnet names at most eight places, and only those that can be asked', () => {
  const places = Array.from({ length: 10 }, (_, n) => `&as=http://h/${n}`).join('')
  const magnet = `magnet:?xt=urn:sha256:${HEX}&xs=ftp://h/x&xs=https%3A%2F%2Fh%2Fx${places}`
  const named = namedContent(magnet)
  assert.deepEqual(named?.places.slice(0, 2), ['https://h/x', 'http://h/0'])
  assert.equal(named?.places.length, 8)
})

for (const uri of [
  'http://h/x',
  'urn:example:x',
  `urn:sha256:${HEX}0`,
  `urn:md5:${HEX}`,
  'magnet:?dn=x',
  'magnet:',
])
  test(`${uri} does not say what its bytes are`, () => {
    assert.equal(namedContent(uri), undefined)
  })

test('a digest is written with its algorithm', () => {
  assert.equal(sha256From(`sha-256:${HEX.toUpperCase()}`), HEX)
  assert.equal(sha256From(undefined), undefined)
  for (const digest of [HEX, `sha-512:${HEX}`, `sha-256:${HEX}0`, 7, null])
    assert.throws(() => sha256From(digest), /expected sha-256: and 64/)
})

test('a URI fits a service packet', () => {
  assert.equal(isUri(`urn:${'x'.repeat(1000)}`), true)
  assert.equal(isUri(`urn:${'x'.repeat(1001)}`), false)
  assert.equal(isUri('urn:with space'), false)
  assert.equal(isUri('no scheme'), false)
})
