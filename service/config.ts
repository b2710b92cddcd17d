/** `proxy.config.yaml` and the environment as one checked, resolved value (R12.1). */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { describe, Fault } from '../core/fault.ts'
import { PRESET_NAMES } from '../retrieval/presets.ts'
import type { PresetName } from '../retrieval/presets.ts'
import type { Rule } from '../retrieval/rules.ts'
import { readRules } from './config-rules.ts'
import { readUpdates, type ProductConfig } from './config-updates.ts'
import { checkEnvironment, readEntries, readGroup, readSetting } from './config-schema.ts'
import type { Environment, Reading } from './config-schema.ts'
import { formatConfigError, parseSource } from './config-source.ts'
import type { ConfigError, Entry, Source } from './config-source.ts'
import { PRESETS_SETTING, SETTINGS } from './settings.ts'
import type { ValuesOf } from './settings.ts'

type Sections = { readonly [Name in keyof typeof SETTINGS]: ValuesOf<(typeof SETTINGS)[Name]> }

/**
 * Everything that can be set, section by section as in the file: sizes in bytes, durations in milliseconds, paths
 * absolute, `auto` still `auto`. Each value is explained in settings.ts.
 */
export interface Config extends Sections {
  /** The file's own rules, in order; presets come after them. */
  readonly rules: readonly Rule[]
  /** The presets that apply. */
  readonly presets: readonly PresetName[]
  /** Products that the node keeps up to date. */
  readonly updates: readonly ProductConfig[]
}

export type ParsedConfig =
  | { readonly kind: 'ok'; readonly config: Config }
  /** At least one error, in the order of the text. */
  | { readonly kind: 'invalid'; readonly errors: readonly ConfigError[] }

/**
 * The configuration from a file and the environment; without a path, from the environment alone, with paths relative
 * to the working directory.
 * @throws Fault CONFIG_INVALID whose message holds every error, one per line.
 */
export function loadConfig(path: string | undefined, environment: Environment): Config {
  const baseDirectory = path === undefined ? process.cwd() : dirname(resolve(path))
  const parsed = parseConfig(path === undefined ? '' : readText(path), path ?? '', baseDirectory, environment)
  if (parsed.kind === 'ok') return parsed.config
  throw new Fault('CONFIG_INVALID', parsed.errors.map(formatConfigError).join('\n'))
}

/** What applies where nothing is configured. @param baseDirectory what relative paths are relative to. */
export function defaultConfig(baseDirectory: string): Config {
  const parsed = parseConfig('', '', baseDirectory)
  if (parsed.kind === 'ok') return parsed.config
  throw new Fault('CONFIG_INVALID', parsed.errors.map(formatConfigError).join('\n'))
}

/** Pure: the same text gives the same configuration. @param fileName for messages only. */
export function parseConfig(
  text: string,
  fileName: string,
  baseDirectory: string,
  environment: Environment = {},
): ParsedConfig {
  const { root, errors } = parseSource(text, fileName)
  const reading: Reading = { baseDirectory, environment, errors: [...errors] }
  const config = readConfig(root, reading)
  return reading.errors.length === 0
    ? { kind: 'ok', config }
    : { kind: 'invalid', errors: reading.errors.toSorted(inOrder) }
}

const SECTIONS = Object.keys(SETTINGS)
const LISTS = ['rules', 'updates']

function readConfig(root: Source | undefined, reading: Reading): Config {
  const entries = readEntries(root, '', [...SECTIONS, ...LISTS, 'presets'], reading)
  checkEnvironment([...SECTIONS, 'presets'], LISTS, reading)
  const sections = readSections(entries, reading)
  const rules = readRules(entries.get('rules')?.value, sections.peering.waitForDownloads, reading)
  const presets = readSetting(PRESETS_SETTING, 'presets', entries.get('presets')?.value, reading)
  const updates = readUpdates(entries.get('updates')?.value, reading)
  return { ...sections, rules, presets: presetNames(presets ?? true), updates }
}

function readSections(entries: ReadonlyMap<string, Entry>, reading: Reading): Sections {
  const sections = Object.entries(SETTINGS).map(([name, settings]) => {
    const written = readEntries(entries.get(name)?.value, name, Object.keys(settings), reading)
    return [name, readGroup(settings, name, written, reading)]
  })
  return Object.fromEntries(sections) as Sections
}

function presetNames(presets: boolean | readonly PresetName[]): readonly PresetName[] {
  if (typeof presets !== 'boolean') return presets
  return presets ? PRESET_NAMES : []
}

/** By position; what has none (the environment) last. */
function inOrder(a: ConfigError, b: ConfigError): number {
  const [first, second] = [a, b].map(
    ({ position }) => [position?.line ?? Infinity, position?.column ?? 0] as const,
  )
  if (first === undefined || second === undefined) return 0
  return first[0] === second[0] ? first[1] - second[1] : first[0] < second[0] ? -1 : 1
}

function readText(path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', `${path}: expected a readable configuration file: ${describe(cause)}`, {
      cause,
    })
  }
}
