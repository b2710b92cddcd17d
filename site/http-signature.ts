/**
 * Signed HTTP messages between members (RFC 9421, one strict form of it): a request names its member, its time and a nonce and
 * covers its method, authority, path and every field; a response covers its status, its fields and the request's signature.
 *
 * Stops requests of strangers, in a member's name, changed ones, ones that were heard before or were meant for another
 * machine, and answers that somebody else gives in the place of the member that was asked.
 */
import type { Clock } from '../core/clock.ts'
import { fieldValue, fieldValues, withoutFields, type Fields } from '../core/fields.ts'
import type { Random } from '../core/random.ts'
import { ED25519, type MemberId } from './keys.ts'
import type { Membership } from './membership.ts'
import { CLOCK_SKEW_MS, type Pass } from './pass.ts'

/** The field in which members bring their passes. */
export const PASS_FIELD = 'Ihave-Pass'

/** Nonces that are remembered at once: beyond this nothing is believed rather than something twice. */
export const MAX_HTTP_NONCES = 200_000

export interface HttpRequestHead {
  readonly method: string
  /** Whom it is for: `address:port`. */
  readonly authority: string
  readonly path: string
  readonly fields: Fields
}

export interface HttpResponseHead {
  readonly status: number
  readonly fields: Fields
}

/** Why a message is not a member's. */
export type Unsigned =
  | 'unsigned'
  | 'unknown-member'
  | 'another-time'
  | 'wrong-signature'
  | 'replayed'
  | 'too-many-nonces'

export type HttpSigner =
  | { readonly kind: 'member'; readonly pass: Pass; readonly signature: string }
  | { readonly kind: 'refused'; readonly reason: Unsigned }

export interface HttpSignatures {
  /** The request's fields, signed. @returns `undefined` when this node belongs to no site. */
  signRequest(request: HttpRequestHead): Fields | undefined
  /** Whose request it is; each is believed once. */
  requestSigner(request: HttpRequestHead): HttpSigner
  /** The response's fields, signed. @param asked the request's fields as they came. */
  signResponse(response: HttpResponseHead, asked: Fields): Fields
  /** Whose response it is. @param asked the request's fields as they were sent. */
  responseSigner(response: HttpResponseHead, asked: Fields): HttpSigner
  /** Whether a member, and this node too, is in good standing at this moment: what was begun may have to end. */
  isGood(member: MemberId): boolean
}

export interface HttpSignatureComponents {
  readonly clock: Clock
  readonly random: Random
  readonly membership: () => Membership | undefined
}

/** Of one exchange; what connections add on their way is not signed. */
const UNCOVERED = [
  'host',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'date',
  'signature',
  'signature-input',
]

const LABEL = 'ihave'

export function httpSignatures(components: HttpSignatureComponents): HttpSignatures {
  const heard = new Map<string, number>()
  /** What was signed before may have been answered before a restart, which forgot it. */
  const since = Math.floor(components.clock.wall() / 1000)
  const sign = (lines: readonly Component[], fields: Fields): Fields | undefined => {
    const own = components.membership()
    if (own === undefined) return undefined
    const created = Math.floor(components.clock.wall() / 1000)
    const input = inputOf(lines, { created, nonce: components.random.hex(16), key: own.id })
    const signature = ED25519.sign(base(lines, input), own.key.key).toString('base64')
    return [...fields, ['Signature-Input', `${LABEL}=${input}`], ['Signature', `${LABEL}=:${signature}:`]]
  }
  const withPass = (fields: Fields): Fields => {
    const own = components.membership()
    return own === undefined ? fields : [...withoutFields(fields, [PASS_FIELD]), [PASS_FIELD, own.pass.text]]
  }
  return {
    signRequest(request) {
      const fields = withPass(request.fields)
      return sign(requestComponents({ ...request, fields }), fields)
    },
    requestSigner(request) {
      const signer = signerOf(requestComponents(request), request.fields, components)
      if (signer.kind === 'refused') return signer
      return createdOf(request.fields) < since
        ? refused('replayed')
        : once(signer, request.fields, heard, components.clock)
    },
    signResponse(response, asked) {
      const fields = withPass(response.fields)
      return sign(responseComponents({ ...response, fields }, asked), fields) ?? response.fields
    },
    responseSigner: (response, asked) =>
      signerOf(responseComponents(response, asked), response.fields, components),
    isGood(member) {
      const own = components.membership()
      return own?.isGood === true && own.passOf(member) !== undefined
    },
  }
}

