/**
 * Reads DER (X.690) strictly: one spelling for every value, so that no byte of a signed structure can be changed
 * without being noticed. Indefinite lengths, long tags and longer lengths than needed are refused.
 */
import { demand, Refusal } from './refusal.ts'

/** One element. */
export interface Der {
  /** The identifier octet: class, form and number. */
  readonly tag: number
  /** The whole element, identifier and length included. */
  readonly whole: Buffer
  readonly content: Buffer
}

/** Identifier octets that are used here. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const

/** `[number]`, constructed. */
export function contextTag(number: number): number {
  return 0xa0 | number
}

/** The one element that `bytes` are. @throws Refusal malformed */
export function readDer(bytes: Uint8Array): Der {
  const buffer = bufferOf(bytes)
  const der = elementAt(buffer, 0)
  demand(der.whole.length === buffer.length, 'malformed', 'bytes follow the end of a DER structure')
  return der
}

/** The one element that `bytes` begin with; what follows is the caller's concern. @throws Refusal malformed */
export function readDerPrefix(bytes: Uint8Array): Der {
  return elementAt(bufferOf(bytes), 0)
}

/** The elements inside. @throws Refusal malformed */
export function elementsOf(der: Der): readonly Der[] {
  demand((der.tag & 0x20) !== 0, 'malformed', `expected a constructed DER element, got tag ${der.tag}`)
  const elements: Der[] = []
  for (let at = 0; at < der.content.length;) {
    const element = elementAt(der.content, at)
    elements.push(element)
    at += element.whole.length
  }
  return elements
}

/** The one element inside an explicit tag. @throws Refusal malformed */
export function onlyElement(der: Der): Der {
  const [element, ...more] = elementsOf(der)
  if (element !== undefined && more.length === 0) return element
  throw new Refusal('malformed', `expected one DER element, got ${more.length === 0 ? 'none' : 'several'}`)
}

/** The elements of a SEQUENCE. @throws Refusal malformed */
export function sequenceOf(der: Der | undefined): readonly Der[] {
  return elementsOf(expectTag(der, TAG.sequence))
}

/** @throws Refusal malformed when the element is absent or another. */
export function expectTag(der: Der | undefined, tag: number): Der {
  if (der?.tag === tag) return der
  throw new Refusal('malformed', `expected DER tag ${tag}, got ${der?.tag ?? 'the end'}`)
}

/** An OBJECT IDENTIFIER with its dots. @throws Refusal malformed */
export function oidOf(der: Der | undefined): string {
  const { content } = expectTag(der, TAG.oid)
  demand(
    content.length > 0 && content.length <= 32,
    'malformed',
    'an object identifier of no or too many bytes',
  )
  const arcs: number[] = []
  let arc = 0
  let isFirst = true
  for (const byte of content) {
    demand(!(isFirst && byte === 0x80), 'malformed', 'an object identifier that is not written the short way')
    arc = arc * 128 + (byte & 0x7f)
    isFirst = byte < 0x80
    if (!isFirst) continue
    arcs.push(arc)
    arc = 0
  }
  demand(isFirst, 'malformed', 'an object identifier that does not end')
  const [both = 0, ...rest] = arcs
  const first = Math.min(2, Math.floor(both / 40))
  return [first, both - first * 40, ...rest].join('.')
}

/** The content octets of an INTEGER. @throws Refusal malformed */
export function integerOf(der: Der | undefined): Buffer {
  const { content } = expectTag(der, TAG.integer)
  const [first = 0, second = 0] = content
  const isPadded =
    content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
  demand(content.length > 0 && !isPadded, 'malformed', 'an integer that is not written the short way')
  return content
}

/** A small INTEGER that is not negative. @throws Refusal malformed */
export function smallIntegerOf(der: Der | undefined): number {
  const content = integerOf(der)
  demand(content.length <= 4 && (content[0] ?? 0) < 0x80, 'malformed', 'an integer that is out of bounds')
  return content.readUIntBE(0, content.length)
}

/** @throws Refusal malformed */
export function booleanOf(der: Der): boolean {
  const { content } = expectTag(der, TAG.boolean)
  const isWritten = content.length === 1 && (content[0] === 0 || content[0] === 0xff)
  demand(isWritten, 'malformed', 'a boolean that is neither true nor false')
  return content[0] === 0xff
}

/** The bytes of a BIT STRING whose length is whole bytes. @throws Refusal malformed */
export function bitsOf(der: Der | undefined): Buffer {
  const { content } = expectTag(der, TAG.bitString)
  demand(content[0] === 0, 'malformed', 'a bit string that ends within a byte')
  return content.subarray(1)
}

/** A UTCTime or GeneralizedTime, in milliseconds since 1970; only the forms of RFC 5280 4.1.2.5. @throws Refusal malformed */
export function timeOf(der: Der | undefined): number {
  const text = der?.content.toString('latin1') ?? ''
  const isLong = der?.tag === TAG.generalizedTime
  const isTime = (isLong && /^\d{14}Z$/.test(text)) || (der?.tag === TAG.utcTime && /^\d{12}Z$/.test(text))
  demand(isTime, 'malformed', `expected a time, got "${text.slice(0, 20)}"`)
  const digits = isLong ? text : `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}`
  const [year, month, day, hour, minute, second] = [0, 4, 6, 8, 10, 12].map((at) =>
    digits.slice(at, at === 0 ? 4 : at + 2),
  )
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  demand(!Number.isNaN(time), 'malformed', `expected a time, got "${text}"`)
  return time
}

function elementAt(bytes: Buffer, at: number): Der {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined)
    throw new Refusal('malformed', 'a DER structure that is cut off')
  demand((tag & 0x1f) !== 0x1f, 'malformed', 'a DER tag of several bytes')
  const { length, header } = first < 0x80 ? { length: first, header: 2 } : longLength(bytes, at, first & 0x7f)
  const end = at + header + length
  demand(end <= bytes.length, 'malformed', 'a DER structure that is cut off')
  return { tag, whole: bytes.subarray(at, end), content: bytes.subarray(at + header, end) }
}

function longLength(bytes: Buffer, at: number, octets: number): { length: number; header: number } {
  demand(
    octets >= 1 && octets <= 4 && at + 2 + octets <= bytes.length,
    'malformed',
    'a DER length out of bounds',
  )
  const length = bytes.readUIntBE(at + 2, octets)
  const isShortest = length >= 0x80 && bytes[at + 2] !== 0
  demand(isShortest, 'malformed', 'a DER length that is not written the short way')
  return { length, header: 2 + octets }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
