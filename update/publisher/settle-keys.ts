/**
 * Which keys are in use. A rotation puts the new key aside, publishes the root that names it, then uses it: so after whatever
 * fails between these, the root that is public says which of the two it is.
 */
import type { KeyObject } from 'node:crypto'
import { Fault } from '../../core/fault.ts'
import { keyId, parseMetadata, ROLES, tufKey, type Role, type Root } from '../tuf/metadata.ts'
import { keyPath, loadKey, stagedKey, useStagedIdentity, useStagedKey } from './key-folder.ts'

/** Ends a rotation that was broken off. A new key that no public root names stays aside until the next rotation. */
export function settleKeys(keys: string, root: Uint8Array): void {
  for (const role of ROLES) {
    const staged = stagedKey(keys, role)
    if (staged && isNamed(staged, role, root)) useStagedKey(keys, role)
  }
  for (const signer of ['packages', 'catalog'] as const) useStagedIdentity(keys, signer)
}

/** @throws Fault BAD_REQUEST where it is not there, or not the one that updaters know */
export function loadRoleKey(keys: string, role: Role, root: Uint8Array): KeyObject {
  const key = loadKey(keys, role)
  if (isNamed(key, role, root)) return key
  const path = keyPath(keys, role)
  throw new Fault(
    'BAD_REQUEST',
    `${path} is not the key that the public root names for ${role}: it is another product's, or of before a rotation`,
  )
}

function isNamed(key: KeyObject, role: Role, root: Uint8Array): boolean {
  const { signed } = parseMetadata<Root>(root, 'root')
  return signed.roles[role].keyids.includes(keyId(tufKey(key)))
}
