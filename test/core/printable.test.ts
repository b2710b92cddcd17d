import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable, printableLines } from '../../core/printable.ts'

test('what could command a terminal, or turn its line round, becomes visible', () => {
  const shown = String.raw`signed by "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\u{d}"`
  assert.equal(printable('signed by "\u001b]0;x\u0007\u009b2J\u202e\r"'), shown)
  assert.equal(printable('Käse’s 日本\nnext line'), String.raw`Käse’s 日本\nnext line`)
})

test('lines stay lines', () => {
  assert.equal(printableLines(['Käse’s 日本', 'one\nthing']), 'Käse’s 日本\none\\nthing\n')
})
