/**
 * PyPI's simple index: links with `#sha256=` in HTML (PEP 503), `files` with `hashes` in JSON (PEP 691).
 *
 * Stops a peer that sends a changed wheel or source archive, also from indexes whose paths have no digest (V1).
 */
import { JsonScanner } from './json-scanner.ts'
import { mention, sizeOf, strongDigest, type Emit, type IndexReader } from './mention.ts'
import { TagScanner } from './tag-scanner.ts'

/** A page with a `<base>` that changes what links mean is resolved by it, as pip does. */
export function pypiHtml(emit: Emit): IndexReader {
  let base: string | undefined
  return new TagScanner('html', {
    open(name, tag) {
      const href = name === 'a' || name === 'base' ? tag.attribute('href')?.trim() : undefined
      if (href === undefined) return
      if (name === 'base') base ??= href
      else emitLink(href, base, emit)
    },
    close() {},
    text() {},
  })
}

function emitLink(href: string, base: string | undefined, emit: Emit): void {
  const [reference = '', fragment = ''] = href.split('#', 2)
  // What it is relative to is not known yet: a base that is relative itself is none that pip would read alike.
  const resolved = base === undefined ? reference : URL.parse(reference, base)?.href
  for (const algorithm of ['sha512', 'sha256'] as const) {
    const hex = new RegExp(`(?:^|&)${algorithm}=([0-9a-fA-F]+)(?:&|$)`).exec(fragment)?.[1]
    const digest = strongDigest(algorithm === 'sha256' ? 'sha-256' : 'sha-512', hex)
    if (digest !== undefined && resolved !== undefined) return emit(mention(resolved, digest, undefined))
  }
}

export function pypiJson(emit: Emit): IndexReader {
  let file: { url?: string | undefined; sha256?: string | undefined; size?: string | undefined } = {}
  return new JsonScanner({
    value([root, , name, algorithm, ...deeper], value) {
      if (root !== 'files' || deeper.length > 0) return
      if (name === 'url' && algorithm === undefined) file.url = value
      if (name === 'size' && algorithm === undefined) file.size = value
      if (name === 'hashes' && algorithm === 'sha256') file.sha256 = value
    },
    close(path) {
      if (path.length !== 2 || path[0] !== 'files') return
      const { url, sha256, size } = file
      file = {}
      const digest = strongDigest('sha-256', sha256)
      if (url !== undefined && digest !== undefined) emit(mention(url, digest, sizeOf(size)))
    },
  })
}
