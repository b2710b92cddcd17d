/**
 * The attributes of service packets, each with its lengths and character classes (V§5): text to typed value and back.
 *
 * Reading is the only judge: what a packet would print and could not read again is not sent either.
 */
import type { Digest } from '../core/digest.ts'
import { DIGEST_ALGORITHMS } from '../core/digest.ts'
import { KEYS_PER_PACKET, type Edition } from './own-summary.ts'
import { isResourceKey, type ResourceKey } from './summary.ts'
import type { DecodeFailure } from './service-element.ts'

export type Reading<V> =
  | { readonly kind: 'value'; readonly value: V }
  | {
      readonly kind: 'refused'
      readonly reason: Extract<DecodeFailure, 'missing-attribute' | 'bad-attribute' | 'unsupported'>
    }

/** One attribute of one type of packet. */
export interface Attribute<V> {
  /** Its name on the wire. */
  readonly wire: string
  /** `text` is `undefined` when the packet does not have the attribute. */
  read(text: string | undefined): Reading<V>
  /** `undefined`: the attribute is left out. */
  print(value: V): string | undefined
}

/** How a value is written. */
export interface Syntax<V> {
  /** `undefined` for any text that is not such a value. */
  parse(text: string): V | undefined
  print(value: V): string
}

export function required<V>(wire: string, syntax: Syntax<V>): Attribute<V> {
  return {
    wire,
    read: (text) => (text === undefined ? MISSING : reading(syntax.parse(text))),
    print: (value) => syntax.print(value),
  }
}

export function optional<V>(wire: string, syntax: Syntax<V>): Attribute<V | undefined> {
  return {
    wire,
    read: (text) => (text === undefined ? ABSENT : reading(syntax.parse(text))),
    print: (value) => (value === undefined ? undefined : syntax.print(value)),
  }
}

/** None when the attribute is left out. */
export function several<V>(wire: string, syntax: Syntax<readonly V[]>): Attribute<readonly V[]> {
  return {
    wire,
    read: (text) => (text === undefined ? NONE : reading(syntax.parse(text))),
    print: (values) => (values.length === 0 ? undefined : syntax.print(values)),
  }
}

/** True when the attribute is there, always with this word. */
export function flag(wire: string, word: string): Attribute<boolean> {
  return {
    wire,
    read: (text) => (text === undefined || text === word ? { kind: 'value', value: text === word } : BAD),
    print: (value) => (value ? word : undefined),
  }
}

/** A choice of which we make only one; its absence means the same, and any other is a question for somebody else. */
export function only<W extends string>(wire: string, word: W): Attribute<W> {
  return {
    wire,
    read: (text) => (text === undefined || text === word ? { kind: 'value', value: word } : UNSUPPORTED),
    print: () => word,
  }
}

const MISSING = { kind: 'refused', reason: 'missing-attribute' } as const
const BAD = { kind: 'refused', reason: 'bad-attribute' } as const
const UNSUPPORTED = { kind: 'refused', reason: 'unsupported' } as const
const ABSENT = { kind: 'value', value: undefined } as const
const NONE = { kind: 'value', value: [] } as const

function reading<V>(value: V | undefined): Reading<V> {
  return value === undefined ? BAD : { kind: 'value', value }
}

/** Text of one character class, its length part of the expression. */
export function characters<V extends string>(pattern: RegExp): Syntax<V> {
  return { parse: (value) => (pattern.test(value) ? (value as V) : undefined), print: (value) => value }
}

/** A decimal number from `least` to `most`, without leading zeros: `007` would not be echoed as it was sent. */
export function whole<V extends number>(least: number, most: number): Syntax<V> {
  return {
    parse(digits) {
      if (!DECIMAL.test(digits)) return undefined
      const value = Number(digits)
      return value >= least && value <= most ? (value as V) : undefined
    },
    print: (value) => String(Math.round(value)),
  }
}

const DECIMAL = /^(0|[1-9]\d{0,15})$/

/** Bytes, seconds, bytes per second. */
export const COUNT = whole<number>(0, Number.MAX_SAFE_INTEGER)

/** An absolute URI in the characters that URIs are made of (and the few more that browsers leave in them). */
export const URI = characters<string>(/^[a-z][a-z0-9+.-]{0,31}:[!-~]{1,1000}$/i)

/** An absolute `http` URL without userinfo. */
export const LOCATION = characters<string>(/^http:\/\/[a-z0-9.:[\]-]{1,80}\/[!-~]{0,400}$/i)

/** RFC 9110 8.8.3. */
export const ENTITY_TAG = characters<string>(/^(W\/)?"[!#-~]{0,200}"$/)

/** IMF-fixdate (RFC 9110 5.6.7). */
export const HTTP_DATE = characters<string>(/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/)

/** Where a summary stands: `edition.number.keys`. */
export const EDITION: Syntax<Edition> = {
  parse(value) {
    const parts = value.split('.').map((part) => COUNT.parse(part))
    const [edition, number, keys] = parts
    const isEdition = parts.length === 3 && edition !== undefined && edition < 2 ** 32
    return isEdition && number !== undefined && keys !== undefined ? { edition, number, keys } : undefined
  },
  print: ({ edition, number, keys }) => `${edition}.${number}.${keys}`,
}

/** 1 to 50 resource keys of 16 hexadecimal digits. */
export const KEYS: Syntax<readonly ResourceKey[]> = {
  parse(value) {
    const keys = value.split(' ')
    return keys.length <= KEYS_PER_PACKET && keys.every(isResourceKey) ? keys : undefined
  },
  print: (keys) => keys.join(' '),
}

/** `sha-256:` and hexadecimal digits. */
export const DIGEST: Syntax<Digest> = {
  parse(value) {
    const [name, hex = ''] = value.split(':', 2)
    const algorithm = DIGEST_ALGORITHMS.find((each) => each === name)
    if (algorithm === undefined || `${name}:${hex}` !== value) return undefined
    return hex.length === HEX_DIGITS[algorithm] && /^[\da-f]+$/.test(hex) ? { algorithm, hex } : undefined
  },
  print: ({ algorithm, hex }) => `${algorithm}:${hex}`,
}

const HEX_DIGITS = { 'sha-256': 64, 'sha-512': 128, 'blake2b-256': 64 } as const
