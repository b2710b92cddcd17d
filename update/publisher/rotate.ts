/** `ihave publish rotate`: a new key in the place of one, told to every updater by a new root. */
import { Fault } from '../../core/fault.ts'
import { readTrust } from '../trust-file.ts'
import { ROLES, type Role } from '../tuf/metadata.ts'
import { makeCatalogueFiles, makeTargets } from './catalogue-files.ts'
import { trialSigner } from './init.ts'
import {
  loadIdentity,
  loadKey,
  newTufKey,
  saveIdentity,
  stageKey,
  trustText,
  useStagedKey,
  type Signer,
} from './key-folder.ts'
import { withSite, type OpenSite } from './open-site.ts'
import { publish } from './publication.ts'
import { loadOnlineKeys, publicFiles } from './release.ts'
import { makeRoot, rootFiles, type RoleKeys } from './root.ts'
import { loadRoleKey } from './settle-keys.ts'

export const ROTATABLE: readonly (Role | Signer)[] = [...ROLES, 'packages', 'catalog']

/** For how long the catalogue is believed that a rotation makes, unless something is said. */
const VALID_DAYS = 14

/**
 * For a role of TUF: a new key and a new root, signed by the root keys of before and of now; root and targets last a year from
 * now. For a certificate of a trial: a new one from the trial's authority. What is public is signed anew in the same step.
 * @param at milliseconds since 1970
 * @throws Fault BAD_REQUEST where keys are not there. Whatever fails, no key is lost, and what is public is of one kind of key.
 */
export function rotate(
  folder: string,
  keys: string,
  what: Role | Signer,
  at: number,
  validDays = VALID_DAYS,
): void {
  withSite(folder, keys, (open) => {
    if (what === 'packages' || what === 'catalog') rotateCertificate(folder, keys, what, at, validDays, open)
    else rotateRole(folder, keys, what, at, validDays, open)
  })
}

/** The new key is aside before the root is public that names it, and in use after that (settle-keys.ts). */
function rotateRole(
  folder: string,
  keys: string,
  role: Role,
  at: number,
  validDays: number,
  { site, root }: OpenSite,
): void {
  const online = loadOnlineKeys(keys, root)
  const before = roleKeys(keys, root)
  const fresh = newTufKey()
  const now: RoleKeys = { ...before, [role]: fresh }
  const isReleased = site.released !== undefined
  const { versions } = site
  const next = {
    ...site,
    versions: { ...versions, root: versions.root + 1, targets: versions.targets + (isReleased ? 1 : 0) },
  }
  const signers = role === 'root' ? [before.root, fresh] : [before.root]
  const newRoot = makeRoot(next.versions.root, at, now, signers)
  const files = rootFiles(next.versions.root, newRoot)
  stageKey(keys, role, fresh)
  if (isReleased) {
    const { catalogue } = publicFiles(folder, root)
    const offline = { root: newRoot, catalogue, targets: makeTargets(next, catalogue, now.targets, at) }
    const { snapshot, timestamp } = now
    const made = makeCatalogueFiles(next, offline, { ...online, snapshot, timestamp }, at, validDays)
    publish(folder, { site: made.site, made: [], files: [...files, ...made.files] })
  } else publish(folder, { site: next, made: [], files })
  useStagedKey(keys, role)
}

function roleKeys(keys: string, root: Buffer): RoleKeys {
  const key = (role: Role) => loadRoleKey(keys, role, root)
  return {
    root: key('root'),
    targets: key('targets'),
    snapshot: key('snapshot'),
    timestamp: key('timestamp'),
  }
}

function rotateCertificate(
  folder: string,
  keys: string,
  signer: Signer,
  at: number,
  validDays: number,
  { site, root }: OpenSite,
): void {
  const old = loadIdentity(keys, signer)
  const [authority] = readTrust(trustText(keys)).certificates
  const key = loadKey(keys, 'authority')
  if (authority === undefined) throw new Fault('BAD_REQUEST', 'the trial’s authority is not known')
  const kind = old.key.asymmetricKeyType === 'rsa' ? 'rsa' : 'p256'
  const identity = trialSigner(signer, site.product, kind, at, { key, certificate: authority })
  if (signer === 'catalog' && site.released !== undefined) {
    const online = { ...loadOnlineKeys(keys, root), catalog: identity }
    const made = makeCatalogueFiles(site, publicFiles(folder, root), online, at, validDays)
    saveIdentity(keys, signer, identity)
    publish(folder, { ...made, made: [] })
  } else saveIdentity(keys, signer, identity)
}
