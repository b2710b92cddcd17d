/** Target URIs (RFC 9110 7.1) in one spelling, so that every node names the same resource the same way. */
import { isContentName } from './content-name.ts'

/** An absolute `http:` or `https:` URI, normalized (RFC 3986 6.2.2), without userinfo and fragment; or the name of content. */
export type TargetUri = string & { readonly brand: 'TargetUri' }

const UNRESERVED = /[A-Za-z0-9\-._~]/

/**
 * Normalizes an absolute URI: scheme and host in lower case, default port and fragment dropped, dot segments
 * removed, percent-encoded octets in upper case and unreserved ones decoded (apt writes `%2b`, others `+` stays).
 * @returns `undefined` for anything that is not `http:`, `https:` or a content name, and for a URI that carries userinfo.
 */
export function parseTargetUri(text: string): TargetUri | undefined {
  if (isContentName(text)) return text as TargetUri
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.username !== '' || url.password !== '' || url.hostname === '') return undefined
  return (url.origin + normalizeEncoding(url.pathname + queryOf(text, url))) as TargetUri
}

/**
 * The URI of what `target` names, in the words of the request-target where that is an absolute URI and names the same.
 * @returns `undefined` as `parseTargetUri` does.
 */
export function requestedUri(target: URL, requestTarget: string): TargetUri | undefined {
  const isNamed = URL.parse(requestTarget)?.href === target.href
  return parseTargetUri(isNamed ? requestTarget : target.href)
}

/**
 * With its question mark. `URL` drops that of an empty query, and encodes apostrophes, which are reserved: both name other resources
 * (RFC 3986 2.2, 6.2.3).
 */
function queryOf(text: string, { search }: URL): string {
  const written = /^[^?#]*(\?[^#]*)?/.exec(text)?.[1] ?? ''
  if (search === '') return written === '' ? '' : '?'
  if (!written.includes("'")) return search
  const apostrophes = written.match(/'|%27/g)?.values()
  return search.replace(/%27/g, (escape) => apostrophes?.next().value ?? escape)
}

/** Percent-encoded octets of a path and query in their normal form (RFC 3986 6.2.2.1, 6.2.2.2). */
export function normalizeEncoding(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (escape, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16))
    return UNRESERVED.test(character) ? character : escape.toUpperCase()
  })
}

/** The origin of a URI that is no content name (RFC 9110 4.3.1): scheme, host and, where it is not the default, port. */
export function originOf(uri: TargetUri): string {
  return uri.slice(0, uri.indexOf('/', uri.indexOf('://') + 3))
}
