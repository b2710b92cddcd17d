/** What this machine's own apt says of itself: where its lists are, and which of them it trusts. */
import type { Run } from './run.ts'

/** A downloaded `Packages` index of a repository whose signature apt has checked. */
export interface AptTarget {
  /** The repository's base URI; the index names its files relative to it. */
  readonly repository: string
  /** The file on this machine, compressed in whatever way apt likes. */
  readonly file: string
}

/** Questions to apt. Each throws when apt cannot answer (`CommandFailed`), or answers nonsense. */
export interface Apt {
  /** The directory of the lists, by its absolute path. */
  listsDirectory(signal: AbortSignal): Promise<string>
  targets(signal: AbortSignal): Promise<readonly AptTarget[]>
  /** A list's text, decompressed. */
  cat(file: string, signal: AbortSignal): AsyncIterable<Uint8Array>
}

const HELPER = '/usr/lib/apt/apt-helper'
/** As root, apt would refresh its binary caches by the way: reading leaves no trace. */
const WRITE_NOTHING = ['-o', 'Dir::Cache::pkgcache=', '-o', 'Dir::Cache::srcpkgcache=']
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

/** @param configFile an apt.conf to use in place of the machine's own (`APT_CONFIG`). */
export function apt(run: Run, configFile?: string): Apt {
  const env = { LC_ALL: 'C', ...(configFile === undefined ? {} : { APT_CONFIG: configFile }) }
  return {
    async listsDirectory(signal) {
      const answer = await text(run('apt-config', ['shell', 'D', 'Dir::State::lists/d'], { env, signal }))
      const directory = parseShellValue(answer)
      if (directory === '') throw new Error('apt-config names no directory of lists')
      return directory
    },
    async targets(signal) {
      const format = '$(TRUSTED) $(REPO_URI) $(FILENAME)'
      const args = ['indextargets', ...WRITE_NOTHING, '--format', format, 'Created-By: Packages']
      return parseTargets(await text(run('apt-get', args, { env, signal })))
    },
    cat: (file, signal) => run(HELPER, ['cat-file', file], { env, signal }),
  }
}

/**
 * Lines of "trusted, base URI, file", the file last because it may hold spaces. Only `yes` is trusted: an unsigned
 * repository may have been changed on its way here, so that its digests prove nothing.
 */
function parseTargets(answer: string): AptTarget[] {
  return answer.split('\n').flatMap((line) => {
    const match = /^yes (\S+) (.+)$/.exec(line)
    return match?.[1] && match[2] ? [{ repository: match[1], file: match[2] }] : []
  })
}

/** `D='/var/lib/apt/lists/'`, where a quote inside is written as `'\''`. Empty when apt said nothing. */
function parseShellValue(answer: string): string {
  const match = /^D='(.*)'\n?$/s.exec(answer)
  return (match?.[1] ?? '').replaceAll(String.raw`'\''`, "'")
}

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`apt answered more than ${MAX_ANSWER_BYTES} bytes`)
    parts.push(chunk)
  }
  return Buffer.concat(parts).toString('utf8')
}
