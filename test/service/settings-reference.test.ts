import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { parseConfig } from '../../service/config.ts'
import { environmentName, SETTING_KEYS } from '../../service/settings.ts'
import { settingsHelp, updatedPage } from '../../service/settings-reference.ts'

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')

test('docs/configuration.md is up to date (else run: node service/settings-reference.ts)', () => {
  assert.equal(updatedPage(page), page)
})

test('the page keeps what is written by hand and replaces what is generated', () => {
  const updated = updatedPage('before\n<!-- generated: rules -->\nSTALE\n<!-- end -->\nafter\n')
  assert.match(
    updated,
    /^before\n<!-- generated: rules -->\n\n\| Key [^]*`match`[^]*\|\n\n<!-- end -->\nafter\n$/,
  )
  assert.doesNotMatch(updated, /STALE/)
})

test('every setting is in the page and in the help text, with its environment name there', () => {
  const help = settingsHelp()
  for (const key of SETTING_KEYS) {
    assert.ok(page.includes(`\`${key.split('.').at(-1)}\``), key)
    assert.ok(help.includes(`  ${key} (${environmentName(key)})`), key)
  }
})

test('the examples in the page are valid', () => {
  const examples = [...page.matchAll(/```yaml\n([^]*?)```/g)].map((match) => match[1] ?? '')
  assert.ok(examples.length > 0)
  for (const example of examples) assert.equal(parseConfig(example, 'page', '/').kind, 'ok', example)
})
