/**
 * The seam of signatures: what a site does with a datagram on its way out and in. Without a site nothing is signed, and the
 * signatures of others are cut off (docs/protocol.md, "Signatures").
 */
import type { Address } from '../core/transport.ts'
import type { Extras } from './packets.ts'

/** Whose word a packet is. */
export type Signer =
  | { readonly kind: 'member'; readonly member: string }
  /** Unsigned, or by somebody who is not known: a hint, as every word of a stranger. */
  | { readonly kind: 'stranger'; readonly reason: string }
  /** A signature that is wrong, or was heard before: the packet is dropped. */
  | { readonly kind: 'refused'; readonly reason: string }

/** A datagram without its signature. */
export interface OpenedDatagram {
  readonly document: Uint8Array
  readonly isSigned: boolean
  /** Verifies the signature over the bytes as they came; costs 160 µs. @param extras of the packet: it may bring the pass. */
  signer(extras: Extras): Signer
}

export interface PacketSeal {
  /** Bytes that `seal` adds at present. */
  readonly overhead: number
  /** What every presence says beside the rest. */
  presence(): Extras
  seal(document: Uint8Array): Uint8Array
  /** Whether this member's word counts at present. */
  isMember(member: string): boolean
  /** Whether packets of this name are said by machines on their way in: those prove themselves otherwise. */
  isEntry(name: string): boolean
  open(datagram: Uint8Array, from: Address): OpenedDatagram
}

/** `<!--ihave KEYID TIME NONCE SIGNATURE-->`: 32, 13, 16 and 88 characters. Behind the element, so that it stays XML. */
export const TRAILER_BYTES = 165

const TRAILER_START = Buffer.from('<!--ihave ')
const TRAILER_END = Buffer.from('-->')

/** Where the trailer of a datagram begins; its length when there is none. Looks at a dozen bytes. */
export function trailerStart(datagram: Uint8Array): number {
  const at = datagram.length - TRAILER_BYTES
  const isThere = at > 0 && isAt(datagram, at, TRAILER_START)
  return isThere && isAt(datagram, datagram.length - TRAILER_END.length, TRAILER_END) ? at : datagram.length
}

function isAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  return wanted.every((byte, index) => bytes[at + index] === byte)
}

/** A node that belongs to no site. */
export const noSeal: PacketSeal = {
  overhead: 0,
  presence: () => [],
  seal: (document) => document,
  isMember: () => false,
  isEntry: () => false,
  open: (datagram) => unproven(datagram, trailerStart(datagram)),
}

/** What a stranger's word is that a member may have signed whom this node does not know yet. */
export const UNKNOWN_KEY = 'an unknown key'

const UNPROVEN: Signer = { kind: 'stranger', reason: 'no site here' }

function unproven(datagram: Uint8Array, end: number): OpenedDatagram {
  const isSigned = end < datagram.length
  return { document: isSigned ? datagram.subarray(0, end) : datagram, isSigned, signer: unprovenSigner }
}

function unprovenSigner(): Signer {
  return UNPROVEN
}
