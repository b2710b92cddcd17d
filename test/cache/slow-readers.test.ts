import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { bytesOf, collect, MIB, openDiskStore, temporaryDirectory } from './store-fixtures.ts'

/** Bytes of the largest pieces in which bodies come. */
const PIECE_BYTES = 256 * 1024

setFlagsFromString('--expose-gc')
// Otherwise buffers that were let go count until a thread of the collector's own is through with them.
setFlagsFromString('--no-concurrent-array-buffer-sweeping')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes of all buffers of this process that somebody still has. */
function bufferBytes(): number {
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

describe('slow readers of a growing copy', () => {
  it('neither slow a fast one nor cost more memory than the chunk that each was handed', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory, maxBytes: 200 * MIB })
    const block = bytesOf(PIECE_BYTES)
    const whole = { start: 0, end: 96 * MIB }
    const copy = await store.create(whole.end)
    copy.setSize(whole.end)
    copy.release(Infinity)
    const before = bufferBytes()
    const fast = copy.read(whole)[Symbol.asyncIterator]()
    const slow: AsyncIterator<Uint8Array>[] = []
    const handed: Uint8Array[] = []
    let fastBytes = 0
    for (let at = 0; at < whole.end; at += MIB) {
      for (let piece = 0; piece < MIB; piece += PIECE_BYTES) await copy.write(at + piece, Buffer.from(block))
      while (fastBytes < at + MIB) fastBytes += ((await fast.next()).value as Uint8Array).length
      const reader = copy.read({ start: at, end: whole.end })[Symbol.asyncIterator]()
      handed.push((await reader.next()).value as Uint8Array)
      slow.push(reader)
    }
    assert.equal(fastBytes, whole.end)
    assert.equal(copy.readers, 1 + 96)
    const most = 96 * PIECE_BYTES + 8 * MIB + 4 * MIB
    const taken = bufferBytes() - before
    assert.ok(taken <= most, `${taken} bytes are held for readers, ${most} may be`)
    const rest = { [Symbol.asyncIterator]: () => slow[90] as AsyncIterator<Uint8Array> }
    assert.equal((handed[90]?.length ?? 0) + (await collect(rest)).length, 6 * MIB)
    for (const reader of [fast, ...slow]) await reader.return?.()
    assert.equal(copy.readers, 0)
    await copy.discard()
  })
})
