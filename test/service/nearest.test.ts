import assert from 'node:assert/strict'
import test from 'node:test'
import { nearest } from '../../service/nearest.ts'

const KEYS = ['packetPort', 'filePort', 'maxSize', 'log']

const CASES: readonly (readonly [word: string, nearest: string | undefined])[] = [
  ['packetport', 'packetPort'],
  ['paketPort', 'packetPort'],
  ['fileport', 'filePort'],
  ['maxsise', 'maxSize'],
  ['lig', 'log'],
  ['something', undefined],
  ['x', undefined],
  ['', undefined],
]

for (const [word, expected] of CASES)
  test(`"${word}" is near to ${expected ?? 'nothing'}`, () => assert.equal(nearest(word, KEYS), expected))
