/** YAML text as a tree of plain values that know where they stand; nothing here knows the settings. */
import type * as Yaml from 'yaml'
import { onDemand } from '../core/on-demand.ts'

/** Without a file nothing has to be read. */
const yaml = onDemand('yaml') as () => typeof Yaml

/** A file with a position, or an environment variable without one. */
export interface Place {
  readonly source: string
  /** Both count from 1. */
  readonly position?: { readonly line: number; readonly column: number }
}

export interface Entry {
  readonly key: string
  readonly place: Place
  readonly value: Source
}

export type Source =
  | { readonly kind: 'mapping'; readonly place: Place; readonly entries: readonly Entry[] }
  | { readonly kind: 'list'; readonly place: Place; readonly items: readonly Source[] }
  | { readonly kind: 'scalar'; readonly place: Place; readonly value: unknown }

/** Something wrong with the configuration; `formatConfigError` makes the line that people read. */
export interface ConfigError extends Place {
  /** Dotted, as `peering.packetPort` or `rules[2].match`; empty where the text is no YAML. */
  readonly key: string
  readonly problem: string
}

export function formatConfigError({ source, position, key, problem }: ConfigError): string {
  const where = position === undefined ? [] : [position.line, position.column]
  return [[source, ...where].join(':'), ...(key === '' ? [] : [key]), problem].join(': ')
}

/** Characters of a configuration file; nobody writes more by hand. */
export const MAX_CONFIG_CHARACTERS = 1_000_000

export interface ParsedSource {
  /** `undefined` for an empty text. */
  readonly root: Source | undefined
  readonly errors: readonly ConfigError[]
}

/** After an error of syntax most others are its echo; so many are reported. */
export const MAX_SYNTAX_ERRORS = 10

/** @param source the file's name, for messages. */
export function parseSource(text: string, source: string): ParsedSource {
  if (text.length > MAX_CONFIG_CHARACTERS) {
    const problem = `expected at most ${MAX_CONFIG_CHARACTERS} characters`
    return { root: undefined, errors: [{ source, key: '', problem }] }
  }
  if (text === '') return { root: undefined, errors: [] }
  const lines = new (yaml().LineCounter)()
  const document = yaml().parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const placeAt: PlaceAt = (offset) => {
    const { line, col } = lines.linePos(offset)
    return { source, position: { line, column: col } }
  }
  const problems = [...document.errors, ...document.warnings].map(({ message, pos }) => ({
    ...placeAt(pos[0]),
    key: '',
    problem: message,
  }))
  // After an error of syntax the tree is guesswork; a key given twice leaves it sound.
  const isSound = document.errors.every((error) => error.code === 'DUPLICATE_KEY')
  if (!isSound) return { root: undefined, errors: problems.slice(0, MAX_SYNTAX_ERRORS) }
  const aliases: ConfigError[] = []
  const root = rootOf(document.contents, { placeAt, aliases })
  return aliases.length === 0
    ? { root, errors: problems }
    : { root: undefined, errors: [...problems, ...aliases] }
}

function rootOf(contents: unknown, reading: Reading): Source | undefined {
  const isEmpty = contents === null || (yaml().isScalar(contents) && contents.value === null)
  return isEmpty ? undefined : sourceOf(contents, reading.placeAt(0), reading)
}

type PlaceAt = (offset: number) => Place

interface Reading {
  readonly placeAt: PlaceAt
  readonly aliases: ConfigError[]
}

/** @param parent where a node without a place of its own stands (the missing value of a key). */
function sourceOf(node: unknown, parent: Place, reading: Reading): Source {
  const { isAlias, isMap, isScalar, isSeq } = yaml()
  const place = placeOf(node, parent, reading)
  if (isMap(node)) {
    const entries = node.items.map((pair) => entryOf(pair.key, pair.value, place, reading))
    return { kind: 'mapping', place, entries }
  }
  if (isSeq(node))
    return { kind: 'list', place, items: node.items.map((item) => sourceOf(item, place, reading)) }
  if (isAlias(node))
    // An alias could repeat itself without end, and a line that says what it means is easier to read.
    reading.aliases.push({
      ...place,
      key: '',
      problem: `expected a value instead of the alias *${node.source}`,
    })
  return { kind: 'scalar', place, value: isScalar(node) ? node.value : null }
}

function entryOf(key: unknown, value: unknown, parent: Place, reading: Reading): Entry {
  const place = placeOf(key, parent, reading)
  return {
    key: yaml().isScalar(key) ? String(key.value) : '?',
    place,
    value: sourceOf(value, place, reading),
  }
}

function placeOf(node: unknown, parent: Place, { placeAt }: Reading): Place {
  const start = (node as Partial<Yaml.Node> | null)?.range?.[0]
  return start === undefined ? parent : placeAt(start)
}

/** The value without its places. */
export function plain(source: Source): unknown {
  switch (source.kind) {
    case 'mapping':
      return Object.fromEntries(source.entries.map(({ key, value }) => [key, plain(value)]))
    case 'list':
      return source.items.map(plain)
    case 'scalar':
      return source.value
  }
}
