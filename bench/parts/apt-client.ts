/** The machine's own apt with a state of its own: it neither reads nor writes the system's. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { elapsedMs } from '../measure.ts'
import type { AptArchive } from './apt-archive.ts'
import { run } from './processes.ts'

export interface AptClient {
  /** What it is configured by (APT_CONFIG). */
  readonly config: string
  /** Forgets every list and package, and takes the archive from `uri` through `proxyPort` (absent: no proxy). */
  prepare(uri: string, proxyPort: number | undefined): void
  /** @returns milliseconds. @throws Error with what apt said. */
  update(): Promise<number>
  /** Fetches every package of the archive, without installing them. @returns milliseconds. */
  fetch(): Promise<number>
}

export function aptClient(directory: string, archive: AptArchive): AptClient {
  const config = join(directory, 'apt.conf')
  const proxy = join(directory, 'etc/apt.conf.d/proxy')
  const apt = (...args: string[]) =>
    elapsedMs(() =>
      run('apt-get', ['-q', ...args], { APT_CONFIG: config, LC_ALL: 'C', http_proxy: '', no_proxy: '' }),
    )
  mkdirSync(directory, { recursive: true })
  writeFileSync(config, configuration(directory))
  return {
    config,
    prepare(uri, proxyPort) {
      for (const each of ['state', 'cache']) rmSync(join(directory, each), { recursive: true, force: true })
      for (const each of [
        'state/lists/partial',
        'cache/archives/partial',
        'etc/apt.conf.d',
        'etc/preferences.d',
      ])
        mkdirSync(join(directory, each), { recursive: true })
      writeFileSync(join(directory, 'state/status'), '')
      const source = `deb [arch=amd64 signed-by=${archive.key}] ${uri} stable main\n`
      writeFileSync(join(directory, 'etc/sources.list'), source)
      const way = proxyPort === undefined ? 'DIRECT' : `http://127.0.0.1:${proxyPort}`
      writeFileSync(proxy, `Acquire::http::Proxy "${way}";\n`)
    },
    update: () => apt('update', '-o', 'APT::Update::Error-Mode=any'),
    fetch: () => apt('install', '--download-only', '--yes', ...archive.packages),
  }
}

function configuration(directory: string): string {
  const settings = {
    'Dir::Etc': join(directory, 'etc/'),
    'Dir::State': join(directory, 'state/'),
    'Dir::State::status': join(directory, 'state/status'),
    'Dir::Cache': join(directory, 'cache/'),
    'Dir::Log': join(directory, 'log/'),
    'APT::Architecture': 'amd64',
    'APT::Sandbox::User': '',
    'APT::Install-Recommends': 'false',
    'Acquire::Languages': 'none',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";`)
  return `${lines.join('\n')}\n`
}
