import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LATEST_AGAIN_MS, TerminalOutput } from '../../service/terminal-output.ts'
import { manualClock } from '../manual-clock.ts'

describe('a log on a terminal', () => {
  test('is written at once as long as the terminal takes it', () => {
    const { output, taken } = terminal(Infinity)
    assert.equal(output.write('one\n'), true)
    assert.deepEqual([taken(), output.writableLength], ['one\n', 0])
  })

  test('that was halted waits, and is written in its order when that is over', () => {
    const { output, taken, allow, clock } = terminal(3)
    assert.equal(output.write('ä one\n'), false)
    output.write('two\n')
    assert.deepEqual([taken(), output.writableLength], ['ä ', 8])
    clock.advance(LATEST_AGAIN_MS)
    assert.equal(taken(), 'ä ')
    allow(5)
    clock.advance(LATEST_AGAIN_MS)
    assert.deepEqual([taken(), output.writableLength], ['ä one\nt', 3])
    allow(Infinity)
    output.write('three\n')
    assert.equal(taken(), 'ä one\nt')
    clock.advance(LATEST_AGAIN_MS)
    assert.deepEqual([taken(), output.writableLength], ['ä one\ntwo\nthree\n', 0])
  })

  test('that is read all the time takes what it can in the time that each piece needs', () => {
    const { output, taken, allow, clock } = terminal(4096)
    const text = 'x'.repeat(1_000_000)
    output.write(text)
    let ms = 0
    for (; output.writableLength > 0; ms++) {
      allow(4096)
      clock.advance(1)
    }
    assert.equal(taken(), text)
    assert.ok(ms < 600, `${ms} ms`)
  })

  test('that has gone loses lines, and nothing else', () => {
    const clock = manualClock()
    const gone = () => {
      throw Object.assign(new Error('it has gone'), { code: 'EIO' })
    }
    const output = new TerminalOutput(gone, clock)
    for (const line of ['one\n', 'two\n']) assert.doesNotThrow(() => output.write(line))
    assert.deepEqual([output.writableLength, clock.pending()], [0, 0])
  })
})

/** @param room how many bytes it takes before it is halted */
function terminal(room: number) {
  const clock = manualClock()
  const taken: Uint8Array[] = []
  let left = room
  const take = (bytes: Uint8Array) => {
    if (left === 0) throw Object.assign(new Error('it is halted'), { code: 'EAGAIN' })
    const part = bytes.subarray(0, left)
    left -= part.length
    taken.push(part)
    return part.length
  }
  return {
    output: new TerminalOutput(take, clock),
    clock,
    taken: () => Buffer.concat(taken).toString(),
    allow: (bytes: number) => void (left = bytes),
  }
}
