import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DigestAlgorithm } from '../../core/digest.ts'
import { createDigest } from '../../core/hash.ts'

// Computed by Python's hashlib, an independent implementation, over bytes i mod 251.
const EXPECTED: readonly (readonly [DigestAlgorithm, size: number, hex: string])[] = [
  ['sha-256', 0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['sha-256', 300_000, '3c65ea93424a9c362fec0e3a69ea36031e8a358441479dd665cc6110eabe7b08'],
  [
    'sha-512',
    300_000,
    'd619213ea86cf782a1ee9a415fdacd6f2928eb24d27447ee53b230c7b21f64e55b03475956f4f2d0d03fbeba5c0c8af19dd49c658b28c50ab32a43648184d3b5',
  ],
  ['blake2b-256', 0, '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8'],
  ['blake2b-256', 300_000, '3611f96ae91e0b1f73c74d3f9872224ea54a4e7772d4949c230f59fe8f1ba194'],
]

for (const [algorithm, size, hex] of EXPECTED) {
  test(`${algorithm} of ${size} bytes is what another implementation computes`, () => {
    const digest = createDigest(algorithm)
    const bytes = Uint8Array.from({ length: size }, (_, at) => at % 251)
    for (let at = 0; at < size; at += 65_521) digest.update(bytes.subarray(at, at + 65_521))
    assert.equal(digest.hex(), hex)
  })
}
