/**
 * The XML of a service packet: one empty element `service` with attributes (R2.1), from bytes and back.
 *
 * Nothing here knows what the attributes mean. Strangers write these bytes, so each check stands before the more
 * costly one, and what the XML library lets pass is refused here (V§5).
 */
import type * as Xml from 'fast-xml-parser'
import { onDemand } from '../core/on-demand.ts'
import { escapeValue, resolveValue, UNPRINTABLE } from './attribute-values.ts'
import { MAX_PACKET_BYTES } from './packets.ts'

/** Why a datagram is no service packet: a counter each (R2.5). Append-only. */
export const DECODE_FAILURES = [
  'too-long',
  'not-a-packet',
  'not-utf-8',
  'markup-declaration',
  'not-xml',
  'duplicate-attribute',
  'too-deep',
  'not-one-element',
  'unknown-entity',
  'unknown-version',
  'missing-attribute',
  'bad-attribute',
  'unsupported',
] as const
export type DecodeFailure = (typeof DECODE_FAILURES)[number]

/** `detail` names a place or an attribute, and never repeats what a stranger wrote. */
export interface Malformed {
  readonly kind: 'malformed'
  readonly reason: DecodeFailure
  readonly detail: string
}

/** The attributes by name, in the order in which they came. */
export interface ServiceElement {
  readonly kind: 'element'
  readonly attributes: ReadonlyMap<string, string>
}

/** Reads one element; never throws. Attributes whose names cannot be ours (`ATTRIBUTE_NAME`) are left out. */
export function readElement(bytes: Uint8Array): ServiceElement | Malformed {
  if (bytes.length > MAX_PACKET_BYTES) return malformed('too-long', `${bytes.length} bytes`)
  if (!opensLikeAPacket(bytes)) return malformed('not-a-packet')
  return readPlainForm(ascii(bytes)) ?? readAnyForm(bytes)
}

function readAnyForm(bytes: Uint8Array): ServiceElement | Malformed {
  const text = utf8(bytes)
  if (text === undefined) return malformed('not-utf-8')
  const markup = text.replace(DECLARATION, '')
  if (/<[!?]/.test(markup)) return malformed('markup-declaration')
  return wellFormed(markup) ?? parse(markup)
}

/** Writes one element; names and values must be such as `readElement` returns. */
export function writeElement(attributes: Iterable<readonly [name: string, value: string]>): Uint8Array {
  const pairs = Array.from(attributes, ([name, value]) => ` ${name}="${escapeValue(value)}"`)
  return new TextEncoder().encode(`<service${pairs.join('')}/>`)
}

export function malformed(reason: DecodeFailure, detail = ''): Malformed {
  return { kind: 'malformed', reason, detail }
}

/** Names of attributes: no namespaces, nothing that XML reserves for itself. */
export const ATTRIBUTE_NAME = /^(?!xml)[A-Z][\w.-]{0,63}$/i

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]
const OPENINGS = ['<service', '<?xml'].map((opening) => new TextEncoder().encode(opening))

/** Turns a flood of garbage away at the price of a few comparisons. */
function opensLikeAPacket(bytes: Uint8Array): boolean {
  const start = BYTE_ORDER_MARK.every((byte, at) => bytes[at] === byte) ? BYTE_ORDER_MARK.length : 0
  return OPENINGS.some((opening) => opening.every((byte, at) => bytes[start + at] === byte))
}

/** What is not ASCII becomes something that the plain form does not have. */
function ascii({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('latin1')
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true })

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return UTF_8.decode(bytes)
  } catch {
    return undefined // the only thing that a fatal decoder throws for
  }
}

const PLAIN_START = '<service'
const PLAIN_END = '/>'
/** What `writeElement` writes, in ASCII: XML has no other reading of it. Names that XML reserves are left to the library. */
const PLAIN_FORM = /^<service(?: (?![Xx][Mm][Ll])[A-Za-z][\w.-]{0,63}="[ !#-;=?-~]*")*\/>$/

