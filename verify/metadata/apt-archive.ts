/**
 * apt's indexes as they pass through: `Packages` and `Sources` list files relative to the archive, `Release` and `InRelease`
 * list the indexes relative to the suite. Their signature is not checked here: apt does that for itself, and a machine with
 * apt has the signed lists (apt-lists.ts), which count more. For other machines' sake these count as the connection does
 * over which they came.
 *
 * Stops a peer that sends a changed or another version of a package, a source file, or an index by its digest.
 */
import { aptIndexParser } from '../apt-index.ts'
import { lines } from './lines.ts'
import { mention, sizeOf, strongDigest, type Emit, type IndexReader } from './mention.ts'

export function aptPackages(emit: Emit): IndexReader {
  const parser = aptIndexParser()
  const add = ({ filename, sha256: hex, size }: { filename: string; sha256: string; size: number }) =>
    emit(mention(asReference(filename), { algorithm: 'sha-256', hex }, size))
  return {
    push: (text) => parser.push(Buffer.from(text, 'utf8')).forEach(add),
    end: () => parser.end().forEach(add),
  }
}

/** `Directory: pool/x` and, below `Checksums-Sha256:`, lines of digest, size and name, in either order of the two. */
export function aptSources(emit: Emit): IndexReader {
  let directory: string | undefined
  let files: string[] = []
  let isListing = false
  const finish = () => {
    for (const file of directory === undefined ? [] : files) emitListed(emit, file, `${directory}/`)
    directory = undefined
    files = []
    isListing = false
  }
  return lines((line) => {
    if (line === '') return finish()
    if (line.startsWith(' ')) {
      if (isListing && files.length < MAX_SOURCE_FILES) files.push(line)
      return
    }
    isListing = line.startsWith('Checksums-Sha256:')
    if (line.startsWith('Directory:')) directory = line.slice(10).trim()
  }, finish)
}

/** Files of one source package. */
const MAX_SOURCE_FILES = 1000

/** Each index under its own name, and under the name that is its digest (`by-hash`). */
export function aptRelease(emit: Emit): IndexReader {
  let isListing = false
  return lines((line) => {
    if (!line.startsWith(' ')) isListing = line.startsWith('SHA256:')
    else if (isListing) {
      emitListed(emit, line, '')
      const [, hex = '', size = '', directory = ''] =
        /^ +([0-9a-f]{64}) +(\d+) +(.*\/)?[^/]+$/.exec(line) ?? []
      if (hex !== '') emitListed(emit, ` ${hex} ${size} ${directory}by-hash/SHA256/${hex}`, '')
    }
  })
}

function emitListed(emit: Emit, line: string, directory: string): void {
  const [, hex, size, name] = /^ +(\S+) +(\d+) +(\S.*)$/.exec(line) ?? []
  const digest = strongDigest('sha-256', hex)
  if (digest !== undefined && name !== undefined)
    emit(mention(asReference(directory + name.trimEnd()), digest, sizeOf(size)))
}

/** A file name as a relative reference: it begins with no scheme, and has neither query nor fragment. */
export function asReference(filename: string): string {
  return `./${filename.replace(/[%?#\\]/g, (character) => encodeURIComponent(character))}`
}
