import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LineQueue, MAX_WAITING_LINES } from '../../../service/applications/line-queue.ts'

const queue = () => new LineQueue<string>((lines) => `lost ${lines}`)

async function read(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const line of lines) all.push(line)
  return all
}

describe('lines for a reader', () => {
  test('come in order, those before the reader and those after, until the end', async () => {
    const lines = queue()
    lines.push('one')
    const reading = read(lines)
    lines.push('two')
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(lines.isEmpty)
    lines.push('three')
    lines.end()
    lines.push('too late')
    assert.deepEqual(await reading, ['one', 'two', 'three'])
  })

  test('end with the first error, after what waits', async () => {
    const lines = queue()
    lines.push('one')
    lines.end(new Error('first'))
    lines.end()
    const told: string[] = []
    const reading = async () => {
      for await (const line of lines) told.push(line)
    }
    await assert.rejects(reading(), /first/)
    assert.deepEqual(told, ['one'])
  })

  test('that nobody reads are lost, the oldest first, and it is said how many', async () => {
    const lines = queue()
    for (let n = 0; n < MAX_WAITING_LINES + 3; n += 1) lines.push(String(n))
    lines.end()
    const all = await read(lines)
    assert.deepEqual(all.slice(0, 2), ['lost 3', '3'])
    assert.equal(all.length, 1 + MAX_WAITING_LINES)
  })
})
