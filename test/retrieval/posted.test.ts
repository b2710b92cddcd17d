import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memoryStore } from '../../cache/memory-store.ts'
import type { Store } from '../../core/store.ts'
import { Changes } from '../../retrieval/changes.ts'
import { posted, type KeepPosted } from '../../retrieval/posted.ts'
import { compileRules } from '../../retrieval/rules.ts'
import { manualClock } from '../manual-clock.ts'
import { A } from './world.ts'

interface Setting {
  readonly store: Store
  readonly changes: Changes
  readonly keep: KeepPosted
}

/** The head of an answer to POST has come that later GETs may be answered with. */
function setting(): Setting {
  const clock = manualClock()
  const store = memoryStore({ maxBytes: 1_000_000, clock })
  const changes = new Changes()
  // What it has changed itself.
  changes.note(A)
  const keep = posted({ store, changes, rules: () => compileRules([], []) })({
    request: { method: 'POST', uri: A, fields: [] },
    response: {
      status: 200,
      fields: [
        ['Content-Location', A],
        ['Cache-Control', 'max-age=60'],
      ],
    },
    requestTime: clock.wall(),
    responseTime: clock.wall(),
  })
  assert.ok(keep)
  return { store, changes, keep }
}

describe('an answer to POST', () => {
  test('is stored when it is whole', async () => {
    const { store, keep } = setting()
    await keep(Buffer.from('posted'))
    assert.deepEqual([store.lookup(A).length, store.usage().bytes], [1, 6])
  })

  test('is not stored when its resource was changed while it came (RFC 9111 4.4)', async () => {
    const { store, changes, keep } = setting()
    changes.note(A)
    await keep(Buffer.from('posted'))
    assert.deepEqual([store.lookup(A), store.usage().bytes], [[], 0])
  })

  test('is not there for a moment when its resource is changed while it is being stored', async () => {
    const { store, changes, keep } = setting()
    const events: string[] = []
    store.subscribe(({ kind }) => events.push(kind))
    const keeping = keep(Buffer.from('posted'))
    changes.note(A)
    await keeping
    assert.deepEqual([store.lookup(A), events, store.usage().bytes], [[], [], 0])
  })
})
