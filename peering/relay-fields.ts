/**
 * The fields by which peers pass a copy on from one to the next (docs/protocol.md, "The tree"): where a reader passes on
 * what it reads, over whom a growing copy comes, and who has room for one who was refused.
 */
import { fieldValue, type Fields } from '../core/fields.ts'
import type { Address } from '../core/transport.ts'
import type { LocalAlias, NodeId } from './packets.ts'

/** Where a node passes on what it receives: `address:port/alias`, the address being where its request came from. */
export type Relay = string & { readonly brand: 'Relay' }

/** Of a request: `port/alias`, under which its sender passes on what it is given. */
export const RELAY_FIELD = 'Ihave-Relay'

/** Of a growing copy: the nodes over which it comes, the one that answers first. */
export const PATH_FIELD = 'Ihave-Path'

/** Of a 503: relays of those who are being served. */
export const RELAYS_FIELD = 'Ihave-Relays'

/** A tree as deep as this passes a copy to more nodes than a subnet has; what is longer is not believed. */
export const MAX_PATH = 32

/** More relays than this in one answer are not looked at. */
export const MAX_RELAYS = 8

const RELAY = /^(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})\/([0-9a-f]{64})$/

/** `undefined` unless it is exactly an IPv4 address, a port and a local alias. */
export function parseRelay(text: string): Relay | undefined {
  const [, address = '', port] = RELAY.exec(text) ?? []
  const isAddress = address !== '' && address.split('.').every((part) => Number(part) <= 255)
  return isAddress && Number(port) >= 1 && Number(port) <= 65_535 ? (text as Relay) : undefined
}

export function placeOfRelay(relay: Relay): { readonly address: Address; readonly port: number } {
  const [, address = '', port] = RELAY.exec(relay) ?? []
  return { address: address as Address, port: Number(port) }
}

/** Where a request from `peer` says that it passes on what it is given; `undefined`: nowhere. */
export function relayOfRequest(fields: Fields, peer: Address): Relay | undefined {
  return parseRelay(`${peer}:${fieldValue(fields, RELAY_FIELD) ?? ''}`)
}

export function relayField(filePort: number, alias: LocalAlias): Fields {
  return [[RELAY_FIELD, `${filePort}/${alias}`]]
}

export function relaysField(relays: readonly Relay[]): Fields {
  return relays.length === 0 ? [] : [[RELAYS_FIELD, relays.slice(0, MAX_RELAYS).join(', ')]]
}

/** What is not exactly a relay is passed over. */
export function relaysOf(fields: Fields): readonly Relay[] {
  return membersOf(fields, RELAYS_FIELD)
    .slice(0, MAX_RELAYS)
    .flatMap((text) => parseRelay(text) ?? [])
}

export function pathField(path: readonly NodeId[]): Fields {
  return path.length === 0 ? [] : [[PATH_FIELD, path.slice(0, MAX_PATH).join(', ')]]
}

/** `undefined` where the copy is complete, and passes over nobody; also where the field is nonsense. */
export function pathOf(fields: Fields): readonly NodeId[] | undefined {
  const path = membersOf(fields, PATH_FIELD)
  const isPath =
    path.length > 0 && path.length <= MAX_PATH && path.every((each) => /^[0-9a-f]{32}$/.test(each))
  return isPath ? (path as readonly string[] as readonly NodeId[]) : undefined
}

function membersOf(fields: Fields, name: string): string[] {
  const text = fieldValue(fields, name)?.slice(0, MAX_FIELD_CHARACTERS) ?? ''
  return text === '' ? [] : text.split(',').map((each) => each.trim())
}

const MAX_FIELD_CHARACTERS = 4096
