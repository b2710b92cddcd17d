/** The root of trust: which keys may sign what. Renewed when a key changes, or before it expires. */
import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { writeDurably } from '../files.ts'
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
import { loadKey } from './key-folder.ts'
import { METADATA } from './site.ts'

/** Root and targets are signed by hand: they last. */
export const OFFLINE_DAYS = 365
export const DAY_MS = 86_400_000

/**
 * Writes root number `version` for the keys that are in the folder now.
 * @param signers the root keys of before and of now
 */
export function writeRoot(
  site: string,
  keys: string,
  version: number,
  at: number,
  signers: readonly KeyObject[],
): void {
  const ofRoles = ROLES.map((role) => [role, tufKey(loadKey(keys, role))] as const)
  const roleOf = (role: Role) => ({
    keyids: ofRoles.filter(([each]) => each === role).map(([, key]) => keyId(key)),
    threshold: 1,
  })
  const root: Root = {
    _type: 'root',
    spec_version: SPEC_VERSION,
    version,
    expires: expiryTime(at + OFFLINE_DAYS * DAY_MS),
    consistent_snapshot: false,
    keys: Object.fromEntries(ofRoles.map(([, key]) => [keyId(key), key])),
    roles: {
      root: roleOf('root'),
      targets: roleOf('targets'),
      snapshot: roleOf('snapshot'),
      timestamp: roleOf('timestamp'),
    },
  }
  const bytes = signMetadata(root, signers)
  writeDurably(join(site, METADATA, `${version}.root.json`), bytes)
  writeDurably(join(site, METADATA, 'root.json'), bytes)
}
