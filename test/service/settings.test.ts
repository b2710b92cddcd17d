import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { defaultConfig, parseConfig } from '../../service/config.ts'
import {
  environmentName,
  PRESETS_SETTING,
  RULE_SETTINGS,
  SETTING_KEYS,
  SETTINGS,
} from '../../service/settings.ts'
import type { Setting } from '../../service/settings.ts'
import { UPDATE_SETTINGS } from '../../service/update-settings.ts'

const ALL: readonly (readonly [string, Setting<unknown>])[] = [
  ...[...Object.values(SETTINGS), RULE_SETTINGS, UPDATE_SETTINGS].flatMap((group) =>
    Object.entries<Setting<unknown>>({ ...group }),
  ),
  ['presets', PRESETS_SETTING],
]

for (const [key, setting] of ALL)
  test(`${key}: the default is a value of its type, and the texts are sentences`, () => {
    if (setting.default !== undefined) assert.equal(setting.type.read(setting.default, '/').kind, 'value')
    assert.match(setting.meaning, /^[A-Z].*\.$/)
    assert.match(setting.reason, /\.$/)
  })

test('every setting but a rule’s has a default', () => {
  for (const group of Object.values(SETTINGS))
    for (const [key, { default: initial }] of Object.entries<Setting<unknown>>({ ...group }))
      assert.notEqual(initial, undefined, key)
})

test('environment names follow from the keys, and no two are the same', () => {
  assert.equal(environmentName('proxy.listen'), 'IHAVE_PROXY_LISTEN')
  assert.equal(environmentName('peering.packetPort'), 'IHAVE_PEERING_PACKET_PORT')
  assert.equal(new Set(SETTING_KEYS.map(environmentName)).size, SETTING_KEYS.length)
})

const shipped = readFileSync(new URL('../../proxy.config.yaml', import.meta.url), 'utf8')

test('the shipped proxy.config.yaml says the defaults', () => {
  assert.deepEqual(parseConfig(shipped, 'proxy.config.yaml', '/base'), {
    kind: 'ok',
    config: defaultConfig('/base'),
  })
})

test('every setting stands in the shipped file, and uncommented all of them are valid', () => {
  const uncommented = shipped.replace(/^( +)# (\w+: |- )/gm, '$1$2')
  const result = parseConfig(uncommented, 'proxy.config.yaml', '/base')
  assert.equal(result.kind, 'ok', JSON.stringify(result))
  for (const key of SETTING_KEYS)
    assert.match(uncommented, new RegExp(`^ *${key.split('.').at(-1)}: `, 'm'), key)
  assert.equal(result.kind === 'ok' && result.config.rules.length, 3)
  assert.equal(result.kind === 'ok' && result.config.updates.length, 1)
  assert.deepEqual(
    result.kind === 'ok' && { ...result.config, rules: [], updates: [] },
    defaultConfig('/base'),
  )
})
