import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PIECE_BYTES, pieceSpan } from '../../core/pieces.ts'
import { areComplete, BodyDigester, digestSmall, isPiece } from '../../cache/piece-digests.ts'
import { bytesOf, sha256 } from './store-fixtures.ts'

describe('piece digests', () => {
  for (const size of [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 17]) {
    it(`fit a body of ${size} bytes, however it was cut`, () => {
      const bytes = bytesOf(size)
      for (const step of [65_536, 100_003, PIECE_BYTES, 5 * PIECE_BYTES]) {
        const digester = new BodyDigester()
        for (let at = 0; at < size; at += step) digester.update(bytes.subarray(at, at + step))
        const body = digester.result()
        assert.deepEqual([body.size, body.sha256, digester.length], [size, sha256(bytes), size])
        assert.ok(areComplete(body.pieces, size))
        for (let index = 0; index * PIECE_BYTES < size; index += 1) {
          const { start, end } = pieceSpan(index, size)
          assert.ok(isPiece(body, index, bytes.subarray(start, end)))
          assert.ok(!isPiece(body, index, bytes.subarray(start + 1, end)))
        }
      }
    })
  }

  it('may be asked for in the middle', () => {
    const digester = new BodyDigester()
    digester.update(bytesOf(PIECE_BYTES + 5))
    assert.deepEqual(digester.result(), digester.result())
    digester.update(bytesOf(3))
    assert.equal(digester.result().sha256, sha256(Buffer.concat([bytesOf(PIECE_BYTES + 5), bytesOf(3)])))
  })

  it('are none for a body of one piece, whose own digest says as much', () => {
    for (const size of [0, 1, PIECE_BYTES]) {
      const digester = new BodyDigester()
      digester.update(bytesOf(size))
      assert.deepEqual(digester.result(), digestSmall(bytesOf(size)))
      assert.equal(digester.result().pieces.length, 0)
      assert.ok(!areComplete(new Uint8Array(32), size))
      assert.ok(!isPiece(digester.result(), 1, bytesOf(size)))
    }
    assert.ok(!areComplete(new Uint8Array(), PIECE_BYTES + 1))
  })

  it('are incomplete when a digest is missing, cut, or too many', () => {
    const digester = new BodyDigester()
    digester.update(bytesOf(2 * PIECE_BYTES))
    const body = digester.result()
    const { pieces } = body
    for (const wrong of [pieces.subarray(32), pieces.subarray(1), Buffer.concat([pieces, pieces])]) {
      assert.ok(!areComplete(wrong, 2 * PIECE_BYTES))
    }
    assert.ok(!isPiece(body, 2, new Uint8Array()))
  })
})
