import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, test } from 'node:test'
import { KnownBytes, REAL_EVERY } from '../../sim/known-bytes.ts'
import { bytesOf } from '../../sim/scenario.ts'

const FILE = bytesOf(1, 3_000_000)

/** Whoever is not the one in many that is read for real. */
function knowing() {
  const known = new KnownBytes()
  known.digester()
  return { known, sha256: known.add(FILE) }
}

describe('known bytes', () => {
  test('a file has the SHA-256 of its bytes', () => {
    assert.equal(knowing().sha256, hash('sha256', FILE))
  })

  test('views of the file, one after the other, are the file', () => {
    const { known, sha256 } = knowing()
    const digester = known.digester()
    for (let at = 0; at < FILE.length; at += 100_000) digester.update(FILE.subarray(at, at + 100_000))
    assert.equal(digester.result().sha256, sha256)
  })

  for (const [what, chunks] of Object.entries({
    'the same bytes in another array': [FILE.slice()],
    'a part of the file': [FILE.subarray(0, 1_000_000)],
    'the file from its middle on': [FILE.subarray(1_000_000)],
    'the file with a hole': [FILE.subarray(0, 1_000_000), FILE.subarray(2_000_000)],
    'a beginning, and then a stranger’s bytes': [FILE.subarray(0, 1_000_000), bytesOf(2, 2_000_000)],
    'more than the file': [FILE, FILE.subarray(0, 1)],
    nothing: [],
  })) {
    test(`${what} is digested for what it is`, () => {
      const { known } = knowing()
      const digester = known.digester()
      for (const chunk of chunks) digester.update(chunk)
      assert.equal(digester.result().sha256, hash('sha256', Buffer.concat(chunks)))
    })
  }

  test(`one copy in ${REAL_EVERY} is read byte by byte: a file that changes behind its digest is noticed`, () => {
    const known = new KnownBytes()
    const file = FILE.slice()
    const before = known.add(file)
    file[0] = (file[0] ?? 0) ^ 1
    const digests = Array.from({ length: REAL_EVERY }, () => {
      const digester = known.digester()
      digester.update(file)
      return digester.result().sha256
    })
    assert.equal(digests.filter((each) => each !== before).length, 1)
  })
})
