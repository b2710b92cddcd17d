import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundYoungGeneration, V8_YOUNG_GENERATION } from '../../cli/young-generation.ts'
import { manualClock } from '../manual-clock.ts'

const MEGABYTE = 1024 * 1024

test('the young generation grows up to its bound, and again when it was made small', () => {
  const clock = manualClock()
  const flags: string[] = []
  let youngBytes = MEGABYTE
  const setFlags = (flag: string) => flags.push(flag)
  boundYoungGeneration({ clock, setFlags, youngBytes: () => youngBytes })
  const after = (bytes: number) => {
    youngBytes = bytes
    flags.length = 0
    clock.advance(1000)
    return [...flags]
  }
  assert.deepEqual(after(4 * MEGABYTE), [], 'V8 doubles it by itself')
  assert.deepEqual(after(8 * MEGABYTE), ['--semi-space-growth-factor=1'])
  assert.deepEqual(after(32 * MEGABYTE), [], 'once is enough')
  assert.deepEqual(after(2 * MEGABYTE), ['--semi-space-growth-factor=2'], 'it rests')
  assert.deepEqual(after(2 * MEGABYTE), [])
  assert.deepEqual(after(8 * MEGABYTE), ['--semi-space-growth-factor=1'])
})

test('what V8 has for it is found', () => {
  assert.ok(V8_YOUNG_GENERATION.youngBytes() >= MEGABYTE / 2)
})
