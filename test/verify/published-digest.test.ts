import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Fields } from '../../core/fields.ts'
import { PUBLISHED_FORMS, publishedDigest } from '../../verify/published-digest.ts'

const BODY = 'the file'
const hex = (name: string) => createHash(name).update(BODY).digest('hex')
const base64 = (name: string) => createHash(name).update(BODY).digest('base64')
const SHA256 = { algorithm: 'sha-256', hex: hex('sha256') } as const
const SHA512 = { algorithm: 'sha-512', hex: hex('sha512') } as const
const MD5 = { algorithm: 'md5', hex: hex('md5') } as const
const AMAZON = ['x-amz-request-id', '1'] as const

for (const [what, fields, expected] of [
  ['Repr-Digest', [['Repr-Digest', `sha-256=:${base64('sha256')}:`]], SHA256],
  [
    'Repr-Digest with SHA-512 only',
    [['Repr-Digest', `unixsum=:AA==:, sha-512=:${base64('sha512')}:`]],
    SHA512,
  ],
  [
    'Repr-Digest with both',
    [['Repr-Digest', `sha-512=:${base64('sha512')}:,sha-256=:${base64('sha256')}:;x=1`]],
    SHA256,
  ],
  [
    'Repr-Digest in two lines',
    [
      ['Repr-Digest', `sha-512=:${base64('sha512')}:`],
      ['repr-digest', `sha-256=:${base64('sha256')}:`],
    ],
    SHA256,
  ],
  ['an Amazon checksum', [['x-amz-checksum-sha256', base64('sha256')]], SHA256],
  ['Content-MD5', [['Content-MD5', base64('md5')]], MD5],
  ['a Google hash', [['x-goog-hash', `crc32c=AAAAAA==, md5=${base64('md5')}`]], MD5],
  ['an Amazon entity tag', [['ETag', `"${hex('md5')}"`], AMAZON], MD5],
  [
    'a strong form before a weak one',
    [
      ['Content-MD5', base64('md5')],
      ['x-amz-checksum-sha256', base64('sha256')],
    ],
    SHA256,
  ],
  [
    'identity',
    [
      ['Content-Encoding', 'identity'],
      ['x-amz-checksum-sha256', base64('sha256')],
    ],
    SHA256,
  ],
] as const)
  test(`${what} is read`, () => {
    assert.deepEqual(publishedDigest(fields), expected)
  })

for (const [what, fields] of [
  ['nothing', []],
  ['SHA-1 and other old algorithms', [['Repr-Digest', `sha=:${base64('sha1')}:, md5=:${base64('md5')}:`]]],
  ['a digest of another length', [['Repr-Digest', `sha-256=:${base64('sha1')}:`]]],
  [
    'two values that differ',
    [['Repr-Digest', `sha-256=:${base64('sha256')}:, sha-256=:${'A'.repeat(43)}=:`]],
  ],
  ['the digest of the content of HEAD', [['Content-Digest', `sha-256=:${base64('sha256')}:`]]],
  [
    'a coded representation',
    [
      ['Content-Encoding', 'gzip'],
      ['Repr-Digest', `sha-256=:${base64('sha256')}:`],
    ],
  ],
  ['the digest of parts', [['x-amz-checksum-sha256', `${base64('sha256')}-3`]]],
  [
    'the digest of parts, without saying so',
    [
      ['x-amz-checksum-type', 'COMPOSITE'],
      ['x-amz-checksum-sha256', base64('sha256')],
    ],
  ],
  [
    'a packed object',
    [
      ['x-goog-stored-content-encoding', 'gzip'],
      ['x-goog-hash', `md5=${base64('md5')}`],
    ],
  ],
  ['an entity tag that anybody may have made', [['ETag', `"${hex('md5')}"`]]],
  ['an entity tag of parts', [['ETag', `"${hex('md5')}-2"`], AMAZON]],
  ['a weak entity tag', [['ETag', `W/"${hex('md5')}"`], AMAZON]],
  ['an encrypted object', [['ETag', `"${hex('md5')}"`], AMAZON, ['x-amz-server-side-encryption', 'aws:kms']]],
  ['base64 with something behind it', [['Content-MD5', `${base64('md5')}=`]]],
] as const)
  test(`${what}: there is no digest`, () => {
    assert.equal(publishedDigest(fields), undefined)
  })

test('whatever a server says, a digest has its length, and nothing is thrown', () => {
  const name = fc.constantFrom(
    ...PUBLISHED_FORMS.map(({ field }) => field),
    'x-amz-request-id',
    'content-encoding',
  )
  const value = fc.oneof(
    fc.string(),
    fc.base64String().map((each) => `sha-256=:${each}:`),
    fc.base64String(),
    fc.base64String().map((each) => `md5=${each}`),
  )
  const lengths = { 'sha-256': 64, 'sha-512': 128, 'blake2b-256': 64, md5: 32 }
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (fields: Fields) => {
      const digest = publishedDigest(fields)
      if (digest !== undefined)
        assert.match(digest.hex, new RegExp(`^[0-9a-f]{${lengths[digest.algorithm]}}$`))
    }),
  )
})
