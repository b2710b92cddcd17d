import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { contentName, isContentName, namedDigest, namedSha256 } from '../../core/content-name.ts'
import type { Sha256 } from '../../core/digest.ts'
import { parseTargetUri } from '../../core/target-uri.ts'

const HELLO = createHash('sha256').update('Hello World!').digest('hex') as Sha256
const NAME = 'ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk'

test('the name of content is that of RFC 6920 3, and says the digest', () => {
  assert.equal(contentName(HELLO), NAME)
  assert.equal(namedSha256(NAME), HELLO)
  assert.deepEqual(namedDigest(NAME), { algorithm: 'sha-256', hex: HELLO })
  assert.equal(parseTargetUri(NAME), NAME)
})

for (const [what, uri] of [
  ['another spelling', NAME.replace('ni:', 'NI:')],
  ['bits that mean nothing', `${NAME.slice(0, -1)}l`],
  ['an authority', NAME.replace('///', '//example.com/')],
  ['another digest', NAME.replace('sha-256', 'sha-512')],
  ['a digest too short', NAME.slice(0, -1)],
  ['a URL', 'http://example.test/ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk'],
] as const)
  test(`${what} is no name of content`, () => {
    assert.equal(isContentName(uri), false)
  })
