import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { PortableChecksum } from '../../signing/portable-checksum.ts'

/** Word by word, with the carry added at once. */
function expected(bytes: Uint8Array, checksumAt: number): number {
  const file = Buffer.concat([bytes, Buffer.alloc(bytes.length % 2)])
  file.fill(0, Math.min(checksumAt, file.length), Math.min(checksumAt + 4, file.length))
  let sum = 0
  for (let at = 0; at < file.length; at += 2) {
    sum += file.readUInt16LE(at)
    sum = (sum & 0xffff) + (sum >>> 16)
  }
  return sum + bytes.length
}

test('the checksum is that of the words, its own bytes left out, in whatever pieces they come', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.nat(410),
      fc.array(fc.nat(400), { maxLength: 5 }),
      (bytes, checksumAt, cuts) => {
        const sum = new PortableChecksum(checksumAt)
        const places = [0, ...cuts.toSorted((one, other) => one - other), bytes.length]
        for (const [at, start] of places.entries()) sum.update(bytes.subarray(start, places[at + 1] ?? start))
        assert.equal(sum.value(), expected(bytes, checksumAt))
      },
    ),
    { numRuns: 1_000 },
  )
})
