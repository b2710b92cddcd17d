/**
 * Which attributes each type of service packet has on the wire, in their order there.
 *
 * `docs/protocol.md` says the same in words, for whoever implements it again; a test compares the two.
 */
import { FULL_ABILITY } from './ability.ts'
import type { Attribute } from './attributes.ts'
import {
  characters,
  COUNT,
  DIGEST,
  ENTITY_TAG,
  flag,
  EDITION,
  HTTP_DATE,
  KEYS,
  LOCATION,
  only,
  optional,
  required,
  several,
  URI,
  whole,
} from './attributes.ts'
import { FURTHER_DOWNLOADS, FURTHER_ENDS, FURTHER_OFFERS, FURTHER_QUESTIONS } from './further.ts'
import type { NodeId, RequestId, ServicePacket } from './packets.ts'

/** Every packet begins with these two. */
export const TYPE = 'type'
export const VERSION = 'version'

/** Filling: may stand among the extras when a packet is encoded, and is gone when it is decoded. */
export const PAD = 'pad'

/** The attributes of one type of packet. */
export interface PacketSchema {
  readonly fields: readonly (readonly [field: string, attribute: Attribute<unknown>])[]
  /** All names on the wire that are not for extras. */
  readonly names: ReadonlySet<string>
}

type PacketOf<T extends ServicePacket['type']> = Extract<ServicePacket, { readonly type: T }>

/** An attribute for each field of this type of packet. */
type Table<T extends ServicePacket['type']> = {
  readonly [F in Exclude<keyof PacketOf<T>, 'type' | 'name' | 'extras'>]-?: Attribute<PacketOf<T>[F]>
}

function schema<T extends ServicePacket['type']>(table: Table<T>): PacketSchema {
  const fields = Object.entries<Attribute<unknown>>(table)
  return { fields, names: new Set([TYPE, VERSION, ...fields.map(([, { wire }]) => wire)]) }
}

const NODE = characters<NodeId>(/^[\da-f]{32}$/)
const id = required('ID', whole<RequestId>(0, 2 ** 32 - 1))
const sender = { node: optional('node', NODE), nonce: optional('nonce', characters<string>(/^[\da-f]{32}$/)) }
const resource = required('href', URI)
const size = optional('size', COUNT)
const digest = optional('digest', DIGEST)
const ability = optional('ability', whole(0, FULL_ABILITY))

/** Later versions only add to these. */
export const SCHEMAS: { readonly [T in ServicePacket['type']]: PacketSchema } = {
  request: schema<'request'>({
    id,
    method: only('method', 'get'),
    href: resource,
    acceptProtocol: only('acceptprotocol', 'http'),
    ...sender,
    cachedOnly: flag('cached', 'only'),
    maxDelayMs: optional('delay', whole(0, 60_000)),
    ability,
    more: several('more', FURTHER_QUESTIONS),
  }),
  'end-request': schema<'end-request'>({
    id,
    href: optional('href', URI),
    ...sender,
    more: several('more', FURTHER_ENDS),
  }),
  response: schema<'response'>({
    id,
    location: required('href', LOCATION),
    ...sender,
    size,
    digest,
    ageSeconds: optional('age', COUNT),
    etag: optional('etag', ENTITY_TAG),
    lastModified: optional('modified', HTTP_DATE),
    version: optional('release', characters(/^[!-~]{1,64}$/)),
    more: several('more', FURTHER_OFFERS),
  }),
  downloading: schema<'downloading'>({
    id,
    resource,
    ...sender,
    location: optional('location', LOCATION),
    receivedBytes: required('received', COUNT),
    totalBytes: optional('total', COUNT),
    bytesPerSecond: optional('rate', COUNT),
    ability,
    more: several('more', FURTHER_DOWNLOADS),
  }),
  'download-complete': schema<'download-complete'>({
    id,
    resource,
    ...sender,
    location: optional('location', LOCATION),
    size,
    digest,
  }),
  'download-failed': schema<'download-failed'>({ id, resource, ...sender, isForEach: flag('each', 'yes') }),
  presence: schema<'presence'>({
    id,
    ...sender,
    node: required('node', NODE),
    filePort: required('port', whole(1, 65_535)),
    reply: flag('reply', 'yes'),
    leaving: flag('leaving', 'yes'),
    summary: optional('summary', EDITION),
  }),
  advertise: schema<'advertise'>({
    id,
    ...sender,
    node: required('node', NODE),
    summary: required('summary', EDITION),
    keys: required('keys', KEYS),
  }),
  application: schema<'application'>({ id, ...sender }),
}
