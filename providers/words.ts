/**
 * The service packets of functions as typed values: application packets whose own attributes are these (R2.2). What a member
 * sends is signed as a whole (site/packet-seal.ts); a result is signed by itself too, because others pass it on.
 */
import type { EpochMs } from '../core/clock.ts'
import type { Extras, NodeId } from '../peering/packets.ts'
import { functionName, type FunctionName } from './functions.ts'
import { MAX_VALUE, type Result } from './result.ts'

export type FunctionWord =
  /** Election packet, initiating or responding; without a value from a node that does not stand. Broadcast. */
  | {
      readonly kind: 'election'
      readonly function: FunctionName
      readonly term: number
      /** The longest response delay period, in ms. */
      readonly delayMs: number
      readonly value: number | undefined
      /** The provider that was reported, and is to stand behind all others. */
      readonly without?: NodeId | undefined
    }
  /** Election result. Broadcast by the winner when it has won, and then as its sign of life. */
  | { readonly kind: 'result'; readonly result: Result }
  /** The provider of this term provides no longer. Broadcast. */
  | { readonly kind: 'resigned'; readonly function: FunctionName; readonly term: number }
  /** "I need" a function (FIG. 9, 414). Broadcast. */
  | {
      readonly kind: 'request'
      readonly function: FunctionName
      readonly nonce: string
      readonly delayMs: number
      /** What the asker knows itself: only who knows of a later term, or heard the provider since, need answer. */
      readonly term: number | undefined
      /** How long ago the asker heard the provider of that term, in ms. */
      readonly heardMs: number | undefined
    }
  /** "I have": the provider, or a third party that knows it (FIG. 9, 422). Unicast. */
  | {
      readonly kind: 'response'
      readonly nonce: string
      readonly result: Result
      /** How long ago the provider was heard, in ms. */
      readonly ageMs: number
      /** Of the member who signed the result. */
      readonly pass: string | undefined
    }
  /** "I found" (FIG. 9, 418). Broadcast. */
  | { readonly kind: 'found'; readonly nonce: string }

type Kind = FunctionWord['kind']

/** The packets' types. */
const NAMES: Readonly<Record<Kind, string>> = {
  election: 'election',
  result: 'election-result',
  resigned: 'election-resigned',
  request: 'function-request',
  response: 'function-response',
  found: 'function-found',
}
const KINDS = new Map(Object.entries(NAMES).map(([kind, name]) => [name, kind as Kind]))

/** No election may make its candidates wait longer, in ms. */
export const MAX_DELAY_MS = 2000

/** A question is filled up to this, so that no answer is longer than its question (V§4). */
const FILLING = '.'.repeat(780)

/** The type and the attributes of a packet. */
export function writeWord(word: FunctionWord): readonly [name: string, extras: Extras] {
  return [NAMES[word.kind], attributesOf(word).filter(isThere)]
}

/** A packet that is none of these, or malformed, is `undefined`. @param node the packet's sender. */
export function readWord(name: string, extras: Extras, node: NodeId): FunctionWord | 'malformed' | undefined {
  const kind = KINDS.get(name)
  if (kind === undefined) return undefined
  return wordFrom(kind, new Map(extras), node) ?? 'malformed'
}

type Attribute = readonly [name: string, value: string | undefined]

function isThere(attribute: Attribute): attribute is readonly [string, string] {
  return attribute[1] !== undefined
}

function attributesOf(word: FunctionWord): readonly Attribute[] {
  switch (word.kind) {
    case 'election': {
      const { function: name, term, delayMs, value, without } = word
      return [
        ['function', name],
        ['term', String(term)],
        ['delay', String(Math.round(delayMs))],
        ['value', value?.toString()],
        ['without', without],
      ]
    }
    case 'result':
      return resultAttributes(word.result)
    case 'resigned':
      return [
        ['function', word.function],
        ['term', String(word.term)],
      ]
    case 'request': {
      const { function: name, nonce, delayMs, term, heardMs } = word
      return [
        ['n', nonce],
        ['function', name],
        ['delay', String(Math.round(delayMs))],
        ['term', term?.toString()],
        ['heard', heardMs === undefined ? undefined : String(Math.round(heardMs))],
        ['filling', FILLING],
      ]
    }
    case 'response': {
      const { nonce, result, ageMs, pass } = word
      return [
        ['n', nonce],
        ['provider', result.node],
        ['heard', String(Math.round(ageMs))],
        ...resultAttributes(result),
        ['pass', pass],
      ]
    }
    case 'found':
      return [['n', word.nonce]]
  }
}

