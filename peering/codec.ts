/**
 * The clearing house for formatting and decoding service packets (R2.4): datagrams to typed values and back.
 *
 * Decoding never fails by an exception, encoding never makes what decoding would refuse.
 */
import { UNPRINTABLE } from './attribute-values.ts'
import { PAD, SCHEMAS, TYPE, VERSION } from './packet-schema.ts'
import type { PacketSchema } from './packet-schema.ts'
import { MAX_PACKET_BYTES, MIN_REQUEST_BYTES } from './packets.ts'
import type { Extras, RequestPacket, ResponsePacket, ServicePacket } from './packets.ts'
import { ATTRIBUTE_NAME, DECODE_FAILURES, malformed, readElement, writeElement } from './service-element.ts'
import type { Malformed } from './service-element.ts'

export { DECODE_FAILURES }

export type Decoded = { readonly kind: 'packet'; readonly packet: ServicePacket } | Malformed

/** Reads a datagram; never throws, whatever the bytes are (R2.5). */
export function decode(bytes: Uint8Array): Decoded {
  const element = readElement(bytes)
  return element.kind === 'malformed' ? element : readPacket(element.attributes)
}

/**
 * @returns `undefined` when the packet is longer than a datagram may be (a URL too long to ask about), or holds what
 * no packet can: a value that is not in the specification, an extra attribute with the name of another one.
 */
export function encode(packet: ServicePacket): Uint8Array | undefined {
  const schema = SCHEMAS[packet.type]
  const name = nameOf(packet)
  const fields = printFields(schema, packet)
  if (name === undefined || fields === undefined || !mayAdd(packet.extras, schema)) return undefined
  const bytes = writeElement([[TYPE, name], [VERSION, OUR_VERSION], ...fields, ...packet.extras])
  return bytes.length <= MAX_PACKET_BYTES ? bytes : undefined
}

/**
 * The same question with filling, so that it encodes to `toBytes` or a little more and its answer may be as long
 * (V§4); `toBytes` is at most 1190. Decoding drops the filling. A question that cannot be encoded at all stays as it is.
 */
export function padded(packet: RequestPacket, toBytes: number = MIN_REQUEST_BYTES): RequestPacket {
  const length = encode(packet)?.length ?? toBytes
  if (length >= toBytes) return packet
  const filling = '.'.repeat(Math.max(0, toBytes - length - ` ${PAD}=""`.length))
  return { ...packet, extras: [...packet.extras, [PAD, filling]] }
}

/**
 * As `encode`, but never longer than `limitBytes`: leaves out what the asker can do without, the least useful first.
 * An optional value that no packet can hold is left out likewise. @returns `undefined` when even the rest is too long.
 */
export function fit(packet: ResponsePacket, limitBytes: number): Uint8Array | undefined {
  for (const shorter of shortenings(packet)) {
    const bytes = encode(shorter)
    if (bytes !== undefined && bytes.length <= limitBytes) return bytes
  }
  return undefined
}

/** The order in which `fit` leaves out attributes. */
const DISPENSABLE = ['extras', 'etag', 'lastModified', 'version', 'digest', 'ageSeconds', 'size'] as const

/** The packet, then without the first dispensable field, without the first two, and so on. */
function* shortenings(packet: ResponsePacket): Generator<ResponsePacket> {
  let shorter = packet
  yield shorter
  for (const field of DISPENSABLE) {
    shorter = { ...shorter, [field]: field === 'extras' ? [] : undefined }
    if (field === 'size')
      shorter = { ...shorter, more: shorter.more.map(({ id, alias }) => ({ id, alias, size: undefined })) }
    yield shorter
  }
}

/** What we send as `version`. */
const OUR_VERSION = '1.0'

/** Versions 1.x only add attributes; any other may mean something else by the same words. */
const KNOWN_VERSION = /^1\.\d{1,3}$/

const TYPE_NAME = /^[a-z][\w.-]{0,63}$/i

/** The types that are ours; every other is an application's. */
function isKnown(name: string): name is Exclude<ServicePacket['type'], 'application'> {
  return name !== 'application' && Object.hasOwn(SCHEMAS, name)
}

function readPacket(attributes: ReadonlyMap<string, string>): Decoded {
  const name = attributes.get(TYPE)
  const version = attributes.get(VERSION)
  if (name === undefined) return malformed('missing-attribute', TYPE)
  if (version === undefined) return malformed('missing-attribute', VERSION)
  if (!TYPE_NAME.test(name)) return malformed('bad-attribute', TYPE)
  if (!KNOWN_VERSION.test(version)) return malformed('unknown-version')
  return isKnown(name)
    ? readFields(SCHEMAS[name], { type: name }, attributes)
    : readFields(SCHEMAS.application, { type: 'application', name }, attributes)
}

/** The type of each schema's table vouches that its fields make up the packet. */
function readFields(schema: PacketSchema, tag: object, attributes: ReadonlyMap<string, string>): Decoded {
  const packet: Record<string, unknown> = { ...tag }
  for (const [field, attribute] of schema.fields) {
    const reading = attribute.read(attributes.get(attribute.wire))
    if (reading.kind === 'refused') return malformed(reading.reason, attribute.wire)
    packet[field] = reading.value
  }
  const extras: [name: string, value: string][] = []
  for (const [name, value] of attributes)
    if (!schema.names.has(name) && name !== PAD) extras.push([name, value])
  packet['extras'] = extras
  return { kind: 'packet', packet: packet as unknown as ServicePacket }
}

function nameOf(packet: ServicePacket): string | undefined {
  if (packet.type !== 'application') return packet.type
  return TYPE_NAME.test(packet.name) && !isKnown(packet.name) ? packet.name : undefined
}

function printFields(schema: PacketSchema, packet: object): Extras | undefined {
  const values = new Map(Object.entries(packet))
  const printed: [name: string, value: string][] = []
  for (const [field, attribute] of schema.fields) {
    const value = attribute.print(values.get(field))
    if (attribute.read(value).kind === 'refused') return undefined
    if (value !== undefined) printed.push([attribute.wire, value])
  }
  return printed
}

function mayAdd(extras: Extras, schema: PacketSchema): boolean {
  const names = new Set(extras.map(([name]) => name))
  return (
    names.size === extras.length && extras.every((extra) => isSound(extra) && !schema.names.has(extra[0]))
  )
}

function isSound([name, value]: Extras[number]): boolean {
  return ATTRIBUTE_NAME.test(name) && !UNPRINTABLE.test(value)
}
