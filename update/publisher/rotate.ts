/** `ihave publish rotate`: a new key in the place of one, told to every updater by a new root. */
import { Fault } from '../../core/fault.ts'
import type { Certificate } from '../../signing/certificate.ts'
import type { SigningIdentity } from '../../signing/sign.ts'
import { readTrust, type PublisherTrust } from '../trust-file.ts'
import { ROLES, type Role } from '../tuf/metadata.ts'
import { makeCatalogueFiles, makeTargets } from './catalogue-files.ts'
import { certificateUntil } from './certificate-until.ts'
import { readOwn, trialSigner, type OwnCertificate } from './init.ts'
import {
  hasKey,
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

export interface RotateSettings {
  readonly keys: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** How long the catalogue is believed that it makes. */
  readonly validDays: number
  /** In the place of a certificate of one's own; absent: a trial's authority issues one. */
  readonly own?: OwnCertificate | undefined
}

/**
 * For a role of TUF: a new key and a new root, signed by the root keys of before and of now; root and targets last a year from
 * now. For packages or catalogue: a new certificate. What is public is signed anew in the same step, all but packages.
 * @throws Fault BAD_REQUEST where keys are not there. Whatever fails, no key is lost, and what is public is of one kind of key.
 */
export function rotate(folder: string, what: Role | Signer, settings: RotateSettings): void {
  const { keys, own } = settings
  withSite(folder, keys, (open) => {
    if (what === 'packages' || what === 'catalog') rotateCertificate(folder, what, settings, open)
    else if (own === undefined) rotateRole(folder, what, settings, open)
    else throw new Fault('BAD_REQUEST', `${what} has a key without a certificate`)
  })
}

/** The new key is aside before the root is public that names it, and in use after that (settle-keys.ts). */
function rotateRole(
  folder: string,
  role: Role,
  { keys, at, validDays }: RotateSettings,
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
  signer: Signer,
  { keys, at, validDays, own }: RotateSettings,
  { site, root }: OpenSite,
): void {
  const trust = readTrust(trustText(keys))
  const identity = own ? ownIdentity(own, trust, at) : trialIdentity(keys, signer, site.product, at, trust)
  if (signer === 'catalog' && site.released !== undefined) {
    const online = { ...loadOnlineKeys(keys, root), catalog: identity }
    const made = makeCatalogueFiles(site, publicFiles(folder, root), online, at, validDays)
    saveIdentity(keys, signer, identity)
    publish(folder, { ...made, made: [] })
  } else saveIdentity(keys, signer, identity)
}

/** @throws Refusal where what updaters trust does not lead to it: it would be another publisher's */
function ownIdentity(own: OwnCertificate, trust: PublisherTrust, at: number): SigningIdentity {
  const { key, certificates } = readOwn(own)
  const [certificate, ...above] = certificates
  const isTrusted = (each: Certificate) => trust.certificates.some((other) => other.der.equals(each.der))
  const identity = { key, certificate, chain: above.filter((each) => !isTrusted(each)) }
  certificateUntil(identity, trust, at)
  return identity
}

function trialIdentity(
  keys: string,
  signer: Signer,
  product: string,
  at: number,
  { certificates }: PublisherTrust,
): SigningIdentity {
  const [authority] = certificates
  if (!hasKey(keys, 'authority') || authority === undefined)
    throw new Fault(
      'BAD_REQUEST',
      'the certificate is your own: expected the new one, --certificate FILE and --private-key FILE',
    )
  const kind = loadIdentity(keys, signer).key.asymmetricKeyType === 'rsa' ? 'rsa' : 'p256'
  return trialSigner(signer, product, kind, at, { key: loadKey(keys, 'authority'), certificate: authority })
}
