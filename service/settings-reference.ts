/**
 * The table of settings as text for people: the `--help` text, and the tables of docs/configuration.md.
 * `node service/settings-reference.ts` brings that page up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { PRESETS } from '../retrieval/presets.ts'
import { environmentName, PRESETS_SETTING, RULE_SETTINGS, SETTINGS } from './settings.ts'
import type { Setting } from './settings.ts'
import { UPDATE_SETTINGS } from './update-settings.ts'

/** Every setting with its environment name, default and meaning, for a terminal. */
export function settingsHelp(): string {
  return keyed()
    .map(
      ([key, setting]) =>
        `  ${key} (${environmentName(key)})\n      ${setting.meaning} Default: ${initial(setting)}.`,
    )
    .join('\n')
}

/** The page with everything between its markers written anew from the tables. */
export function updatedPage(page: string): string {
  const parts: Readonly<Record<string, string>> = {
    settings: settingsTables(),
    rules: table(['Key', 'Expected', 'Default', 'Meaning', 'Reason'], Object.entries(RULE_SETTINGS).map(row)),
    presets: presetsTables(),
    updates: table(
      ['Key', 'Expected', 'Default', 'Meaning', 'Reason'],
      Object.entries<Setting<unknown>>(UPDATE_SETTINGS).map(row),
    ),
  }
  return page.replace(
    /(<!-- generated: (\w+) -->\n)[^]*?(\n<!-- end -->)/g,
    (_, begin: string, part: string, end: string) => `${begin}\n${parts[part] ?? ''}\n${end}`,
  )
}

function settingsTables(): string {
  const columns = ['Key', 'Expected', 'Default', 'Meaning', 'Reason']
  const sections = Object.entries(SETTINGS).map(
    ([name, settings]) => `### ${name}\n\n${table(columns, Object.entries(settings).map(row))}`,
  )
  return [...sections, `### presets\n\n${table(columns, [row(['presets', PRESETS_SETTING])])}`].join('\n\n')
}

function presetsTables(): string {
  return PRESETS.map(({ name, title, rules }) => {
    const rows = rules.map((rule) => [rule.name, code(rule.match), rule.treatment, rule.reason])
    return `### ${name}: ${title}\n\n${table(['Files', 'Pattern', 'Treatment', 'Reason'], rows)}`
  }).join('\n\n')
}

function row([key, setting]: readonly [string, Setting<unknown>]): readonly string[] {
  const { type, meaning, reason } = setting
  return [
    code(key),
    type.expected,
    setting.default === undefined ? '' : code(initial(setting)),
    meaning,
    reason,
  ]
}

function initial(setting: Setting<unknown>): string {
  return String(setting.default)
}

function keyed(): readonly (readonly [string, Setting<unknown>])[] {
  const sections = Object.entries(SETTINGS).flatMap(([section, settings]) =>
    Object.entries(settings).map(([key, setting]) => [`${section}.${key}`, setting] as const),
  )
  return [...sections, ['presets', PRESETS_SETTING]]
}

function code(text: string): string {
  return `\`${text}\``
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  return [columns, columns.map(() => '---'), ...rows].map(tableLine).join('\n')
}

/** A bar inside a cell would end it. */
function tableLine(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

if (import.meta.main) {
  const page = new URL('../docs/configuration.md', import.meta.url)
  writeFileSync(page, updatedPage(readFileSync(page, 'utf8')))
}
