import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBytes, formatDuration } from '../../core/units.ts'

const [SECOND, MINUTE, HOUR] = [1000, 60_000, 3_600_000]

for (const [bytes, text] of [
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [99_949, '99.9 kB'],
  [99_950, '100 kB'],
  [1.5e9, '1.5 GB'],
  [5e15, '5000 TB'],
] as const)
  test(`${bytes} bytes are ${text}`, () => assert.equal(formatBytes(bytes), text))

for (const [ms, text] of [
  [0, '0 ms'],
  [999, '999 ms'],
  [12.34 * SECOND, '12.3 s'],
  [4 * MINUTE + 5 * SECOND, '4 min 5 s'],
  [5 * HOUR, '5 h 0 min'],
  [47 * HOUR + 59 * MINUTE, '47 h 59 min'],
  [48 * HOUR, '2 d 0 h'],
  [365 * 24 * HOUR + HOUR, '365 d 1 h'],
] as const)
  test(`${ms} ms are ${text}`, () => assert.equal(formatDuration(ms), text))
