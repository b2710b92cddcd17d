/**
 * Which responses are indexes (V2): by their path and, where that is not enough, by their media type; never by their host.
 * And what each may speak for: files below its own root, because whoever can put a file somewhere on a server, or on any
 * server at all, must not vouch for others' files there.
 */
import type { TargetUri } from '../../core/target-uri.ts'
import { aptPackages, aptRelease, aptSources } from './apt-archive.ts'
import { cratesIndex, downloadTemplate } from './crates-index.ts'
import type { Emit, IndexReader } from './mention.ts'
import { metalink } from './metalink.ts'
import { npmPackument } from './npm-packument.ts'
import { pypiHtml, pypiJson } from './pypi-simple.ts'
import { rpmPrimary, rpmRepomd } from './rpm-md.ts'
import { sideFile } from './side-file.ts'

/** Gives the text of another response of the same origin server that is stored; `undefined` when it is not. */
export type TextOf = (uri: string) => Promise<string | undefined>

export interface IndexKind {
  readonly name: string
  /** Matched against the path. Its first group is the root below which the index may speak. */
  readonly pattern: RegExp
  /** What the pattern demands somewhere in the path: to look for that costs less. Absent: nothing in particular. */
  readonly demands?: string
  /** Matched against the essence of `Content-Type`; absent: it does not matter. */
  readonly mediaType?: RegExp
  /** What references are relative to; absent: the index itself, as in any document on the web. */
  readonly isRelativeToRoot?: true
  /** It may speak for its whole server. */
  readonly speaksForServer?: true
  /** `undefined`: something that it needs is not here. */
  readonly read: (
    emit: Emit,
    match: RegExpExecArray,
    index: FoundIndex,
    textOf: TextOf,
  ) => IndexReader | undefined | Promise<IndexReader | undefined>
}

/** An index, with all that is needed to understand what it says. */
export interface FoundIndex {
  readonly kind: IndexKind
  readonly match: RegExpExecArray
  /** What references are resolved against. */
  readonly base: string
  /** It speaks for URLs that begin so. */
  readonly scope: string
}

const JSON_TYPE = /^application\/(?:vnd\.npm\.install-v1\+)?json$/

/** The first row that matches counts. */
export const INDEX_KINDS: readonly IndexKind[] = [
  {
    name: 'apt Packages',
    demands: '/dists/',
    pattern:
      /^(.*\/)dists\/.*\/binary-[^/]+\/(?:by-hash\/SHA(?:256|512)\/[0-9a-f]+|Packages(?:\.[a-z0-9]+)?)$/,
    isRelativeToRoot: true,
    read: aptPackages,
  },
  {
    name: 'apt Sources',
    demands: '/dists/',
    pattern: /^(.*\/)dists\/.*\/source\/(?:by-hash\/SHA(?:256|512)\/[0-9a-f]+|Sources(?:\.[a-z0-9]+)?)$/,
    isRelativeToRoot: true,
    read: aptSources,
  },
  {
    name: 'apt Release',
    demands: 'Release',
    pattern: /^(.*\/)(?:In)?Release$/,
    isRelativeToRoot: true,
    read: aptRelease,
  },
  {
    name: 'apt Packages (flat)',
    demands: '/Packages',
    pattern: /^((?!.*\/dists\/).*\/)Packages(?:\.[a-z0-9]+)?$/,
    isRelativeToRoot: true,
    read: aptPackages,
  },
  {
    name: 'rpm-md primary',
    demands: '/repodata/',
    pattern: /^(.*\/)repodata\/(?:[0-9a-f]+-)?primary\.xml(?:\.(?:gz|xz|bz2|zst))?$/,
    isRelativeToRoot: true,
    read: rpmPrimary,
  },
  {
    name: 'rpm-md',
    demands: '/repodata/',
    pattern: /^(.*\/)repodata\/repomd\.xml$/,
    isRelativeToRoot: true,
    read: rpmRepomd,
  },
  {
    name: 'PyPI (JSON)',
    demands: 'simple/',
    pattern: /^(.*\/)\+?simple\/[^/]+\/(?:index\.json)?$/,
    mediaType: /^application\/(?:vnd\.pypi\.simple\.v1\+)?json$/,
    read: pypiJson,
  },
  {
    name: 'PyPI (HTML)',
    demands: 'simple/',
    pattern: /^(.*\/)\+?simple\/[^/]+\/(?:index\.html)?$/,
    mediaType: /^(?:text\/html|application\/vnd\.pypi\.simple\.v1\+html)$/,
    read: pypiHtml,
  },
  {
    name: 'side file',
    demands: '.sha',
    pattern: /^(.*\/)([^/]+)\.sha(256|512)$/,
    read: (emit, [, , name = '', bits]) => sideFile(emit, name, bits === '256' ? 'sha-256' : 'sha-512'),
  },
  { name: 'Metalink', demands: '.meta4', pattern: /^(.*\/)[^/]+\.meta4$/, read: metalink },
  {
    name: 'crates',
    pattern: /^(.*\/)(?:[12]|3\/[\w-]|[\w-]{2}\/[\w-]{2})\/[\w-]{1,64}$/,
    mediaType: /^(?!application\/(?:vnd\.npm\.install-v1\+)?json$|text\/html$)/,
    speaksForServer: true,
    async read(emit, [, root = ''], { base }, textOf) {
      const dl = downloadTemplate((await textOf(new URL(`${root}config.json`, base).href)) ?? '')
      return dl === undefined ? undefined : cratesIndex(emit, dl)
    },
  },
  {
    name: 'npm',
    pattern: /^(.*?\/)(?:@[\w.~-]+(?:\/|%2F))?[\w~-][\w.~-]*$/,
    mediaType: JSON_TYPE,
    read: npmPackument,
  },
]

/** The index that this response is; `undefined` when it is none. What depends on a query is none. */
export function findIndex(uri: TargetUri, contentType: string | undefined): FoundIndex | undefined {
  const at = uri.indexOf('/', uri.indexOf('://') + 3)
  const [server, path] = [uri.slice(0, at), uri.slice(at)]
  if (path.includes('?')) return undefined
  const essence = (contentType ?? '').replace(/;.*$/s, '').trim().toLowerCase()
  for (const kind of INDEX_KINDS) {
    if (kind.demands !== undefined && !path.includes(kind.demands)) continue
    if (kind.mediaType?.test(essence) === false) continue
    const match = kind.pattern.exec(path)
    if (match === null) continue
    const root = `${server}${match[1] ?? '/'}`
    const scope = kind.speaksForServer === true ? `${server}/` : root
    return { kind, match, base: kind.isRelativeToRoot === true ? root : uri, scope }
  }
  return undefined
}
