import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecentBytes } from '../../cache/recent-bytes.ts'
import { bytesOf } from './store-fixtures.ts'

describe('recent bytes', () => {
  it('are found from any offset within a chunk, to its end at most', () => {
    const recent = new RecentBytes()
    recent.add(100, Buffer.from('abcdef'))
    const at = (start: number, end: number) => {
      const bytes = recent.from({ start, end })
      return bytes === undefined ? undefined : Buffer.from(bytes).toString()
    }
    assert.equal(at(100, 103), 'abc')
    assert.equal(at(104, 500), 'ef')
    assert.equal(at(99, 103), undefined)
    assert.equal(at(106, 107), undefined)
    recent.clear()
    assert.equal(at(100, 103), undefined)
  })

  it('are forgotten beyond 512 KiB, the oldest first', () => {
    const recent = new RecentBytes()
    recent.add(0, bytesOf(256 * 1024))
    recent.add(256 * 1024, bytesOf(256 * 1024))
    assert.ok(recent.from({ start: 0, end: 1 }))
    recent.add(512 * 1024, bytesOf(1))
    assert.equal(recent.from({ start: 0, end: 1 }), undefined)
    assert.ok(recent.from({ start: 256 * 1024, end: 300 * 1024 }))
    recent.add(1024 * 1024, bytesOf(512 * 1024 + 1))
    assert.equal(recent.from({ start: 1024 * 1024, end: 1024 * 1024 + 1 }), undefined)
  })

  it('are more where a crowd reads, up to 8 MiB', () => {
    const recent = new RecentBytes()
    const MiB = 1024 * 1024
    for (let at = 0; at < 8; at += 1) recent.add(at * MiB, bytesOf(MiB), 1000)
    assert.ok(recent.from({ start: 0, end: 1 }))
    recent.add(8 * MiB, bytesOf(1), 1000)
    assert.equal(recent.from({ start: 0, end: 1 }), undefined)
    assert.ok(recent.from({ start: MiB, end: MiB + 1 }))
    recent.add(8 * MiB + 1, bytesOf(1), 0)
    assert.equal(recent.from({ start: 7 * MiB, end: 7 * MiB + 1 }), undefined)
  })

  it('are forgotten beyond 64 chunks', () => {
    const recent = new RecentBytes()
    for (let at = 0; at < 65; at += 1) recent.add(at, bytesOf(1))
    assert.equal(recent.from({ start: 0, end: 1 }), undefined)
    assert.ok(recent.from({ start: 1, end: 2 }))
  })
})
