/** `ihave publish rotate`: a new key in the place of one, told to every updater by a new root. */
import type { KeyObject } from 'node:crypto'
import { Fault } from '../../core/fault.ts'
import type { Certificate } from '../../signing/certificate.ts'
import type { SigningIdentity } from '../../signing/sign.ts'
import { readTrust, type PublisherTrust } from '../trust-file.ts'
import { parseMetadata, ROLES, type Role } from '../tuf/metadata.ts'
import { makeCatalogueFiles, makeTargets, type OfflineFiles } from './catalogue-files.ts'
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
import { publish, type PublicFile } from './publication.ts'
import { loadOnlineKeys, publicFiles } from './release.ts'
import { makeRoot, rootFiles, type RoleKeys } from './root.ts'
import { loadRoleKey } from './settle-keys.ts'
import type { Site } from './site.ts'

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
  open: OpenSite,
): void {
  const { root } = open
  const online = loadOnlineKeys(keys, root)
  const before = roleKeys(keys, root)
  const fresh = newTufKey()
  const now: RoleKeys = { ...before, [role]: fresh }
  const signers = role === 'root' ? [before.root, fresh] : [before.root]
  const { next, files, offline } = renewed(folder, open, now, signers, at)
  stageKey(keys, role, fresh)
  if (offline) {
    const { snapshot, timestamp } = now
    const made = makeCatalogueFiles(next, offline, { ...online, snapshot, timestamp }, at, validDays)
    publish(folder, { site: made.site, made: [], files: [...files, ...made.files] })
  } else publish(folder, { site: next, made: [], files })
  useStagedKey(keys, role)
}

interface Renewed {
  readonly next: Site
  readonly files: readonly PublicFile[]
  /** Absent where nothing was released yet. */
  readonly offline: OfflineFiles | undefined
}

/** A new root and, once there are packages, new targets: both last a year from now. @param signers of the root, before and now */
function renewed(
  folder: string,
  { site, root }: OpenSite,
  keys: RoleKeys,
  signers: readonly KeyObject[],
  at: number,
): Renewed {
  const { versions } = site
  const isReleased = site.released !== undefined
  const targets = versions.targets + (isReleased ? 1 : 0)
  const next = { ...site, versions: { ...versions, root: versions.root + 1, targets } }
  const newRoot = makeRoot(next.versions.root, at, keys, signers)
  const files = rootFiles(next.versions.root, newRoot)
  if (!isReleased) return { next, files, offline: undefined }
  const { catalogue } = publicFiles(folder, root)
  const offline = { root: newRoot, catalogue, targets: makeTargets(next, catalogue, keys.targets, at) }
  return { next, files, offline }
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
  open: OpenSite,
): void {
  const { site, root } = open
  const trust = readTrust(trustText(keys))
  const identity = own ? ownIdentity(own, trust, at) : trialIdentity(keys, signer, site.product, at, trust)
  if (signer === 'catalog' && site.released !== undefined) {
    const online = { ...loadOnlineKeys(keys, root), catalog: identity }
    const { next, files, offline } = withValidRoles(folder, open, keys, at)
    const made = makeCatalogueFiles(next, offline, online, at, validDays)
    saveIdentity(keys, signer, identity)
    publish(folder, { site: made.site, made: [], files: [...files, ...made.files] })
  } else saveIdentity(keys, signer, identity)
}

/**
 * As they are; where root or targets have expired as well, renewed with the same keys: one of them cannot be published without
 * the other. @throws Fault BAD_REQUEST where the offline keys are wanted and not there
 */
function withValidRoles(
  folder: string,
  open: OpenSite,
  keys: string,
  at: number,
): Renewed & { readonly offline: OfflineFiles } {
  const offline = publicFiles(folder, open.root)
  const hasExpired = (['root', 'targets'] as const).some(
    (role) => Date.parse(parseMetadata(offline[role], role).signed.expires) <= at,
  )
  if (!hasExpired) return { next: open.site, files: [], offline }
  const same = roleKeys(keys, open.root)
  const fresh = renewed(folder, open, same, [same.root], at)
  return { ...fresh, offline: fresh.offline ?? offline }
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
