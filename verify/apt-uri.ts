/** The names of package files on apt repositories, in one spelling for lists and requests alike. */
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'

/** A package file's URI in the spelling under which its digest is kept. */
export type PackageKey = string & { readonly brand: 'PackageKey' }

/** The key of a requested URI; `undefined` when it does not look like a package file on an apt repository. */
export function packageKey(uri: TargetUri): PackageKey | undefined {
  return /\.(?:deb|udeb|ddeb)$/.test(uri) ? (oneSpelling(uri) as string as PackageKey) : undefined
}

/**
 * apt escapes characters that it need not (`%2b`), others escape less; RFC 3986 6.2.2 leaves such spellings apart, and
 * archives serve them as one. Bytes under either are held against the same digest, so that joining them is safe.
 */
export function oneSpelling(uri: TargetUri): TargetUri {
  return uri
    .replace(/%[0-9A-F]{2}/g, unescapeHarmless)
    .replace(/[^\w\-.~!$&'()*+,;=:@/%?]/g, escape) as TargetUri
}

/**
 * The key of a file that an index names, relative to its repository's base URI.
 * @returns `undefined` for what cannot come through this proxy (`file:`, `cdrom:`, userinfo), and for a name that
 * leads out of the repository: an index speaks for its own files only, never for another archive of that host.
 */
export function listedKey(repository: string, filename: string): PackageKey | undefined {
  const base = parseTargetUri(repository)
  const uri = parseTargetUri(repository + filename.replace(/[%?#\\]/g, escape))
  if (base === undefined || !base.endsWith('/') || !uri?.startsWith(base)) return undefined
  return packageKey(uri)
}

/** Sub-delimiters and `:` `@` mean the same in a path, escaped or not; `%2F` and `%25` do not. */
function unescapeHarmless(escaped: string): string {
  const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
  return /[!$&'()*+,;=:@]/.test(character) ? character : escaped
}

function escape(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}
