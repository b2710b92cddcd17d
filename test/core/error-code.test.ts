import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { errorCode, isMissing } from '../../core/error-code.ts'

function thrownBy(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

test('a file that is not there is missing; a folder that is read, and what is thrown otherwise, is not', () => {
  for (const [thrown, code] of [
    [thrownBy(() => readFileSync('/no/such/file')), 'ENOENT'],
    [thrownBy(() => readFileSync('/')), 'EISDIR'],
    [new Error('ENOENT'), ''],
    [{ code: 'ENOENT' }, ''],
    ['ENOENT', ''],
    [undefined, ''],
  ] as const)
    assert.deepEqual([errorCode(thrown), isMissing(thrown)], [code, code === 'ENOENT'])
})
