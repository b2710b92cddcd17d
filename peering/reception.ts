/**
 * Which datagrams are taken, and whose word they are: what is no packet, comes too often, speaks of a foreign place, or cannot be the
 * word of the node that it names costs a counter and nothing more (R2.5). What is made of a packet is peering.ts's.
 */
import type { Monotonic } from '../core/clock.ts'
import type { Address, Datagram, Transport } from '../core/transport.ts'
import type { Answers } from './answers.ts'
import type { AskedQuestions } from './asked-questions.ts'
import { decode as decodePacket, type Decoded } from './codec.ts'
import { downloadsIn, endsIn, offersIn } from './further.ts'
import { DEFAULT_INTAKE, intake, type IntakeLimits } from './intake.ts'
import type { MemberWords } from './member-words.ts'
import type { OpenedDatagram, PacketSeal, Signer } from './packet-seal.ts'
import type { PacketSender } from './packet-sender.ts'
import type { DownloadingPacket, ServicePacket } from './packets.ts'
import { claimsForeignPlace } from './peer-claims.ts'
import type { Self } from './self.ts'
import { VainSignatures } from './vain-signatures.ts'

export interface ReceptionSettings {
  readonly self: Pick<Self, 'node'>
  readonly intake?: IntakeLimits
}

export interface ReceptionComponents {
  readonly transport: Pick<Transport, 'address'>
  readonly sender: Pick<PacketSender, 'count'>
  readonly seal: PacketSeal
  /** What this node asks, and who is being answered: only there a signature matters. */
  readonly asked: AskedQuestions
  readonly answers: Answers
  /** Who has signed as which member. */
  readonly words: MemberWords
  /** Reads a datagram; absent: codec.ts. */
  readonly decode?: (bytes: Uint8Array) => Decoded
  /** Whether only members of a site know what this name stands for; absent: there are no such names. */
  readonly isPrivate?: (resource: string) => boolean
  /** Another machine speaks by this node's ID. */
  readonly onOwnId?: (from: Address) => void
}

/** A packet that is taken. */
export interface Received {
  readonly packet: ServicePacket
  readonly signer: Signer
  readonly isSigned: boolean
  /** Whoever was a member and joins anew proves itself to the site: nothing else is made of its word. */
  readonly isEntry: boolean
}

const OWN_ID = 'own ID from elsewhere'
const MEMBER_UNSIGNED = 'a member’s word unsigned'
const UNSIGNED = { kind: 'stranger', reason: 'unsigned' } as const
/** Too much has come from there, or from everywhere, that was no member's. */
const TOO_MANY = { kind: 'stranger', reason: 'too many signatures' } as const
/** Signed, but of no consequence here. */
const UNREAD = { kind: 'stranger', reason: 'unsigned' } as const

export class Reception {
  readonly #self: Pick<Self, 'node'>
  readonly #components: ReceptionComponents
  readonly #decode: (bytes: Uint8Array) => Decoded
  readonly #admit: (from: Address, at: Monotonic) => boolean
  readonly #vainSignatures = new VainSignatures()

  constructor(settings: ReceptionSettings, components: ReceptionComponents) {
    this.#self = settings.self
    this.#components = components
    this.#decode = components.decode ?? decodePacket
    this.#admit = intake(settings.intake ?? DEFAULT_INTAKE)
  }

  /** @returns what is to be made something of; `undefined` where it was dropped. */
  take(datagram: Datagram): Received | undefined {
    const { from, bytes, at } = datagram
    const { transport, seal } = this.#components
    if (!this.admits(from, at)) return undefined
    const opened = seal.open(bytes, from)
    const decoded = this.#decode(opened.document)
    if (decoded.kind === 'malformed') return this.#drop(decoded.reason)
    const { packet } = decoded
    if (packet.node === this.#self.node) {
      if (from !== transport.address) this.#drop(OWN_ID)
      if (from !== transport.address) this.#components.onOwnId?.(from)
      return undefined
    }
    const signer = this.#signerOf(packet, opened, datagram)
    const refusal = this.#refusal(packet, from) ?? this.#forgery(packet, signer, datagram)
    const received = { packet, signer, isSigned: opened.isSigned }
    if (refusal === undefined) return { ...received, isEntry: false }
    if (refusal === MEMBER_UNSIGNED && packet.type === 'application' && seal.isEntry(packet.name))
      return { ...received, isEntry: true }
    return this.#drop(refusal)
  }

