/** The system's apt sources, as far as a forward proxy can cache them: those reached by `http:` (sources.list(5)). */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Where apt keeps its sources. */
const APT_DIRECTORY = '/etc/apt'

export interface AptSources {
  /** Lines for a `sources.list`. */
  readonly list: string
  /** Stanzas for a file `*.sources` (deb822). */
  readonly stanzas: string
  /** The repositories' base URIs, each once. */
  readonly baseUris: readonly string[]
}

/** The system's sources of binary packages that are reached by `http:`; files that cannot be read count as empty. */
export async function systemSources(directory: string = APT_DIRECTORY): Promise<AptSources> {
  const parts = join(directory, 'sources.list.d')
  const names = await readdir(parts).catch(() => [])
  const files = [
    join(directory, 'sources.list'),
    ...names.toSorted((a, b) => a.localeCompare(b)).map((name) => join(parts, name)),
  ]
  const lists = await texts(files.filter((file) => file.endsWith('.list')))
  const stanzas = await texts(files.filter((file) => file.endsWith('.sources')))
  return httpSources(lists, stanzas)
}

async function texts(files: readonly string[]): Promise<string> {
  const all = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))
  return all.join('\n\n')
}

/** Of lines and of stanzas, what is reached by `http:`; sources of source packages are left out. */
export function httpSources(lists: string, stanzas: string): AptSources {
  const lines = lists.split('\n').flatMap((line) => httpLine(line) ?? [])
  const kept = stanzas.split(/\n(?:[ \t]*\n)+/).flatMap((text) => httpStanza(text) ?? [])
  const baseUris = [...lines, ...kept].flatMap((source) => source.baseUris)
  return {
    list: lines.map(({ text }) => `${text}\n`).join(''),
    stanzas: kept.map(({ text }) => `${text}\n`).join('\n'),
    baseUris: [...new Set(baseUris)],
  }
}

interface Source {
  readonly text: string
  readonly baseUris: readonly string[]
}

/** `deb [ options ] http://host/path suite component…` */
function httpLine(line: string): Source | undefined {
  const text = line.replace(/#.*$/, '').trim()
  const uri = /^deb\s+(?:\[[^\]]*\]\s*)?(http:\/\/\S+)\s/.exec(text)?.[1]
  return uri === undefined ? undefined : { text, baseUris: [uri] }
}

/** A stanza with several types and URIs keeps those that fit. */
function httpStanza(text: string): Source | undefined {
  const fields = stanzaFields(text)
  const types = words(fields.get('types'))
  const baseUris = words(fields.get('uris')).filter((uri) => uri.startsWith('http://'))
  const isEnabled = !/^(?:no|false|without|off|disable|0)$/i.test(fields.get('enabled')?.trim() ?? '')
  if (!types.includes('deb') || baseUris.length === 0 || !isEnabled) return undefined
  const kept = new Map([...fields, ['types', ' deb'], ['uris', ` ${baseUris.join(' ')}`]])
  return { text: [...kept].map(([name, value]) => `${name}:${value}`).join('\n'), baseUris }
}

/** Field names in lower case, for they compare without case; values as they stand, with their continuation lines. */
function stanzaFields(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  let current = ''
  for (const line of text.split('\n').filter((each) => !each.startsWith('#'))) {
    const [, name, value = ''] = /^([\w-]+):(.*)$/.exec(line) ?? []
    if (name !== undefined) current = name.toLowerCase()
    if (name !== undefined) fields.set(current, value)
    else if (/^[ \t]/.test(line)) fields.set(current, `${fields.get(current) ?? ''}\n${line}`)
  }
  return fields
}

function words(value = ''): string[] {
  return value.split(/\s+/).filter((word) => word !== '')
}
