/**
 * rpm-md, the metadata of dnf, yum and zypper: `primary.xml` lists packages, `repomd.xml` the other metadata. Both name
 * files relative to the repository, which is the directory above `repodata/`.
 *
 * Stops a peer that sends a changed or another build under a right name.
 */
import type { Digest } from '../../core/digest.ts'
import { mention, sizeOf, strongDigest, type Emit, type IndexReader } from './mention.ts'
import { TagScanner } from './tag-scanner.ts'

/** One `package` (primary) or `data` (repomd) element on its way. */
interface Entry {
  href?: string | undefined
  size?: number | undefined
  digest?: Digest | undefined
  /** `xml:base` says that it lies elsewhere. */
  isElsewhere?: boolean
}

export function rpmPrimary(emit: Emit): IndexReader {
  return entries('package', emit, (entry, tag) => {
    if (tag.attribute('package') !== undefined) entry.size = sizeOf(tag.attribute('package'))
  })
}

export function rpmRepomd(emit: Emit): IndexReader {
  return entries('data', emit, () => {})
}

/** @param sized reads a `size` element with attributes; one with text is the size itself (repomd). */
function entries(
  element: 'package' | 'data',
  emit: Emit,
  sized: (entry: Entry, tag: { attribute(name: string): string | undefined }) => void,
): IndexReader {
  let entry: Entry | undefined
  let open = ''
  let algorithm = ''
  let isPackaged = false
  return new TagScanner('xml', {
    open(name, tag) {
      open = name
      if (name === element) entry = {}
      // What a package contains can have names of its own.
      if (name === 'format') isPackaged = true
      if (entry === undefined || isPackaged) return
      if (name === 'checksum') algorithm = tag.attribute('type') ?? ''
      if (name === 'size') sized(entry, tag)
      if (name === 'location') {
        entry.href = tag.attribute('href')
        entry.isElsewhere = tag.attribute('base') !== undefined
      }
    },
    close(name) {
      open = ''
      if (name === 'format') isPackaged = false
      if (name !== element) return
      const { href, digest, size, isElsewhere = false } = entry ?? {}
      entry = undefined
      if (href !== undefined && digest !== undefined && !isElsewhere) emit(mention(href, digest, size))
    },
    text(text) {
      if (entry === undefined || isPackaged) return
      if (open === 'checksum') entry.digest = checksum(algorithm, text)
      if (open === 'size') entry.size = sizeOf(text?.trim())
    },
  })
}

function checksum(type: string, text: string | undefined): Digest | undefined {
  const algorithm = { sha256: 'sha-256', sha512: 'sha-512' } as const
  return type === 'sha256' || type === 'sha512' ? strongDigest(algorithm[type], text?.trim()) : undefined
}
