import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LentMemory } from '../../retrieval/lent-memory.ts'

test('memory that was given back is lent again', () => {
  const memory = new LentMemory()
  const first = memory.take(10_000)
  assert.ok(first.length >= 10_000)
  memory.give(first)
  assert.equal(memory.take(16_384), first)
  assert.notEqual(memory.take(16_384), first)
})

test('what is larger than everything is not kept, nor more than 1 MiB of a size', () => {
  const memory = new LentMemory()
  const large = memory.take(300_000)
  memory.give(large)
  assert.notEqual(memory.take(300_000), large)
  const pieces = Array.from({ length: 65 }, () => memory.take(1))
  for (const piece of pieces) memory.give(piece)
  const again = new Set(Array.from({ length: 65 }, () => memory.take(1)))
  assert.equal(pieces.filter((piece) => again.has(piece)).length, 64)
})
