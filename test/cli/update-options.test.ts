import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { commandsFrom, fileFrom } from '../../cli/update-options.ts'

test('a time limit that is none is refused, with a command or without one', () => {
  for (const limit of ['abc', '', '-1', '1.5', '86401'])
    for (const command of [{}, { 'check-command': 'true' }, { 'install-command': '["true"]' }])
      assert.throws(
        () => commandsFrom({ ...command, 'time-limit': limit }),
        { code: 'BAD_REQUEST', message: `--time-limit: expected a number up to 86400, got "${limit}"` },
        limit,
      )
})

test('each command has the time limit that is given, or a minute', () => {
  assert.deepEqual(commandsFrom({}), { installCommand: undefined, checkCommand: undefined })
  assert.deepEqual(
    commandsFrom({ 'check-command': '["./check", "--quick"]', 'install-command': './restart' }),
    {
      installCommand: { words: ['./restart'], limitMs: 60_000 },
      checkCommand: { words: ['./check', '--quick'], limitMs: 60_000 },
    },
  )
  assert.equal(commandsFrom({ 'check-command': 'x', 'time-limit': '5' }).checkCommand?.limitMs, 5000)
})

test('a folder in the place of a file is refused in plain words, and so is what is not there', () => {
  assert.throws(() => fileFrom('--trust', tmpdir()), {
    code: 'BAD_REQUEST',
    message: `--trust: expected a file, ${tmpdir()} is a folder`,
  })
  const nowhere = join(tmpdir(), 'ihave-nothing/here')
  assert.throws(() => fileFrom('--trust', nowhere), { message: `--trust: there is no ${nowhere}` })
  assert.equal(fileFrom('--trust', import.meta.filename), import.meta.filename)
})