/** One covered component: its identifier as RFC 9421 writes it, and its value. */
type Component = readonly [identifier: string, value: string]

function requestComponents({ method, authority, path, fields }: HttpRequestHead): Component[] {
  return [['"@method"', method], ['"@authority"', authority], ['"@path"', path], ...fieldComponents(fields)]
}

/** The request's signature, which has a nonce in it, binds the answer to this very question. */
function responseComponents({ status, fields }: HttpResponseHead, asked: Fields): Component[] {
  const question = fieldValue(asked, 'signature') ?? ''
  return [['"@status"', String(status)], ['"signature";req', question], ...fieldComponents(fields)]
}

/** Every field that the message has, so that none can be added, left out or changed. */
function fieldComponents(fields: Fields): Component[] {
  const names = new Set(withoutFields(fields, UNCOVERED).map(([name]) => name.toLowerCase()))
  return [...names].toSorted().map((name) => [`"${name}"`, fieldValues(fields, name).join(', ').trim()])
}

interface Parameters {
  readonly created: number
  readonly nonce: string
  readonly key: MemberId
}

function inputOf(components: readonly Component[], { created, nonce, key }: Parameters): string {
  const identifiers = components.map(([identifier]) => identifier).join(' ')
  return `(${identifiers});created=${created};nonce="${nonce}";alg="ed25519";keyid="${key}"`
}

/** The signature base (RFC 9421 2.5). */
function base(components: readonly Component[], input: string): Buffer {
  const lines = components.map(([identifier, value]) => `${identifier}: ${value}`)
  return Buffer.from([...lines, `"@signature-params": ${input}`].join('\n'), 'latin1')
}

const INPUT = /^ihave=(\(.*\);created=(\d{10});nonce="([\da-f]{32})";alg="ed25519";keyid="([\da-f]{32})")$/
const SIGNATURE = /^ihave=:([\w+/]{86}==):$/

function signerOf(
  components: readonly Component[],
  fields: Fields,
  { clock, membership }: Pick<HttpSignatureComponents, 'clock' | 'membership'>,
): HttpSigner {
  const own = membership()
  const [, input = '', created = '', nonce = '', key = ''] =
    INPUT.exec(fieldValue(fields, 'signature-input') ?? '') ?? []
  const signature = SIGNATURE.exec(fieldValue(fields, 'signature') ?? '')?.[1]
  if (own === undefined || signature === undefined || input === '') return refused('unsigned')
  const pass = own.learn(fieldValue(fields, PASS_FIELD) ?? '') ?? own.passOf(key as MemberId)
  if (pass?.member !== key) return refused('unknown-member')
  if (Math.abs(clock.wall() - Number(created) * 1000) > CLOCK_SKEW_MS) return refused('another-time')
  const expected = inputOf(components, { created: Number(created), nonce, key: pass.member })
  // The covered components are written anew from the message: a signature that covers less is none.
  const isRight =
    input === expected &&
    ED25519.verify(base(components, input), pass.publicKey, Buffer.from(signature, 'base64'))
  return isRight ? { kind: 'member', pass, signature } : refused('wrong-signature')
}

/** Each nonce of a member counts once, for as long as its time would be believed. */
/** In seconds since 1970; of a request that is signed. */
function createdOf(fields: Fields): number {
  return Number(INPUT.exec(fieldValue(fields, 'signature-input') ?? '')?.[2] ?? 0)
}

function once(
  signer: Extract<HttpSigner, { kind: 'member' }>,
  fields: Fields,
  heard: Map<string, number>,
  clock: Clock,
): HttpSigner {
  const nonce = INPUT.exec(fieldValue(fields, 'signature-input') ?? '')?.[3] ?? ''
  const name = `${signer.pass.member}${nonce}`
  const now = clock.monotonic()
  if (heard.has(name)) return refused('replayed')
  for (const [known, until] of heard) {
    if (until > now) break
    heard.delete(known)
  }
  if (heard.size >= MAX_HTTP_NONCES) return refused('too-many-nonces')
  heard.set(name, now + 2 * CLOCK_SKEW_MS + 1000)
  return signer
}

function refused(reason: Unsigned): HttpSigner {
  return { kind: 'refused', reason }
}
