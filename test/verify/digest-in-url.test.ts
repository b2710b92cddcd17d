import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Digest } from '../../core/digest.ts'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import { digestInUrl, DIGESTS_IN_URLS } from '../../verify/digest-in-url.ts'

const H64 = 'ab01'.repeat(16)
const H128 = 'cd23'.repeat(32)
const PYPI = `https://files.example/packages/ab/01/${'ab01'.repeat(15)}`

const PROOFS: readonly (readonly [uri: string, digest: Digest])[] = [
  [`http://archive.example/debian/dists/sid/main/by-hash/SHA256/${H64}`, { algorithm: 'sha-256', hex: H64 }],
  [
    `http://archive.example/debian/dists/sid/main/by-hash/SHA512/${H128}`,
    { algorithm: 'sha-512', hex: H128 },
  ],
  [`http://r.example/v2/a/b/blobs/sha256:${H64}`, { algorithm: 'sha-256', hex: H64 }],
  [`http://r.example/v2/a/b/blobs/sha256%3a${H64}`, { algorithm: 'sha-256', hex: H64 }],
  [`http://r.example/v2/a/b/manifests/sha256:${H64}?ns=registry.example`, { algorithm: 'sha-256', hex: H64 }],
  [`http://r.example/v2/a/b/blobs/sha512:${H128}`, { algorithm: 'sha-512', hex: H128 }],
  [
    `http://s.example/registry/docker/registry/v2/blobs/sha256/ab/${H64}/data?verify=1`,
    { algorithm: 'sha-256', hex: H64 },
  ],
  [`${PYPI}/six-1.16.0-py2.py3-none-any.whl`, { algorithm: 'blake2b-256', hex: H64 }],
  [`${PYPI}/six-1.16.0.tar.gz`, { algorithm: 'blake2b-256', hex: H64 }],
  [`http://m.example/fedora/repodata/${H64}-primary.xml.gz`, { algorithm: 'sha-256', hex: H64 }],
  [`http://m.example/fedora/repodata/${H128}-filelists.xml.zst`, { algorithm: 'sha-512', hex: H128 }],
  [
    'http://cache.example/nar/0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73.nar.xz',
    { algorithm: 'sha-256', hex: createHash('sha256').digest('hex') },
  ],
]

for (const [uri, digest] of PROOFS) {
  test(`${uri} names its own digest`, () => assert.deepEqual(digestInUrl(target(uri)), digest))
}

const NO_PROOFS: readonly (readonly [why: string, uri: string])[] = [
  ['MD5 is not proof', `http://d.example/by-hash/MD5Sum/${'ab'.repeat(16)}`],
  ['SHA-1 is not proof', `http://d.example/by-hash/SHA1/${'ab'.repeat(20)}`],
  ['one digit is missing', `http://d.example/by-hash/SHA256/${H64.slice(1)}`],
  ['one digit too many', `http://d.example/by-hash/SHA256/${H64}0`],
  ['SHA-512 needs 128 digits', `http://d.example/by-hash/SHA512/${H64}`],
  ['names are case-sensitive', `http://d.example/by-hash/SHA256/${H64.toUpperCase()}`],
  ['something follows', `http://d.example/by-hash/SHA256/${H64}/x`],
  ['a query may select other bytes', `http://d.example/by-hash/SHA256/${H64}?part=2`],
  ['the digest stands in the query', `http://d.example/?x=/by-hash/SHA256/${H64}&y`],
  ['a tag is not a digest', 'http://r.example/v2/a/b/manifests/latest'],
  ['an upload is not a blob', `http://r.example/v2/a/b/blobs/uploads/sha256:${H64}`],
  ['the storage directory does not fit', `http://s.example/v2/blobs/sha256/cd/${H64}/data`],
  ['metadata beside a wheel is other bytes', `${PYPI}/six-1.16.0-py2.py3-none-any.whl.metadata`],
  ['a signature beside an archive is other bytes', `${PYPI}/six-1.16.0.tar.gz.asc`],
  ['old PyPI paths hold no digest', 'https://files.example/packages/py3/s/six/six-1.16.0.tar.gz'],
  ['repomd.xml has no digest', 'http://m.example/fedora/repodata/repomd.xml'],
  ['SHA-1 repodata is not proof', `http://m.example/repodata/${'ab'.repeat(20)}-primary.xml.gz`],
  ['a signature beside repodata is other bytes', `http://m.example/repodata/${H64}-primary.xml.gz.asc`],
  ['52 digits that stand for more than 256 bits', `http://c.example/nar/${'z'.repeat(52)}.nar.xz`],
  ['a letter outside the alphabet', `http://c.example/nar/${'e'.repeat(52)}.nar.xz`],
  ['a store path digest is not the file', `http://c.example/nar/${'a'.repeat(32)}.nar`],
]

for (const [why, uri] of NO_PROOFS) {
  test(`no proof: ${why}`, () => assert.equal(digestInUrl(target(uri)), undefined))
}

test('every SHA-256 written in nix base-32 is read back, bit for bit', () => {
  const alphabet = '0123456789abcdfghijklmnpqrsvwxyz'
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      // Written as a number: the bytes are little-endian, the digits big-endian.
      let number = BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`)
      let text = ''
      for (let at = 0; at < 52; at++, number >>= 5n) text = alphabet.charAt(Number(number & 31n)) + text
      const digest = digestInUrl(target(`http://c.example/nar/${text}.nar.zst`))
      assert.equal(digest?.hex, Buffer.from(bytes).toString('hex'))
    }),
  )
})

test('every row is used by an example', () => {
  for (const { ecosystem, pattern } of DIGESTS_IN_URLS) {
    assert.ok(
      PROOFS.some(([uri]) => pattern.test(target(uri))),
      `${ecosystem} ${pattern.source}`,
    )
  }
})

function target(text: string): TargetUri {
  const uri = parseTargetUri(text)
  assert.ok(uri, text)
  return uri
}
