/** Reads written values against the table of settings; collects every error instead of stopping at the first. */
import { parseSource, plain } from './config-source.ts'
import type { ConfigError, Entry, Place, Source } from './config-source.ts'
import { editDistance, nearest } from './nearest.ts'
import { environmentName, SETTING_KEYS } from './settings.ts'
import type { Setting, ValuesOf } from './settings.ts'

/** Variables by name, as in `process.env`. Those of the settings override the file; empty ones do not count. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What every reader needs, and where the errors go. */
export interface Reading {
  /** What relative paths are relative to. */
  readonly baseDirectory: string
  readonly environment: Environment
  readonly errors: ConfigError[]
}

/** The entries of a mapping by their keys; reports other values and unknown keys. @param path '' for the whole file. */
export function readEntries(
  source: Source | undefined,
  path: string,
  known: readonly string[],
  reading: Reading,
): ReadonlyMap<string, Entry> {
  if (source === undefined || isNothing(source)) return new Map()
  if (source.kind !== 'mapping') {
    reading.errors.push({ ...source.place, key: path, problem: `expected a mapping, got ${excerpt(source)}` })
    return new Map()
  }
  for (const { key, place } of source.entries)
    if (!known.includes(key))
      reading.errors.push({ ...place, key: dotted(path, key), problem: unknownKey(key, known) })
  return new Map(source.entries.map((entry) => [entry.key, entry]))
}

/** The values of a group of settings: from the environment, else as written, else the default. */
export function readGroup<Settings extends Readonly<Record<string, Setting<unknown>>>>(
  settings: Settings,
  path: string,
  entries: ReadonlyMap<string, Entry>,
  reading: Reading,
): ValuesOf<Settings> {
  const values = Object.entries(settings).map(([key, setting]) => [
    key,
    readSetting(setting, dotted(path, key), entries.get(key)?.value, reading),
  ])
  return Object.fromEntries(values) as ValuesOf<Settings>
}

/** @returns the default for what was refused, so that reading can go on; `undefined` where there is none. */
export function readSetting<T>(
  setting: Setting<T>,
  key: string,
  written: Source | undefined,
  reading: Reading,
): T | undefined {
  const source = overriding(key, reading.environment) ?? written
  if (source === undefined) return defaultOf(setting, reading)
  const result = setting.type.read(plain(source), reading.baseDirectory)
  if (result.kind === 'value') return result.value
  const problem = `expected ${result.expected}, got ${excerpt(source)}`
  reading.errors.push({ ...source.place, key, problem })
  return defaultOf(setting, reading)
}

function defaultOf<T>(setting: Setting<T>, { baseDirectory }: Reading): T | undefined {
  if (setting.default === undefined) return undefined
  const result = setting.type.read(setting.default, baseDirectory)
  return result.kind === 'value' ? result.value : undefined
}

/** What an environment variable says instead, written as in YAML. */
function overriding(key: string, environment: Environment): Source | undefined {
  const name = environmentName(key)
  const text = environment[name] ?? ''
  if (text === '') return undefined
  const { root } = parseSource(text, name)
  const place: Place = { source: name }
  // What is no YAML can still be a value, such as [::1]:3128.
  return root === undefined ? { kind: 'scalar', place, value: text } : { ...root, place }
}

/** Reports variables that look like a setting's and are none. @param lists what is for the file only */
export function checkEnvironment(
  sections: readonly string[],
  lists: readonly string[],
  reading: Reading,
): void {
  const known = SETTING_KEYS.map(environmentName)
  for (const name of Object.keys(reading.environment).toSorted()) {
    if (known.includes(name) || (reading.environment[name] ?? '') === '') continue
    const list = lists.find((each) => isWithin(name, each))
    const isLike =
      sections.some((each) => isWithin(name, each)) || sections.some((each) => isMisspelt(name, each))
    if (list !== undefined) reading.errors.push(wrongVariable(name, `${list} are for the file only`))
    else if (isLike) reading.errors.push(wrongVariable(name, unknownVariable(name, known)))
  }
}

function isWithin(name: string, key: string): boolean {
  const prefix = environmentName(key)
  return name === prefix || name.startsWith(`${prefix}_`)
}

/** So many letters of a section's name may be wrong, of a short one fewer: two that have changed places, … */
const MISSPELT = 2
/** … or any that come after so many right ones. */
const BEGUN = 4

/** Whether its first word is nearly this section's name. */
function isMisspelt(name: string, section: string): boolean {
  const [, word] = /^IHAVE_([A-Z]+)_/.exec(name) ?? []
  if (word === undefined) return false
  const meant = section.toUpperCase()
  const isBegun = word.length > BEGUN && meant.startsWith(word.slice(0, BEGUN))
  return isBegun || editDistance(word, meant) <= Math.min(MISSPELT, word.length / 2)
}

function wrongVariable(name: string, problem: string): ConfigError {
  return { source: name, key: '', problem }
}

function unknownVariable(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  return `unknown setting${meant === undefined ? '' : `; did you mean ${meant}?`}`
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known) ?? SETTING_KEYS.find((each) => each.endsWith(`.${key}`))
  return meant === undefined
    ? `unknown key; expected one of ${known.join(', ')}`
    : `unknown key; did you mean ${meant}?`
}

export function isNothing(source: Source): boolean {
  return source.kind === 'scalar' && source.value === null
}

/** The written value, for messages: at most 80 characters of it. */
export function excerpt(source: Source): string {
  if (source.kind === 'mapping') return 'a mapping'
  if (isNothing(source)) return 'nothing'
  const written = typeof plain(source) === 'number' ? String(plain(source)) : JSON.stringify(plain(source))
  return written.length > 80 ? `${written.slice(0, 79)}…` : written
}

function dotted(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}
