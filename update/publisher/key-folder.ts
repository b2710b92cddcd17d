/**
 * The publisher's keys: `offline/` for what is signed at a release (root, targets, packages), `online/` for what a server
 * renews between releases (snapshot, timestamp, catalogue), and `publisher.pem`, which updaters are given.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../core/fault.ts'
import { readPemCertificates, type Certificate } from '../../signing/certificate.ts'
import { toPem } from '../../signing/pem.ts'
import type { SigningIdentity } from '../../signing/sign.ts'
import { writeDurably } from '../files.ts'
import type { Role } from '../tuf/metadata.ts'

export const TRUST_FILE = 'publisher.pem'

/** Who signs cabinets with a certificate. */
export type Signer = 'packages' | 'catalog'

const PLACES: Readonly<Record<Role | Signer | 'authority', 'offline' | 'online'>> = {
  root: 'offline',
  targets: 'offline',
  packages: 'offline',
  authority: 'offline',
  snapshot: 'online',
  timestamp: 'online',
  catalog: 'online',
}

export type KeyName = keyof typeof PLACES

export function keyPath(folder: string, name: KeyName): string {
  return join(folder, PLACES[name], `${name}.key.pem`)
}

function certificatePath(folder: string, name: Signer): string {
  return join(folder, PLACES[name], `${name}.pem`)
}

/** Another product's keys are never written over: without its root key nothing is ever published for it again. @throws Fault BAD_REQUEST */
export function insistOnNoKeys(folder: string): void {
  const held = (Object.keys(PLACES) as KeyName[]).find((name) => existsSync(keyPath(folder, name)))
  if (held !== undefined)
    throw new Fault(
      'BAD_REQUEST',
      `${folder} has keys of a product (${held}); expected a folder without any (--keys)`,
    )
}

/** Makes the folders, closed to others. */
export function makeKeyFolder(folder: string): void {
  for (const place of ['offline', 'online']) mkdirSync(join(folder, place), { recursive: true, mode: 0o700 })
}

/** @throws Fault BAD_REQUEST where the key is not there, with what to do about it */
export function loadKey(folder: string, name: KeyName): KeyObject {
  const path = keyPath(folder, name)
  if (!existsSync(path))
    throw new Fault('BAD_REQUEST', `there is no ${path}; this needs the ${PLACES[name]} keys (--keys)`)
  return createPrivateKey(readFileSync(path, 'utf8'))
}

/** The key that it takes the place of stays beside it as `….before`, until the next one: whatever fails afterwards, it can be put back. */
export function saveKey(folder: string, name: KeyName, key: KeyObject): void {
  const path = keyPath(folder, name)
  if (existsSync(path)) writeDurably(`${path}.before`, readFileSync(path), 0o600)
  writeDurably(keyPath(folder, name), key.export({ format: 'pem', type: 'pkcs8' }), 0o600)
}

/** @throws Fault BAD_REQUEST where key or certificate is not there */
export function loadIdentity(folder: string, name: Signer): SigningIdentity {
  const key = loadKey(folder, name)
  const [certificate, ...chain] = readPemCertificates(readFileSync(certificatePath(folder, name), 'utf8'))
  if (certificate === undefined)
    throw new Fault('BAD_REQUEST', `expected a certificate in ${certificatePath(folder, name)}`)
  return { key, certificate, chain }
}

export function saveIdentity(
  folder: string,
  name: Signer,
  { key, certificate, chain }: SigningIdentity,
): void {
  saveKey(folder, name, key)
  const pem = [certificate, ...chain].map(({ der }) => toPem('CERTIFICATE', der)).join('')
  writeDurably(certificatePath(folder, name), pem)
}

export function trustText(folder: string): string {
  const path = join(folder, TRUST_FILE)
  if (!existsSync(path))
    throw new Fault('BAD_REQUEST', `there is no ${path}; "ihave publish init" makes it (--keys)`)
  return readFileSync(path, 'utf8')
}

export function saveTrust(folder: string, certificates: readonly Certificate[], rest: string): void {
  const pem = certificates.map(({ der }) => toPem('CERTIFICATE', der)).join('')
  writeFileSync(join(folder, TRUST_FILE), pem + rest)
}

/** TUF's keys are Ed25519. */
export function newTufKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey
}

export type CertificateKeyKind = 'rsa' | 'p256'

export function newCertificateKey(kind: CertificateKeyKind): KeyObject {
  return kind === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    : generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}
