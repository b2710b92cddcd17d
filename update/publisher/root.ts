/** The root of trust: which keys may sign what. Renewed when a key changes, or before it expires. */
import type { KeyObject } from 'node:crypto'
import {
  expiryTime,
  keyId,
  ROLES,
  signMetadata,
  SPEC_VERSION,
  tufKey,
  type Role,
  type Root,
} from '../tuf/metadata.ts'
import type { PublicFile } from './publication.ts'
import { METADATA } from './site.ts'

/** Root and targets are signed by hand: they last. */
export const OFFLINE_DAYS = 365
export const DAY_MS = 86_400_000

export type RoleKeys = Readonly<Record<Role, KeyObject>>

/**
 * The bytes of root number `version`.
 * @param at milliseconds since 1970
 * @param signers the root keys of before and of now
 */
export function makeRoot(version: number, at: number, keys: RoleKeys, signers: readonly KeyObject[]): Buffer {
  const publicKeys = ROLES.map((role) => tufKey(keys[role]))
  const roleOf = (role: Role) => ({ keyids: [keyId(tufKey(keys[role]))], threshold: 1 })
  const root: Root = {
    _type: 'root',
    spec_version: SPEC_VERSION,
    version,
    expires: expiryTime(at + OFFLINE_DAYS * DAY_MS),
    consistent_snapshot: false,
    keys: Object.fromEntries(publicKeys.map((key) => [keyId(key), key])),
    roles: {
      root: roleOf('root'),
      targets: roleOf('targets'),
      snapshot: roleOf('snapshot'),
      timestamp: roleOf('timestamp'),
    },
  }
  return signMetadata(root, signers)
}

/** Under its number it stays for ever: a machine that was away follows root by root. */
export function rootFiles(version: number, bytes: Buffer): readonly PublicFile[] {
  return [
    { path: `${METADATA}/${version}.root.json`, bytes },
    { path: `${METADATA}/root.json`, bytes },
  ]
}
