import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MAX_WRITE_BYTES, SegmentWriter } from '../../cache/segment-writer.ts'
import { bytesOf, fault, turns } from './store-fixtures.ts'

/** A file in memory that takes `disk` bytes. */
class FakeFile {
  bytes = Buffer.alloc(0)
  readonly writes: number[] = []
  disk: number
  isClosed = false
  /** Ends each write after so many bytes. */
  most = Infinity

  constructor(disk: number) {
    this.disk = disk
  }

  writev(buffers: readonly Uint8Array[], position: number) {
    this.writes.push(buffers.length)
    return this.#put(Buffer.concat(buffers), position).bytesWritten
  }

  async write(bytes: Uint8Array, offset: number, length: number, position: number) {
    return this.#put(bytes.subarray(offset, offset + length), position)
  }

  async truncate(length: number) {
    this.bytes = this.bytes.subarray(0, length)
  }

  async close() {
    this.isClosed = true
  }

  #put(bytes: Uint8Array, position: number) {
    const fits = bytes.subarray(0, Math.min(this.most, Math.max(0, this.disk - position)))
    if (fits.length === 0 && bytes.length > 0) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    this.bytes = Buffer.concat([this.bytes.subarray(0, position), fits])
    return { bytesWritten: fits.length }
  }
}

function scene(disk = Infinity, maxBytes = 1000, opening: Promise<void> = Promise.resolve()) {
  const files: FakeFile[] = []
  const written: number[] = []
  const sealed: number[] = []
  const writer = new SegmentWriter({
    open: async () => {
      await opening
      const file = new FakeFile(disk)
      return { number: files.push(file), file, maxBytes }
    },
    written: (_, size) => written.push(size),
    sealed: (segment) => sealed.push(segment),
  })
  return { writer, files, written, sealed }
}

describe('appending to segments', () => {
  it('is one write for all that come in one turn', async () => {
    const { writer, files, written } = scene()
    const places = await Promise.all([100, 0, 200].map((size) => writer.append(bytesOf(size, size + 1))))
    assert.deepEqual(
      places.map(({ start }) => start),
      [0, 100, 100],
    )
    assert.deepEqual(files[0]?.writes, [3])
    assert.ok(files[0]?.bytes.equals(Buffer.concat([bytesOf(100, 101), bytesOf(200, 201)])))
    assert.deepEqual(written, [100, 0, 200])
  })

  it('is one write for all that come while their segment is opened', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { writer, files } = scene(Infinity, 1000, promise)
    const first = writer.append(bytesOf(10))
    await turns()
    const waiting = [writer.append(bytesOf(20)), writer.append(bytesOf(30))]
    await turns()
    resolve()
    await Promise.all([first, ...waiting])
    assert.deepEqual(files[0]?.writes, [3])
  })

  it('writes no more at once than takes a moment, unless it is one body', async () => {
    const { writer, files } = scene(Infinity, Infinity)
    const half = MAX_WRITE_BYTES / 2
    await Promise.all([half, half, 1, 2 * MAX_WRITE_BYTES, 1].map((size) => writer.append(bytesOf(size))))
    assert.deepEqual(files[0]?.writes, [2, 1, 1, 1])
  })

  it('cuts a batch where the segment ends, and closes what is full', async () => {
    const { writer, files, sealed } = scene()
    const places = await Promise.all([600, 300, 200, 900, 5].map((size) => writer.append(bytesOf(size))))
    assert.deepEqual(places, [
      { segment: 1, start: 0 },
      { segment: 1, start: 600 },
      { segment: 2, start: 0 },
      { segment: 3, start: 0 },
      { segment: 3, start: 900 },
    ])
    assert.deepEqual(
      files.map(({ isClosed }) => isClosed),
      [true, true, false],
    )
    assert.deepEqual(sealed, [1, 2])
    await writer.stop()
    assert.ok(files[2]?.isClosed)
  })

  it('puts a body alone into a segment that is shorter', async () => {
    const { writer } = scene(Infinity, 10)
    assert.deepEqual(await writer.append(bytesOf(50)), { segment: 1, start: 0 })
    assert.deepEqual(await writer.append(bytesOf(50)), { segment: 2, start: 0 })
  })

  it('goes on where a write ended early', async () => {
    const { writer, files } = scene()
    await writer.append(bytesOf(1))
    const [file] = files
    assert.ok(file)
    file.most = 70
    await Promise.all([writer.append(bytesOf(100, 2)), writer.append(bytesOf(100, 3))])
    assert.ok(file.bytes.equals(Buffer.concat([bytesOf(1), bytesOf(100, 2), bytesOf(100, 3)])))
  })

  it('on a full disk fails for the whole batch, takes nothing, and goes on at the same byte', async () => {
    const { writer, files, written } = scene(250)
    await writer.append(bytesOf(100))
    const batch = await Promise.allSettled([writer.append(bytesOf(100, 2)), writer.append(bytesOf(100, 3))])
    for (const each of batch) assert.ok(each.status === 'rejected' && fault('STORE_FULL')(each.reason))
    assert.equal(files[0]?.bytes.length, 100)
    assert.deepEqual(await writer.append(bytesOf(100, 4)), { segment: 1, start: 100 })
    assert.ok(files[0]?.bytes.equals(Buffer.concat([bytesOf(100), bytesOf(100, 4)])))
    assert.deepEqual(written, [100, 100])
    await turns(1)
    assert.ok(writer.isIdle)
  })

  it('ends with everything written', async () => {
    const { writer, files } = scene()
    const appended = writer.append(bytesOf(100))
    await writer.stop()
    assert.deepEqual(await appended, { segment: 1, start: 0 })
    assert.ok(files[0]?.isClosed && files[0].bytes.length === 100)
  })
})
