/**
 * Signed packets (V§5): the trailer is cut off and verified over the raw bytes, the sender's address among them.
 *
 * Stops packets in a member's name, changed ones, those of another address than the member's, and ones that were heard before.
 * A packet from another time (a wrong clock, or kept back) is not refused but a stranger's: whoever kept it could as well have
 * cut the signature off.
 */
import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Address } from '../core/transport.ts'
import {
  noSeal,
  TRAILER_BYTES,
  trailerStart,
  UNKNOWN_KEY,
  type OpenedDatagram,
  type PacketSeal,
  type Signer,
} from '../peering/packet-seal.ts'
import type { Extras } from '../peering/packets.ts'
import { JOIN, PASS_PACKET, PROOF, REFUSED, WELCOME } from './admission.ts'
import { ED25519, type MemberId } from './keys.ts'
import { CLOCK_SKEW_MS } from './pass.ts'
import type { Membership } from './membership.ts'

/** Nonces that are remembered: 4 minutes of what the intake lets through for long; the oldest is forgotten first. */
export const MAX_NONCES = 480_000

/** The attribute of `presence` by which members bring their passes. */
export const PASS = 'pass'
/** The attribute of `presence` that tells which deny list a member has. */
export const DENY_LIST = 'denylist'

const ENTRY: ReadonlySet<string> = new Set([JOIN, WELCOME, PROOF, PASS_PACKET, REFUSED])

export interface SealComponents {
  readonly clock: Clock
  readonly random: Random
  /** This node's own. */
  readonly address: () => Address
  readonly membership: () => Membership | undefined
}

export function packetSeal(components: SealComponents): PacketSeal {
  const heard = new Set<string>()
  return {
    get overhead() {
      return components.membership() === undefined ? 0 : TRAILER_BYTES
    },
    presence: () => wordsOf(components.membership()),
    seal: (document) => sealed(components, document),
    isMember: (member) => components.membership()?.passOf(member as MemberId) !== undefined,
    isEntry: (name) => ENTRY.has(name),
    open(datagram, from) {
      const membership = components.membership()
      const end = trailerStart(datagram)
      if (membership === undefined || end === datagram.length) return noSeal.open(datagram, from)
      return opened(datagram, end, (extras) => {
        const brought = extras.find(([name]) => name === PASS)?.[1]
        if (brought !== undefined) membership.learn(brought)
        return signerOf(datagram, from, membership, components.clock, heard)
      })
    },
  }
}

function opened(datagram: Uint8Array, end: number, signer: (extras: Extras) => Signer): OpenedDatagram {
  return { document: datagram.subarray(0, end), isSigned: true, signer }
}

function wordsOf(membership: Membership | undefined): Extras {
  if (membership === undefined) return []
  return [
    [PASS, membership.pass.text],
    [DENY_LIST, String(membership.denyList?.number ?? 0)],
  ]
}

const SIGNATURE_CHARACTERS = 88

function sealed({ clock, random, address, membership }: SealComponents, document: Uint8Array): Uint8Array {
  const own = membership()
  if (own === undefined) return document
  const time = String(Math.round(clock.wall())).padStart(13, '0')
  const unsigned = Buffer.concat([document, Buffer.from(`<!--ihave ${own.id} ${time} ${random.hex(8)} `)])
  const signature = ED25519.sign(signedBytes(unsigned, address()), own.key.key).toString('base64')
  return Buffer.concat([unsigned, Buffer.from(`${signature}-->`)])
}

/** Binds the address: a packet that is sent on from elsewhere is nobody's. */
function signedBytes(unsigned: Uint8Array, from: Address): Buffer {
  return Buffer.concat([Buffer.from(`ihave packet 1\n${from}\n`), unsigned])
}

const TRAILER = /^<!--ihave ([\da-f]{32}) (\d{13}) ([\da-f]{16}) ([\w+/]{86}==)-->$/

function signerOf(
  datagram: Uint8Array,
  from: Address,
  membership: Membership,
  clock: Clock,
  heard: Set<string>,
): Signer {
  const trailer = TRAILER.exec(Buffer.from(datagram.subarray(trailerStart(datagram))).toString('latin1'))
  const [, id = '', time = '', nonce = '', signature = ''] = trailer ?? []
  if (trailer === null) return { kind: 'refused', reason: 'no such signature' }
  const pass = membership.passOf(id as MemberId)
  if (pass === undefined) return { kind: 'stranger', reason: UNKNOWN_KEY }
  if (Math.abs(clock.wall() - Number(time)) > CLOCK_SKEW_MS)
    return { kind: 'stranger', reason: 'signed at another time' }
  if (heard.has(id + nonce)) return { kind: 'refused', reason: 'heard before' }
  const unsigned = datagram.subarray(0, datagram.length - SIGNATURE_CHARACTERS - '-->'.length)
  const isRight = ED25519.verify(
    signedBytes(unsigned, from),
    pass.publicKey,
    Buffer.from(signature, 'base64'),
  )
  if (!isRight) return { kind: 'refused', reason: 'a wrong signature' }
  remember(heard, id + nonce)
  return { kind: 'member', member: id }
}

function remember(heard: Set<string>, nonce: string): void {
  heard.add(nonce)
  const [oldest] = heard
  if (heard.size > MAX_NONCES && oldest !== undefined) heard.delete(oldest)
}
