/**
 * A file of the crates sparse index: one JSON object per line, with `name`, `vers` and `cksum`. Where the crates lie says
 * `config.json` of the same index (`dl`).
 *
 * Stops a peer that sends a changed crate under a right name.
 */
import { JsonScanner } from './json-scanner.ts'
import { mention, strongDigest, type Emit, type IndexReader } from './mention.ts'

/** @param dl the template of download URLs, as `config.json` gives it. */
export function cratesIndex(emit: Emit, dl: string): IndexReader {
  let crate: { name?: string | undefined; vers?: string | undefined; cksum?: string | undefined } = {}
  return new JsonScanner({
    value([name, ...deeper], value) {
      if (deeper.length > 0) return
      if (name === 'name' || name === 'vers' || name === 'cksum') crate[name] = value
    },
    close(path) {
      if (path.length > 0) return
      const { name = '', vers = '', cksum } = crate
      crate = {}
      const digest = strongDigest('sha-256', cksum)
      const isNamed = /^[A-Za-z0-9_-]{1,64}$/.test(name) && /^[\w.+-]{1,128}$/.test(vers)
      if (isNamed && digest !== undefined)
        emit(mention(downloadUri(dl, name, vers, digest.hex), digest, undefined))
    },
  })
}

/** The `dl` of an index's `config.json`; `undefined` when there is none. */
export function downloadTemplate(configJson: string): string | undefined {
  let dl: string | undefined
  const scanner = new JsonScanner({
    value(path, value) {
      if (path.length === 1 && path[0] === 'dl') dl = value
    },
    close() {},
  })
  scanner.push(configJson)
  scanner.end()
  return dl
}

/** Cargo's rule: markers are replaced; a template without any is a directory. */
function downloadUri(dl: string, name: string, version: string, sha256: string): string {
  const values: Readonly<Record<string, string>> = {
    '{crate}': name,
    '{version}': version,
    '{prefix}': prefixOf(name),
    '{lowerprefix}': prefixOf(name.toLowerCase()),
    '{sha256-checksum}': sha256,
  }
  const filled = dl.replace(/\{[a-z0-9-]+\}/g, (marker) => values[marker] ?? marker)
  return (filled === dl ? `${dl}/${name}/${version}/download` : filled).replaceAll('+', '%2B')
}

function prefixOf(name: string): string {
  if (name.length < 3) return String(name.length)
  return name.length === 3 ? `3/${name.slice(0, 1)}` : `${name.slice(0, 2)}/${name.slice(2, 4)}`
}