  /** Whoever asks for many things in one packet has no more answers for it than by many packets. */
  admits(from: Address, at: Monotonic): boolean {
    const isAdmitted = this.#admit(from, at)
    if (!isAdmitted) this.#drop('too many')
    return isAdmitted
  }

  #drop(reason: string): undefined {
    this.#components.sender.count(`dropped: ${reason}`)
  }

  /** Verifying takes six times as long as reading, so it is done only where the word matters. */
  #signerOf(packet: ServicePacket, opened: OpenedDatagram, { from, at }: Datagram): Signer {
    if (!opened.isSigned) return UNSIGNED
    if (!this.#matters(packet, from)) return UNREAD
    if (!this.#vainSignatures.mayVerify(from, at)) return TOO_MANY
    const signer = opened.signer(packet.extras)
    // An unknown key is found out without a calculation, unless the packet brings what would make it known.
    const isCostly = signer.kind !== 'stranger' || packet.extras.length > 0
    if (isCostly) this.#vainSignatures.verified(from, at, signer.kind === 'member')
    return signer
  }

  #matters(packet: ServicePacket, from: Address): boolean {
    const { asked, answers } = this.#components
    switch (packet.type) {
      // Whoever asks is answered alike, and what is in the question is not believed.
      case 'request':
        return false
      case 'end-request':
        return endsIn(packet).some((each) => answers.isOpen(each, from))
      case 'response':
        return offersIn(packet).some(({ id }) => asked.has(id))
      case 'downloading':
        return downloadsAsked(asked, packet).some((each) => (asked.concerning(each)?.length ?? 0) > 0)
      case 'download-complete':
      case 'download-failed':
        return (asked.concerning(packet)?.length ?? 0) > 0
      case 'presence':
      case 'advertise':
      case 'application':
        return true
    }
  }

  #refusal(packet: ServicePacket, from: Address): string | undefined {
    if (from === this.#components.transport.address && packet.node === undefined) return 'own address'
    if (claimsForeignPlace(packet, from)) return 'foreign location'
    return this.#isVainAnswer(packet) ? 'plain answer to a private question' : undefined
  }

  /**
   * Nodes of the patents cannot know what a private name stands for. Whoever answers it in their packets has only heard it, and would
   * be waited for as long as they are, without end.
   */
  #isVainAnswer(packet: ServicePacket): boolean {
    const { isPrivate, asked } = this.#components
    if (packet.node !== undefined || isPrivate === undefined) return false
    switch (packet.type) {
      case 'response':
        return offersIn(packet).some(({ id }) => isPrivate(asked.resourceOf(id) ?? ''))
      case 'downloading':
        return downloadsAsked(asked, packet).some(({ resource }) => isPrivate(resource))
      case 'download-complete':
      case 'download-failed':
        return isPrivate(packet.resource)
      case 'request':
      case 'end-request':
      case 'presence':
      case 'advertise':
      case 'application':
        return false
    }
  }

  /** Why this cannot be the word of the node that it names. */
  #forgery(packet: ServicePacket, signer: Signer, { from, at }: Datagram): string | undefined {
    const { node } = packet
    const { words, sender } = this.#components
    switch (signer.kind) {
      case 'refused':
        return signer.reason
      case 'member': {
        const isIts = node === undefined || words.signed(node, { member: signer.member, address: from, at })
        return isIts ? undefined : 'another member’s node'
      }
      case 'stranger':
        if (signer.reason !== UNSIGNED.reason) sender.count(`a stranger’s word: ${signer.reason}`)
        if (signer === UNREAD || packet.type === 'request') return undefined
        return words.memberOf(node, at) === undefined ? undefined : MEMBER_UNSIGNED
    }
  }
}

/** Every download that the packet tells of: some by the number of what this node has asked alone. */
export function downloadsAsked(
  asked: AskedQuestions,
  packet: DownloadingPacket,
): readonly DownloadingPacket[] {
  return downloadsIn(packet, (id) => asked.resourceKnownBy(id, packet.nonce))
}
