import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AbsentUris } from '../../cache/absent-uris.ts'
import type { TargetUri } from '../../core/target-uri.ts'

const uri = (number: number) => `http://a.test/${number}` as TargetUri

test('the last hundreds of URIs that are not stored are remembered, and no more than a thousand', () => {
  const absent = new AbsentUris()
  for (let number = 0; number < 5000; number += 1) absent.add(uri(number))
  const known = Array.from({ length: 5000 }, (_, number) => number).filter((number) =>
    absent.has(uri(number)),
  )
  assert.ok(known.length >= 512 && known.length <= 1024, `${known.length} are remembered`)
  assert.equal(known.at(-1), 4999)
})

test('what is stored is absent no more, however long ago it was', () => {
  const absent = new AbsentUris()
  for (let number = 0; number < 600; number += 1) absent.add(uri(number))
  for (const number of [0, 599]) {
    assert.ok(absent.has(uri(number)))
    absent.delete(uri(number))
    assert.ok(!absent.has(uri(number)))
  }
  absent.clear()
  assert.ok(!absent.has(uri(1)))
})
