import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { LAST_MS, MOST_UNREAD_BYTES, BoundedOutput } from '../../service/bounded-output.ts'
import { prettyLine } from '../../service/pretty-log.ts'
import { manualClock } from '../manual-clock.ts'

function setting(asWritten = (line: string) => line) {
  const written: string[] = []
  const clock = manualClock()
  const out = {
    writableLength: 0,
    write: (text: string) => written.push(text) > 0,
  }
  return { written, out, clock, output: new BoundedOutput(out, clock, asWritten) }
}

describe('a log that goes through a pipe', () => {
  test('is written as long as its reader keeps up, more or less', () => {
    const { written, out, output } = setting()
    output.write('one\n')
    out.writableLength = MOST_UNREAD_BYTES
    output.write('two\n')
    assert.deepEqual(written, ['one\n', 'two\n'])
  })

  test('loses lines while nobody reads it, and says how much when somebody does again', () => {
    const { written, out, output } = setting()
    out.writableLength = MOST_UNREAD_BYTES + 1
    output.write('lost\n')
    output.write('lost, too: ä\n')
    out.writableLength = MOST_UNREAD_BYTES / 2 + 1
    output.write('lost as well\n')
    assert.deepEqual(written, [])
    out.writableLength = MOST_UNREAD_BYTES / 2
    output.write('read\n')
    output.write('read\n')
    const [loss = '', ...rest] = written
    const { level, msg } = JSON.parse(loss) as { level: number; msg: string }
    assert.deepEqual([level, msg], [40, '32 bytes of the log are missing here: nobody read it'])
    assert.deepEqual(rest, ['read\n', 'read\n'])
  })

  test('says so as all its lines are written', () => {
    const { written, out, output } = setting(prettyLine)
    out.writableLength = MOST_UNREAD_BYTES + 1
    output.write('lost\n')
    out.writableLength = 0
    output.write('read\n')
    assert.match(
      written[0] ?? '',
      /^[\d:]{8} {2}warning: 5 bytes of the log are missing here: nobody read it\n$/,
    )
  })

  for (const [name, readAfterMs, isAll] of [
    ['waits at its end for what is being read', 500, true],
    ['ends without what nobody reads', Infinity, false],
  ] as const)
    test(name, async () => {
      const { out, clock, output } = setting()
      out.writableLength = 100
      let isOver = false
      const ending = output.end().finally(() => (isOver = true))
      for (let ms = 0; ms < LAST_MS; ms += 50) {
        if (ms === readAfterMs) out.writableLength = 0
        await setImmediate()
        assert.equal(isOver, ms >= readAfterMs)
        clock.advance(50)
      }
      assert.equal(await ending, isAll)
    })
})
