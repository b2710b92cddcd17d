import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TargetUri } from '../../core/target-uri.ts'
import { Changes, MOST_CHANGED } from '../../retrieval/changes.ts'

const uriOf = (name: string | number) => `http://updates.test/${name}` as TargetUri

describe('a change of a resource', () => {
  test('is one since every moment before it, and none since those after it', () => {
    const changes = new Changes()
    const before = changes.now()
    changes.note(uriOf('a'))
    const after = changes.now()
    assert.deepEqual(
      [before, after].map((moment) => changes.hasChangedSince(uriOf('a'), moment)),
      [true, false],
    )
    changes.note(uriOf('a'))
    assert.ok(changes.hasChangedSince(uriOf('a'), after))
  })

  test('says nothing of other resources', () => {
    const changes = new Changes()
    const before = changes.now()
    changes.note(uriOf('a'))
    assert.ok(!changes.hasChangedSince(uriOf('b'), before))
  })

  test(`is remembered of ${MOST_CHANGED} resources; what began before a forgotten one counts as changed`, () => {
    const changes = new Changes()
    const moments = [changes.now()]
    for (let n = 0; n <= MOST_CHANGED; n++) {
      changes.note(uriOf(n))
      moments.push(changes.now())
    }
    const isChanged = (name: string | number, after: number) =>
      changes.hasChangedSince(uriOf(name), moments[after]!)
    // The first one is forgotten.
    assert.deepEqual([isChanged('other', 0), isChanged('other', 1)], [true, false])
    assert.deepEqual([isChanged(0, 0), isChanged(0, 1)], [true, false])
    assert.deepEqual([isChanged(1, 1), isChanged(1, 2)], [true, false])
    assert.deepEqual(
      [isChanged(MOST_CHANGED, MOST_CHANGED), isChanged(MOST_CHANGED, MOST_CHANGED + 1)],
      [true, false],
    )
  })

  test('that comes again is the newest of all', () => {
    const changes = new Changes()
    for (let n = 0; n < MOST_CHANGED; n++) changes.note(uriOf(n))
    changes.note(uriOf(0))
    const before = changes.now()
    changes.note(uriOf('more'))
    assert.ok(!changes.hasChangedSince(uriOf(0), before))
    assert.ok(!changes.hasChangedSince(uriOf('other'), before))
  })
})
