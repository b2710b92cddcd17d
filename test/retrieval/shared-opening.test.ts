import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { Fault } from '../../core/fault.ts'
import { SharedOpening } from '../../retrieval/shared-opening.ts'

const isAborted = (error: unknown) => error instanceof Fault && error.code === 'ABORTED'
const BROKEN = new Error('the connection was closed')

function opening() {
  const work = deferred<string>()
  const unclaimed: string[] = []
  let isStopped = false
  const shared = new SharedOpening<string>(
    (stop) => {
      stop.signal.addEventListener('abort', () => {
        isStopped = true
        // As a request does, a moment later.
        queueMicrotask(() => work.reject(BROKEN))
      })
      return work.promise
    },
    (result) => unclaimed.push(result),
  )
  return { shared, work, unclaimed, isStopped: () => isStopped }
}

describe('work that several wait for', () => {
  test('goes on as long as one of them waits', async () => {
    const { shared, work, isStopped } = opening()
    const gone = new AbortController()
    const both = [shared.wait(gone.signal), shared.wait(new AbortController().signal)] as const
    gone.abort()
    await assert.rejects(both[0], isAborted)
    work.resolve('here')
    assert.deepEqual([await both[1], isStopped()], ['here', false])
  })

  test('says what went wrong to all of them', async () => {
    const { shared, work } = opening()
    const waiting = shared.wait(new AbortController().signal)
    work.reject(BROKEN)
    await assert.rejects(waiting, BROKEN)
  })

  test('is given up when the last one has gone, and whoever comes a moment later is told that, and begins anew', async () => {
    const { shared, isStopped } = opening()
    const gone = new AbortController()
    const first = shared.wait(gone.signal)
    gone.abort()
    const later = first.catch(() => shared.wait(new AbortController().signal))
    await assert.rejects(later, isAborted)
    await shared.settled
    assert.equal(isStopped(), true)
  })
})
