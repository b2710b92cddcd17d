/** `ihave publish init`: keys, certificates, the first root, an empty folder for a web server. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { Fault } from '../../core/fault.ts'
import { isIssuedBy, readPemCertificates, type Certificate } from '../../signing/certificate.ts'
import { checkKey } from '../../signing/algorithms.ts'
import { issueCertificate } from '../../signing/issue.ts'
import { Refusal } from '../../signing/refusal.ts'
import type { SigningIdentity } from '../../signing/sign.ts'
import { rootKeyPem } from '../trust-file.ts'
import { ROLES, type Role } from '../tuf/metadata.ts'
import {
  insistOnNoKeys,
  loadKey,
  makeKeyFolder,
  newCertificateKey,
  newTufKey,
  saveIdentity,
  saveKey,
  saveTrust,
  type CertificateKeyKind,
  type Signer,
} from './key-folder.ts'
import { publish } from './publication.ts'
import { makeRoot, rootFiles } from './root.ts'
import { hasSite, type Site } from './site.ts'

/** Files of a certificate and its private key, in PEM. The certificate's file may hold those above it, too. */
export interface OwnCertificate {
  readonly certificate: string
  readonly privateKey: string
}

export interface InitSettings {
  readonly product: string
  readonly keys: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly kind: CertificateKeyKind
  /** Absent: a trial certificate is made. */
  readonly own: OwnCertificate | undefined
  /** For the catalogue, where another signs it than the packages. */
  readonly ownCatalog: OwnCertificate | undefined
}

const YEAR_MS = 365 * 86_400_000

/** @throws Fault BAD_REQUEST where the folder is one already, or a certificate does not do */
export function initSite(folder: string, settings: InitSettings): void {
  if (hasSite(folder)) throw new Fault('BAD_REQUEST', `${folder} is a publisher's folder already`)
  insistOnNothingElse(folder)
  const { product, keys, own, ownCatalog } = settings
  if (!/^[\p{L}\p{N}][^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{0,79}$/u.test(product))
    throw new Fault('BAD_REQUEST', `--product: expected a name of up to 80 characters, got "${product}"`)
  insistOnNoKeys(keys)
  mkdirSync(folder, { recursive: true })
  makeKeyFolder(keys)
  const trusted = own ? ownCertificates(keys, own, ownCatalog ?? own) : trialCertificates(settings)
  for (const role of ROLES) saveKey(keys, role, newTufKey())
  saveTrust(keys, trusted, rootKeyPem(loadKey(keys, 'root')))
  const root = loadKey(keys, 'root')
  const role = (name: Role) => loadKey(keys, name)
  const roles = { root, targets: role('targets'), snapshot: role('snapshot'), timestamp: role('timestamp') }
  publish(folder, {
    site: newSite(product),
    made: [],
    files: rootFiles(1, makeRoot(1, settings.at, roles, [root])),
  })
}

/** A web server will show all of it. @throws Fault BAD_REQUEST */
function insistOnNothingElse(folder: string): void {
  const other = existsSync(folder) ? readdirSync(folder).find((name) => !name.startsWith('.')) : undefined
  if (other !== undefined)
    throw new Fault(
      'BAD_REQUEST',
      `${folder} has other files already (${other}), and a web server will show all of it; expected a new folder`,
    )
}

function newSite(product: string): Site {
  const versions = { root: 1, targets: 0, snapshot: 0, timestamp: 0 }
  const nothing = { released: undefined, expiresAt: undefined, packages: [], staged: [] }
  return { format: 1, product, versions, ...nothing }
}

/** An authority of its own, and one certificate each for packages and catalogue. @returns what is to be trusted */
function trialCertificates({ product, keys, at, kind }: InitSettings): readonly Certificate[] {
  const key = newCertificateKey(kind)
  const notBefore = at - 3_600_000
  const name = `${product} trial authority`
  const request = { name, key, notBefore, notAfter: at + 10 * YEAR_MS, role: 'authority' } as const
  const certificate = issueCertificate(request)
  saveKey(keys, 'authority', key)
  for (const signer of ['packages', 'catalog'] as const)
    saveIdentity(keys, signer, trialSigner(signer, product, kind, at, { key, certificate }))
  return [certificate]
}

/** For a trial, and for a new key in its place. */
export function trialSigner(
  signer: Signer,
  product: string,
  kind: CertificateKeyKind,
  at: number,
  authority: Pick<SigningIdentity, 'key' | 'certificate'>,
): SigningIdentity {
  const key = newCertificateKey(kind)
  const times = { notBefore: at - 3_600_000, notAfter: at + 3 * YEAR_MS }
  const request = { name: `${product} ${signer}`, key, ...times, role: 'codeSigning' } as const
  return { key, certificate: issueCertificate(request, authority), chain: [] }
}

function ownCertificates(
  keys: string,
  own: OwnCertificate,
  ownCatalog: OwnCertificate,
): readonly Certificate[] {
  const [packages, catalog] = [readOwn(own), readOwn(ownCatalog)]
  for (const [signer, each] of [
    ['packages', packages],
    ['catalog', catalog],
  ] as const) {
    const { key, certificates } = each
    saveIdentity(keys, signer, { key, certificate: certificates[0], chain: certificates.slice(1, -1) })
  }
  const tops = [topOf(packages), topOf(catalog)] as const
  return tops[0].fingerprint === tops[1].fingerprint ? [tops[0]] : tops
}

/** What updaters trust. */
function topOf({ certificates }: ReturnType<typeof readOwn>): Certificate {
  return certificates.at(-1) ?? certificates[0]
}

/** Certificates from the signer's upwards, and the signer's key. @throws Fault BAD_REQUEST where they do not belong together */
export function readOwn({ certificate: file, privateKey }: OwnCertificate) {
  const [certificate, ...above] = readPemCertificates(readText(file))
  if (certificate === undefined) throw new Fault('BAD_REQUEST', `${file}: expected a certificate in PEM`)
  const key = readPrivateKey(privateKey)
  if (!createPublicKey(key).equals(certificate.key))
    throw new Fault('BAD_REQUEST', `${privateKey} is not the key of the certificate in ${file}`)
  const certificates = [certificate, ...above] as const
  const isChain = above.every((issuer, at) => isIssuedBy(certificates[at] ?? certificate, issuer))
  if (!isChain)
    throw new Fault('BAD_REQUEST', `${file}: expected each certificate to be issued by the next one`)
  return { key, certificates }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Fault('BAD_REQUEST', `${file} cannot be read: ${String(cause)}`, { cause })
  }
}

function readPrivateKey(file: string): KeyObject {
  const text = readText(file)
  try {
    const key = createPrivateKey(text)
    checkKey(key)
    return key
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    throw new Fault('BAD_REQUEST', `${file}: expected a private key in PEM without a passphrase`, { cause })
  }
}
