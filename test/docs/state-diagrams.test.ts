import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { stateDiagrams } from '../../docs/make-state-diagrams.ts'
import { ANSWER_TRANSITIONS } from '../../peering/machines/answer.ts'
import { DOWNLOAD_TRANSITIONS } from '../../peering/machines/download.ts'
import { INQUIRY_TRANSITIONS } from '../../peering/machines/inquiry-transitions.ts'

const page = readFileSync(new URL('../../docs/state-diagrams.md', import.meta.url), 'utf8').replaceAll(
  '\r\n',
  '\n',
)

test('the page is what the tables make of it (node docs/make-state-diagrams.ts writes it anew)', () => {
  assert.equal(page, stateDiagrams())
})

test('every transition is drawn and explained', () => {
  for (const [from, event, to, note] of [
    ...ANSWER_TRANSITIONS,
    ...INQUIRY_TRANSITIONS,
    ...DOWNLOAD_TRANSITIONS,
  ]) {
    assert.match(page, new RegExp(`^ +${from} --> ${to} : .*\\b${event}\\b`, 'm'))
    assert.ok(page.includes(`| ${event} |`) && page.includes(`| ${note} |`), note)
  }
})
