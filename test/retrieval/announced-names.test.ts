import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentName } from '../../core/content-name.ts'
import type { Sha256 } from '../../core/digest.ts'
import { announcedNames, MAX_ANNOUNCED } from '../../retrieval/announced-names.ts'

const A = 'a'.repeat(64) as Sha256
const B = 'b'.repeat(64) as Sha256

test('a name means what was announced last, until that is taken back', () => {
  const names = announcedNames()
  names.add('urn:x', A)
  names.add('urn:x', B)
  assert.equal(names.contentOf('urn:x'), contentName(B))
  assert.equal(names.remove('urn:x', A), false)
  assert.equal(names.remove('urn:x', B), true)
  assert.equal(names.contentOf('urn:x'), undefined)
})

test('of more names than are kept the oldest is forgotten', () => {
  const names = announcedNames()
  for (let n = 0; n <= MAX_ANNOUNCED; n += 1) names.add(`urn:${n}`, A)
  assert.equal([...names.all()].length, MAX_ANNOUNCED)
  assert.equal(names.contentOf('urn:0'), undefined)
  assert.equal(names.contentOf(`urn:${MAX_ANNOUNCED}`), contentName(A))
})
