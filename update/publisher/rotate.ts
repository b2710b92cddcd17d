/** `ihave publish rotate`: a new key in the place of one, told to every updater by a new root. */
import { join } from 'node:path'
import { Fault } from '../../core/fault.ts'
import { writeDurably } from '../files.ts'
import { readTrust } from '../trust-file.ts'
import { ROLES, signMetadata, type Role, type Targets, parseMetadata } from '../tuf/metadata.ts'
import { readFileSync } from 'node:fs'
import { trialSigner } from './init.ts'
import {
  loadIdentity,
  loadKey,
  newTufKey,
  saveIdentity,
  saveKey,
  trustText,
  type Signer,
} from './key-folder.ts'
import { writeRoot } from './root.ts'
import { loadSite, METADATA, saveSite } from './site.ts'

export const ROTATABLE: readonly (Role | Signer)[] = [...ROLES, 'packages', 'catalog']

/**
 * For a role of TUF: a new key and a new root, signed by the root keys of before and of now. For a certificate of a trial:
 * a new one from the trial's authority. What the old key signed is to be signed anew: a refresh follows.
 * @throws Fault BAD_REQUEST where keys are not there
 */
export function rotate(folder: string, keys: string, what: Role | Signer, at: number): void {
  if (what === 'packages' || what === 'catalog') return rotateCertificate(folder, keys, what, at)
  const site = loadSite(folder)
  const before = loadKey(keys, 'root')
  const targetsBefore = join(folder, METADATA, 'targets.json')
  saveKey(keys, what, newTufKey())
  const version = site.versions.root + 1
  const now = loadKey(keys, 'root')
  writeRoot(folder, keys, version, at, what === 'root' ? [before, now] : [now])
  if (what === 'targets' && site.released !== undefined) {
    const { signed } = parseMetadata<Targets>(readFileSync(targetsBefore), 'targets')
    const next = { ...signed, version: signed.version + 1 }
    writeDurably(targetsBefore, signMetadata(next, [loadKey(keys, 'targets')]))
  }
  const targets =
    what === 'targets' && site.released !== undefined ? site.versions.targets + 1 : site.versions.targets
  saveSite(folder, { ...site, versions: { ...site.versions, root: version, targets } })
}

function rotateCertificate(folder: string, keys: string, signer: Signer, at: number): void {
  const { product } = loadSite(folder)
  const old = loadIdentity(keys, signer)
  const [authority] = readTrust(trustText(keys)).certificates
  const key = loadKey(keys, 'authority')
  if (authority === undefined) throw new Fault('BAD_REQUEST', 'the trial’s authority is not known')
  const kind = old.key.asymmetricKeyType === 'rsa' ? 'rsa' : 'p256'
  saveIdentity(keys, signer, trialSigner(signer, product, kind, at, { key, certificate: authority }))
}
