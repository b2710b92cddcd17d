/**
 * Metalink 4 (RFC 5854): files with their size, their digests and the URLs that have them.
 *
 * Stops a peer that sends another image under one of these URLs. Digests of pieces are not the file's and are not read.
 */
import type { Digest } from '../../core/digest.ts'
import { mention, sizeOf, strongDigest, type Emit, type IndexReader } from './mention.ts'
import { TagScanner } from './tag-scanner.ts'

/** URLs of one file that are read; the others have no proof. */
export const MAX_METALINK_URLS = 256

interface FileElement {
  readonly urls: string[]
  readonly digests: Digest[]
  size?: number | undefined
}

export function metalink(emit: Emit): IndexReader {
  let file: FileElement | undefined
  let open = ''
  let type = ''
  let isPiece = false
  return new TagScanner('xml', {
    open(name, tag) {
      open = name
      if (name === 'file') file = { urls: [], digests: [] }
      if (name === 'pieces') isPiece = true
      if (name === 'hash') type = tag.attribute('type') ?? ''
    },
    close(name) {
      open = ''
      if (name === 'pieces') isPiece = false
      if (name !== 'file') return
      if (file !== undefined) emitFile(file, emit)
      file = undefined
    },
    text(text) {
      if (file === undefined || isPiece || text === undefined) return
      const value = text.trim()
      if (open === 'size') file.size = sizeOf(value)
      if (open === 'url' && file.urls.length < MAX_METALINK_URLS) file.urls.push(value)
      const digest = type === 'sha-256' || type === 'sha-512' ? strongDigest(type, value) : undefined
      if (open === 'hash' && digest !== undefined && file.digests.length < 2) file.digests.push(digest)
    },
  })
}

/** SHA-256 before SHA-512: it is what bodies are stored by. */
function emitFile({ urls, digests, size }: FileElement, emit: Emit): void {
  const digest = digests.find(({ algorithm }) => algorithm === 'sha-256') ?? digests[0]
  if (digest !== undefined) for (const url of urls) emit(mention(url, digest, size))
}