/**
 * Nearly every datagram has this form, and in a storm every node hears hundreds: it costs a fraction of the XML library's
 * two passes. @returns `undefined` for everything that has to be looked at more closely, and for all that is refused.
 */
function readPlainForm(markup: string): ServiceElement | undefined {
  if (!PLAIN_FORM.test(markup)) return undefined
  const attributes = new Map<string, string>()
  // Of that form every second piece is a value, and the one before it is ` name=`.
  const pieces = markup.slice(PLAIN_START.length, -PLAIN_END.length).split('"')
  for (let at = 1; at < pieces.length; at += 2) {
    const name = (pieces[at - 1] ?? '').slice(1, -1)
    const value = pieces[at] ?? ''
    if (attributes.has(name)) return undefined
    const text = value.includes('&') ? resolved(value) : value
    if (text === undefined) return undefined
    attributes.set(name, text)
  }
  return { kind: 'element', attributes }
}

function resolved(value: string): string | undefined {
  const text = resolveValue(value)
  return text === undefined || UNPRINTABLE.test(text) ? undefined : text
}

/** An XML declaration that says nothing which we do not do. */
const DECLARATION =
  /^<\?xml\s+version\s*=\s*["']1\.0["'](\s+encoding\s*=\s*["'](utf-8|us-ascii)["'])?(\s+standalone\s*=\s*["'](yes|no)["'])?\s*\?>\s*/i

/** One empty element and nothing around it, quoted values taken out. The library accepts two roots, and text after them. */
const ONE_ELEMENT = /^<service(?=[\s/>])[^<>]*(\/>|>\s*<\/service\s*>)\s*$/

/** Loaded with the first packet. */
const xml = onDemand('fast-xml-parser') as () => typeof Xml
let parser: Xml.XMLParser | undefined

const PARSING: Xml.X2jOptions = {
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '@', // keeps `__proto__` and its like from being names of properties
  processEntities: false,
  parseTagValue: false,
  parseAttributeValue: false,
  allowBooleanAttributes: false,
  trimValues: false,
  maxNestedTags: 4,
}

function wellFormed(markup: string): Malformed | undefined {
  const verdict = xml().XMLValidator.validate(markup, { allowBooleanAttributes: false })
  if (verdict === true) return undefined
  const { code, msg, line, col } = verdict.err
  return malformed(
    msg.endsWith('is repeated.') ? 'duplicate-attribute' : 'not-xml',
    `${code} at ${line}:${col}`,
  )
}

function parse(markup: string): ServiceElement | Malformed {
  const nodes = parseNodes(markup)
  if ('kind' in nodes) return nodes
  if (!ONE_ELEMENT.test(markup.replaceAll(/"[^"]*"|'[^']*'/g, ''))) return malformed('not-one-element')
  return readAttributes(Object.entries(nodes[0]?.[':@'] ?? {}))
}

/** With `preserveOrder`, a list of nodes with their attributes under `:@`. */
type Nodes = readonly { readonly ':@'?: Readonly<Record<string, string>> }[]

function parseNodes(markup: string): Nodes | Malformed {
  try {
    parser ??= new (xml().XMLParser)(PARSING)
    return parser.parse(markup) as Nodes
  } catch (error) {
    return malformed(String(error).includes('nested') ? 'too-deep' : 'not-xml')
  }
}

function readAttributes(raw: readonly [prefixed: string, value: string][]): ServiceElement | Malformed {
  const attributes = new Map<string, string>()
  for (const [prefixed, value] of raw) {
    const name = prefixed.slice(1)
    if (value.includes('<')) return malformed('not-xml', 'a bare < in a value')
    const text = resolveValue(value)
    if (text === undefined) return malformed('unknown-entity')
    if (UNPRINTABLE.test(text)) return malformed('bad-attribute', 'a control character')
    if (ATTRIBUTE_NAME.test(name)) attributes.set(name, text)
  }
  return { kind: 'element', attributes }
}
