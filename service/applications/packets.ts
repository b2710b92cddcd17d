/** Packet types that applications define for themselves (R2.2, R2.4): what may be said, and how often. */
import type { Clock, Monotonic } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import type { Address } from '../../core/transport.ts'
import type { Extras } from '../../peering/packets.ts'
import type { Lan } from '../assembly.ts'

/** A packet that an application sends. */
export interface SayQuestion {
  /** Its `type`; it has a dot, such as `chat.example.org`: those without are the product's. */
  readonly type: string
  /** Its own attributes. */
  readonly attributes: Readonly<Record<string, string>>
  /** The address of one peer; absent: everybody. */
  readonly to?: string
}

export interface PacketsComponents {
  readonly clock: Clock
  readonly lan: Lan
}

/** All applications of a node together may go on saying so many a second, and so many at once. */
export const PACKETS = { perSecond: 20, burst: 100 } as const

/** Nobody speaks in the name of the product: its own types have no dot. */
const TYPE = /^(?=.{3,64}$)[a-z][\w-]*(?:\.[\w-]+)+$/i

const NAME = /^[a-z_][\w.-]{0,63}$/i

/** What the product says of every packet itself. */
const OURS = ['type', 'version', 'ID', 'node', 'nonce', 'pad']

/** Attributes of one packet. */
const MAX_ATTRIBUTES = 32

export function packetSpeaker({ clock, lan }: PacketsComponents): (question: unknown) => void {
  const budget = { left: PACKETS.burst as number, at: clock.monotonic() }
  return (question) => {
    const { type, attributes, to } = packetFrom(question)
    if (!mayGoOn(budget, clock.monotonic()))
      throw new Fault('OVERLOADED', `expected at most ${PACKETS.perSecond} packets a second`)
    if (to !== undefined && !lan.isPeer(to as Address))
      throw new Fault('NOT_FOUND', 'to: expected the address of a peer that is alive')
    if (!lan.say(type, attributes, to as Address | undefined))
      throw new Fault('BAD_REQUEST', 'expected a packet of at most 1200 bytes, without control characters')
  }
}

function mayGoOn(budget: { left: number; at: Monotonic }, now: Monotonic): boolean {
  const earned = ((now - budget.at) / 1000) * PACKETS.perSecond
  budget.left = Math.min(PACKETS.burst, budget.left + earned)
  budget.at = now
  if (budget.left < 1) return false
  budget.left -= 1
  return true
}

function packetFrom(question: unknown): { type: string; attributes: Extras; to: string | undefined } {
  const { type, attributes, to } = (question ?? {}) as Partial<Record<keyof SayQuestion, unknown>>
  if (typeof type !== 'string' || !TYPE.test(type))
    throw new Fault('BAD_REQUEST', 'type: expected a name with a dot, such as chat.example.org')
  const pairs = Object.entries((attributes ?? {}) as Record<string, unknown>)
  if (pairs.length > MAX_ATTRIBUTES || !pairs.every(isPair))
    throw new Fault(
      'BAD_REQUEST',
      `attributes: expected at most ${MAX_ATTRIBUTES} names of your own with texts`,
    )
  if (to !== undefined && typeof to !== 'string') throw new Fault('BAD_REQUEST', 'to: expected an address')
  return { type, attributes: pairs as unknown as Extras, to }
}

function isPair([name, value]: [string, unknown]): boolean {
  return NAME.test(name) && !OURS.includes(name) && typeof value === 'string'
}