function resultAttributes(result: Result): readonly Attribute[] {
  const { function: name, member, location, value, term, since, expires, signature } = result
  return [
    ['function', name],
    ['term', String(term)],
    ['value', String(value)],
    ['location', location],
    ['since', String(since)],
    ['expires', String(expires)],
    ['member', member],
    ['signature', signature === '' ? undefined : signature],
  ]
}

type Attributes = ReadonlyMap<string, string>

function wordFrom(kind: Kind, attributes: Attributes, node: NodeId): FunctionWord | undefined {
  const name = functionName(attributes.get('function') ?? '')
  const term = whole(attributes.get('term'))
  const delayMs = whole(attributes.get('delay'), MAX_DELAY_MS)
  const nonce = matching(attributes.get('n'), NONCE)
  switch (kind) {
    case 'election': {
      const written = attributes.get('value')
      const value = whole(written, MAX_VALUE)
      if (name === undefined || term === undefined || delayMs === undefined) return undefined
      if (value === undefined && written !== undefined) return undefined
      const without = matching(attributes.get('without'), NODE) as NodeId | undefined
      if (without === undefined && attributes.has('without')) return undefined
      return { kind, function: name, term, delayMs, value, without }
    }
    case 'result': {
      const result = resultFrom(attributes, node)
      return result && { kind, result }
    }
    case 'resigned':
      return name === undefined || term === undefined ? undefined : { kind, function: name, term }
    case 'request':
      if (name === undefined || delayMs === undefined || nonce === undefined) return undefined
      return { kind, function: name, nonce, delayMs, term, heardMs: whole(attributes.get('heard')) }
    case 'response': {
      const provider = matching(attributes.get('provider'), NODE) as NodeId | undefined
      const result = provider && resultFrom(attributes, provider)
      const ageMs = whole(attributes.get('heard'))
      if (result === undefined || ageMs === undefined || nonce === undefined) return undefined
      return { kind, nonce, result, ageMs, pass: attributes.get('pass') }
    }
    case 'found':
      return nonce === undefined ? undefined : { kind, nonce }
  }
}

function resultFrom(attributes: Attributes, node: NodeId): Result | undefined {
  const name = functionName(attributes.get('function') ?? '')
  const [term, value] = [whole(attributes.get('term')), whole(attributes.get('value'), MAX_VALUE)]
  const [since, expires] = [whole(attributes.get('since')), whole(attributes.get('expires'))]
  const location = attributes.get('location')
  if (name === undefined || term === undefined || value === undefined) return undefined
  if (since === undefined || expires === undefined || location === undefined) return undefined
  return {
    function: name,
    node,
    member: matching(attributes.get('member'), NODE),
    location,
    value,
    term,
    since: since as EpochMs,
    expires: expires as EpochMs,
    signature: matching(attributes.get('signature'), SIGNATURE) ?? '',
  }
}

const NODE = /^[\da-f]{32}$/
const NONCE = /^[\da-f]{16}$/
const SIGNATURE = /^[\w-]{86}$/

function matching(text: string | undefined, pattern: RegExp): string | undefined {
  return text !== undefined && pattern.test(text) ? text : undefined
}

function whole(text: string | undefined, most = Number.MAX_SAFE_INTEGER): number | undefined {
  if (text === undefined || !/^(?:0|[1-9]\d{0,15})$/.test(text)) return undefined
  return Number(text) <= most ? Number(text) : undefined
}
