/**
 * The token that lets a machine in (V§7): which authority, and a secret. It says who the authority is, so that nobody else can
 * answer in its place, and proves that whoever has it was given it.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { EpochMs } from '../core/clock.ts'

export interface Token {
  /** SHA-256 of the authority's public key, hexadecimal. */
  readonly authority: string
  /** Which of the authority's tokens, 8 hexadecimal digits; no secret. */
  readonly id: string
  /** 128 bits, hexadecimal. */
  readonly secret: string
  /** Whole seconds. */
  readonly until: EpochMs
}

const PREFIX = 'ihave-site-'
const VERSION = 1
const CHECK_BYTES = 3
const BYTES = 60

export function newToken(authority: string, until: EpochMs): Token {
  const seconds = Math.floor(until / 1000) * 1000
  return {
    authority,
    id: randomBytes(4).toString('hex'),
    secret: randomBytes(16).toString('hex'),
    until: seconds as EpochMs,
  }
}

/** 91 characters without white space, to be read out, pasted or mailed. */
export function printToken({ authority, id, secret, until }: Token): string {
  const seconds = Buffer.alloc(4)
  seconds.writeUInt32BE(until / 1000)
  const hex = Buffer.from(`${authority}${id}${secret}`, 'hex')
  const content = Buffer.concat([Buffer.of(VERSION), hex, seconds])
  return PREFIX + Buffer.concat([content, checkOf(content)]).toString('base64url')
}

/** @returns `undefined` when the text is no token, or was changed on its way. */
export function readToken(text: string): Token | undefined {
  const trimmed = text.trim()
  const said = trimmed.slice(PREFIX.length)
  const bytes = Buffer.from(said, 'base64url')
  // Not as it is printed: a decoder leaves out what it does not know, or what is too much.
  if (bytes.toString('base64url') !== said) return undefined
  if (!trimmed.startsWith(PREFIX) || bytes.length !== BYTES || bytes[0] !== VERSION) return undefined
  const content = bytes.subarray(0, BYTES - CHECK_BYTES)
  if (!checkOf(content).equals(bytes.subarray(BYTES - CHECK_BYTES))) return undefined
  return {
    authority: bytes.toString('hex', 1, 33),
    id: bytes.toString('hex', 33, 37),
    secret: bytes.toString('hex', 37, 53),
    until: (bytes.readUInt32BE(53) * 1000) as EpochMs,
  }
}

/** For slips of the hand only: it stops nobody. */
function checkOf(content: Uint8Array): Buffer {
  return createHash('sha256').update(content).digest().subarray(0, CHECK_BYTES)
}
