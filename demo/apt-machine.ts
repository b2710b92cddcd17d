/**
 * The machine's real apt as if it were another machine's: its own state, cache and configuration, with the system's
 * sources and keys. Nothing of the system is changed, and none of its apt settings apply, hooks included.
 */
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sha256 } from '../core/digest.ts'
import { parsePackages, type Package } from './apt-packages.ts'
import type { AptSources } from './apt-sources.ts'
import { runProgram, sha256Of } from './programs.ts'

/** One machine's apt. */
export interface AptMachine {
  /** Its apt.conf, for `APT_CONFIG`. */
  readonly configFile: string
  update(proxy: string, signal: AbortSignal): Promise<void>
  /** What its lists say of these packages; the unknown are left out. */
  show(names: readonly string[], signal: AbortSignal): Promise<Package[]>
  download(names: readonly string[], proxy: string, signal: AbortSignal): Promise<void>
  /** The package files that it has downloaded. */
  files(): Promise<DownloadedFile[]>
}

export interface DownloadedFile {
  /** As apt names it: `hello_2.10-3_amd64.deb`. */
  readonly name: string
  readonly bytes: number
  readonly sha256: Sha256
}

/** @param directory that of the machine; everything goes below `apt` in it. */
export async function aptMachine(directory: string, sources: AptSources): Promise<AptMachine> {
  const root = join(directory, 'apt')
  const downloads = join(root, 'downloads')
  const configFile = join(root, 'apt.conf')
  await layOut(root, sources)
  const run = (program: string, args: readonly string[], signal: AbortSignal) =>
    runProgram(program, args, { directory: downloads, environment: { APT_CONFIG: configFile }, signal })
  const aptGet = async (command: readonly string[], proxy: string, signal: AbortSignal) => {
    await run('apt-get', ['-q', '-o', `Acquire::http::Proxy=${proxy}`, ...command], signal)
  }
  return {
    configFile,
    update: (proxy, signal) => aptGet(['update'], proxy, signal),
    show: async (names, signal) =>
      parsePackages(await run('apt-cache', ['show', '--no-all-versions', ...names], signal)),
    download: (names, proxy, signal) => aptGet(['download', ...names], proxy, signal),
    files: () => downloadedFiles(downloads),
  }
}

async function layOut(root: string, sources: AptSources): Promise<void> {
  const directories = [
    'state/lists/partial',
    'cache/archives/partial',
    'sources.list.d',
    'conf.d',
    'downloads',
  ]
  for (const each of directories) await mkdir(join(root, each), { recursive: true })
  await writeFile(join(root, 'state/status'), '')
  await writeFile(join(root, 'sources.list'), sources.list)
  await writeFile(join(root, 'sources.list.d/http.sources'), sources.stanzas)
  await writeFile(join(root, 'apt.conf'), aptConf(root))
}

/** `Dir::Etc::parts` is empty on purpose: what the system has there would be read after this file and override it. */
function aptConf(root: string): string {
  const settings: Readonly<Record<string, string>> = {
    'Dir::Etc::main': join(root, 'none.conf'),
    'Dir::Etc::parts': join(root, 'conf.d'),
    'Dir::Etc::sourcelist': join(root, 'sources.list'),
    'Dir::Etc::sourceparts': join(root, 'sources.list.d'),
    'Dir::State': join(root, 'state'),
    'Dir::State::lists': join(root, 'state/lists'),
    'Dir::State::status': join(root, 'state/status'),
    'Dir::Cache': join(root, 'cache'),
    'Acquire::Languages': 'none',
    'Acquire::PDiffs': 'false',
    // Another user could not enter the demo's directories.
    'APT::Sandbox::User': 'root',
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name} "${value}";\n`)
    .join('')
}

async function downloadedFiles(directory: string): Promise<DownloadedFile[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.deb')).toSorted()
  return Promise.all(
    names.map(async (name) => {
      const file = join(directory, name)
      return { name, bytes: (await stat(file)).size, sha256: await sha256Of(file) }
    }),
  )
}
