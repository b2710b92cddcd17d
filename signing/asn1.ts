/** Writes DER: node-forge's ASN.1 with short names. */
import forge from 'node-forge'

const { asn1 } = forge

export type Asn1 = forge.asn1.Asn1

const UNIVERSAL = asn1.Class.UNIVERSAL

export function sequence(...items: readonly Asn1[]): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.SEQUENCE, true, [...items])
}

/** DER wants the elements of a SET OF in the order of their encodings. */
export function set(...items: readonly Asn1[]): Asn1 {
  const sorted = items.toSorted((one, other) => Buffer.compare(encode(one), encode(other)))
  return asn1.create(UNIVERSAL, asn1.Type.SET, true, sorted)
}

export function oid(dotted: string): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.OID, false, asn1.oidToDer(dotted).getBytes())
}

export function nothing(): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.NULL, false, '')
}

export function octets(bytes: Uint8Array): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.OCTETSTRING, false, binary(bytes))
}

/** A BIT STRING of whole bytes, or with so many bits unused at its end. */
export function bits(bytes: Uint8Array, unused = 0): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.BITSTRING, false, String.fromCharCode(unused) + binary(bytes))
}

export function utf8(text: string): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.UTF8, false, binary(Buffer.from(text, 'utf8')))
}

export function yes(): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.BOOLEAN, false, '\u00ff')
}

/** An INTEGER from its content octets, or a small number that is not negative. */
export function integer(value: number | Uint8Array): Asn1 {
  const content = typeof value === 'number' ? asn1.integerToDer(value).getBytes() : binary(value)
  return asn1.create(UNIVERSAL, asn1.Type.INTEGER, false, content)
}

export function enumerated(value: number): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.ENUMERATED, false, asn1.integerToDer(value).getBytes())
}

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 4.1.2.5). */
export function time(epochMs: number): Asn1 {
  const digits = new Date(epochMs).toISOString().replace(/\.\d+|[-:T]/g, '')
  const isShort = new Date(epochMs).getUTCFullYear() < 2050
  return asn1.create(
    UNIVERSAL,
    isShort ? asn1.Type.UTCTIME : asn1.Type.GENERALIZEDTIME,
    false,
    isShort ? digits.slice(2) : digits,
  )
}

/** node-forge counts context-specific tags by its names of the universal ones with the same numbers. */
const NUMBERS = [asn1.Type.NONE, asn1.Type.BOOLEAN, asn1.Type.INTEGER, asn1.Type.BITSTRING] as const

/** `[number]` around other elements. */
export function context(number: 0 | 1 | 2 | 3, ...items: readonly Asn1[]): Asn1 {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, NUMBERS[number], true, [...items])
}

/** `[number]` in place of a type of bytes. */
export function contextBytes(number: 0 | 1 | 2 | 3, bytes: Uint8Array): Asn1 {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, NUMBERS[number], false, binary(bytes))
}

/** An element that is already written. */
export function written(der: Uint8Array): Asn1 {
  return asn1.fromDer(binary(der))
}

export function encode(item: Asn1): Buffer {
  return Buffer.from(asn1.toDer(item).getBytes(), 'latin1')
}

function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
