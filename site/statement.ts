/**
 * Signed statements: what the authority says of members, and members of files. One line of text, two parts in base64url with a
 * full stop between: the statement in JSON, the signature over it.
 *
 * The kind is signed too. Stops a statement of one kind, or a packet, from being passed off as one of another.
 */
import type { KeyObject } from 'node:crypto'
import type { Algorithm } from './keys.ts'

export type StatementKind = 'pass' | 'deny-list' | 'attestation' | 'promise'

/** A statement as it travels. */
export type Statement = string & { readonly brand: 'Statement' }

/** Longest statement that is read, in characters: a deny list of a thousand members. */
export const MAX_STATEMENT = 64 * 1024

export function makeStatement(
  kind: StatementKind,
  content: object,
  algorithm: Algorithm,
  key: KeyObject,
): Statement {
  const said = Buffer.from(JSON.stringify(content)).toString('base64url')
  return `${said}.${algorithm.sign(signedBytes(kind, said), key).toString('base64url')}` as Statement
}

/** What a statement says, if this key signed it as one of this kind; `undefined` for anything else. */
export function readStatement(
  kind: StatementKind,
  text: string,
  algorithm: Algorithm,
  key: KeyObject,
): Readonly<Record<string, unknown>> | undefined {
  const [said = '', signature = ''] = text.length <= MAX_STATEMENT ? text.split('.', 2) : []
  if (`${said}.${signature}` !== text || !TEXT.test(said) || !TEXT.test(signature)) return undefined
  const isSigned = algorithm.verify(signedBytes(kind, said), key, Buffer.from(signature, 'base64url'))
  return isSigned ? contentOf(said) : undefined
}

/** What a statement says, whoever signed it: to find the key that must have. */
export function claimOf(text: string): Readonly<Record<string, unknown>> | undefined {
  return text.length <= MAX_STATEMENT ? contentOf(text.split('.', 1)[0] ?? '') : undefined
}

const TEXT = /^[\w-]+$/

function signedBytes(kind: StatementKind, said: string): Buffer {
  return Buffer.from(`ihave ${kind} 1\n${said}`)
}

function contentOf(said: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const content: unknown = JSON.parse(Buffer.from(said, 'base64url').toString())
    return typeof content === 'object' && content !== null ? (content as Record<string, unknown>) : undefined
  } catch {
    return undefined // no JSON: no statement
  }
}
