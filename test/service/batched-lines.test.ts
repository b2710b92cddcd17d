import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BatchedLines } from '../../service/batched-lines.ts'
import { manualClock } from '../manual-clock.ts'

function batch() {
  const written: string[] = []
  const clock = manualClock()
  const lines = new BatchedLines({ write: (text) => written.push(text) }, clock)
  return { written, clock, lines }
}

describe('lines that may wait', () => {
  test('go out together after a moment', () => {
    const { written, clock, lines } = batch()
    for (const line of ['a\n', 'b\n']) lines.add(line)
    clock.advance(99)
    assert.deepEqual(written, [])
    clock.advance(1)
    assert.deepEqual(written, ['a\nb\n'])
    clock.advance(1000)
    assert.deepEqual([written.length, clock.pending()], [1, 0], 'an idle log wakes nobody')
  })

  test('go out at once when they are many', () => {
    const { written, lines } = batch()
    const line = `${'x'.repeat(999)}\n`
    for (let n = 0; n < 65; n++) lines.add(line)
    assert.deepEqual(written, [])
    lines.add(line)
    assert.deepEqual(written, [line.repeat(66)])
  })

  test('stay before a line that may not', () => {
    const { written, clock, lines } = batch()
    lines.add('a\n')
    lines.write('b\n')
    lines.add('c\n')
    clock.advance(100)
    assert.deepEqual(written, ['a\n', 'b\n', 'c\n'])
  })

  test('are flushed once', () => {
    const { written, clock, lines } = batch()
    lines.add('a\n')
    lines.flush()
    lines.flush()
    clock.advance(1000)
    assert.deepEqual(written, ['a\n'])
  })
})
