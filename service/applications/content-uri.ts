/** The ways in which applications name content by its digest, read into one. */
import { namedSha256 } from '../../core/content-name.ts'
import type { Digest, Sha256 } from '../../core/digest.ts'
import { Fault } from '../../core/fault.ts'

/** What a URI says of the content that it names. */
export interface NamedContent {
  readonly sha256: Sha256
  /** URLs that the name itself gives. */
  readonly places: readonly string[]
}

const HEX = /^(?:urn:sha-?256:|hash:\/\/sha256\/)([\da-f]{64})$/i
const NI = /^ni:\/\/[^/?#]*\/sha-256;([\w-]{43})(?:\?[!-~]*)?$/i
const MAX_PLACES = 8

/**
 * Reads `ni:///sha-256;…` (RFC 6920), `urn:sha256:…` and `hash://sha256/…` in hexadecimal, and `magnet:?xt=urn:sha256:…` with
 * places in `xs` and `as`. @returns `undefined` for every other URI: it does not say what its bytes are.
 */
export function namedContent(uri: string): NamedContent | undefined {
  const magnet = /^magnet:\?(.+)$/i.exec(uri)?.[1]
  if (magnet !== undefined) return magnetContent(new URLSearchParams(magnet))
  const sha256 = sha256Of(uri)
  return sha256 && { sha256, places: [] }
}

function magnetContent(words: URLSearchParams): NamedContent | undefined {
  const sha256 = words.getAll('xt').flatMap((name) => sha256Of(name) ?? [])[0]
  const places = [...words.getAll('xs'), ...words.getAll('as')].filter((place) => /^https?:\/\//i.test(place))
  return sha256 && { sha256, places: places.slice(0, MAX_PLACES) }
}

function sha256Of(uri: string): Sha256 | undefined {
  const hex = HEX.exec(uri)?.[1]
  if (hex !== undefined) return hex.toLowerCase() as Sha256
  const [, base64url = ''] = NI.exec(uri) ?? []
  return namedSha256(`ni:///sha-256;${base64url}`)
}

/** The SHA-256 that an application gives, `sha-256:` and hexadecimal digits. @throws Fault BAD_REQUEST */
export function sha256From(digest: unknown): Sha256 | undefined {
  if (digest === undefined) return undefined
  const hex = typeof digest === 'string' ? /^sha-256:([\da-f]{64})$/i.exec(digest)?.[1] : undefined
  if (hex === undefined) throw new Fault('BAD_REQUEST', 'digest: expected sha-256: and 64 hexadecimal digits')
  return hex.toLowerCase() as Sha256
}

/** How a digest is written for applications. */
export function digestText({ algorithm, hex }: Digest): string {
  return `${algorithm}:${hex}`
}

/** Any absolute URI, in the characters of service packets. */
export function isUri(text: string): boolean {
  return /^[a-z][a-z0-9+.-]{0,31}:[!-~]{1,1000}$/i.test(text)
}
