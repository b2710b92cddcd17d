import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable } from '../../cli/printable.ts'

test('what could command a terminal, or turn its line round, is shown as a question mark', () => {
  assert.equal(printable('signed by "\u001b]0;x\u0007\u009b2J\u202e\r"'), 'signed by "?]0;x??2J??"')
  assert.equal(printable('Käse’s 日本\nnext line'), 'Käse’s 日本\nnext line')
})
