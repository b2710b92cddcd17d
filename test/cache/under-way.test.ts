import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UnderWay } from '../../cache/under-way.ts'

describe('work under way', () => {
  it('has ended where none has begun', async () => {
    await new UnderWay().ended()
  })

  it('has ended when the last of it has, and not before', async () => {
    const work = new UnderWay()
    work.begin()
    work.begin()
    const told: string[] = []
    const ended = work.ended().then(() => told.push('ended'))
    work.end()
    await Promise.resolve()
    assert.deepEqual(told, [])
    work.end()
    await ended
    assert.deepEqual(told, ['ended'])
    await work.ended()
  })
})
