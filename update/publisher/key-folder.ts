/**
 * The publisher's keys: `offline/` for what is signed at a release (root, targets, packages), `online/` for what a server
 * renews between releases (snapshot, timestamp, catalogue), and `publisher.pem`, which updaters are given.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Fault } from '../../core/fault.ts'
import { readPemCertificates, type Certificate } from '../../signing/certificate.ts'
import { toPem } from '../../signing/pem.ts'
import type { SigningIdentity } from '../../signing/sign.ts'
import { syncFolder, writeDurably } from '../files.ts'
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

export function hasKey(folder: string, name: KeyName): boolean {
  return existsSync(keyPath(folder, name))
}

/** @throws Fault BAD_REQUEST where the key is not there, with what to do about it */
export function loadKey(folder: string, name: KeyName): KeyObject {
  const path = keyPath(folder, name)
  if (!existsSync(path))
    throw new Fault('BAD_REQUEST', `there is no ${path}; this needs the ${PLACES[name]} keys (--keys)`)
  return createPrivateKey(readFileSync(path, 'utf8'))
}

/** In use from now on. */
export function saveKey(folder: string, name: KeyName, key: KeyObject): void {
  stageKey(folder, name, key)
  useStagedKey(folder, name)
}

/** Put beside the one in use, as `….next`: neither is lost, whatever fails before it is used. */
export function stageKey(folder: string, name: KeyName, key: KeyObject): void {
  writeDurably(`${keyPath(folder, name)}.next`, key.export({ format: 'pem', type: 'pkcs8' }), 0o600)
}

/** `undefined` where none was put aside. */
export function stagedKey(folder: string, name: KeyName): KeyObject | undefined {
  const path = `${keyPath(folder, name)}.next`
  return existsSync(path) ? createPrivateKey(readFileSync(path, 'utf8')) : undefined
}

/** The key that it takes the place of stays beside it as `….before`, until the next one: whatever fails afterwards, it can be put back. */
export function useStagedKey(folder: string, name: KeyName): void {
  useStaged(keyPath(folder, name), 0o600)
}

function useStaged(path: string, mode: number): void {
  if (existsSync(path)) writeDurably(`${path}.before`, readFileSync(path), mode)
  renameSync(`${path}.next`, path)
  syncFolder(dirname(path))
}

/** @throws Fault BAD_REQUEST where key or certificate is not there, or they do not belong together */
export function loadIdentity(folder: string, name: Signer): SigningIdentity {
  const key = loadKey(folder, name)
  const path = certificatePath(folder, name)
  if (!existsSync(path)) throw new Fault('BAD_REQUEST', `there is no ${path}, the certificate of the key`)
  const [certificate, ...chain] = readPemCertificates(readFileSync(path, 'utf8'))
  if (certificate === undefined) throw new Fault('BAD_REQUEST', `expected a certificate in ${path}`)
  if (!createPublicKey(key).equals(certificate.key))
    throw new Fault('BAD_REQUEST', `${keyPath(folder, name)} is not the key of the certificate in ${path}`)
  return { key, certificate, chain }
}

/** The certificate is put aside after its key: where it is, both are whole. */
export function saveIdentity(
  folder: string,
  name: Signer,
  { key, certificate, chain }: SigningIdentity,
): void {
  stageKey(folder, name, key)
  const pem = [certificate, ...chain].map(({ der }) => toPem('CERTIFICATE', der)).join('')
  writeDurably(`${certificatePath(folder, name)}.next`, pem)
  useStagedIdentity(folder, name)
}

/** Ends what `saveIdentity` began, or does nothing. */
export function useStagedIdentity(folder: string, name: Signer): void {
  const certificate = certificatePath(folder, name)
  if (!existsSync(`${certificate}.next`)) return
  if (existsSync(`${keyPath(folder, name)}.next`)) useStagedKey(folder, name)
  useStaged(certificate, 0o644)
}

export function trustText(folder: string): string {
  const path = join(folder, TRUST_FILE)
  if (!existsSync(path))
    throw new Fault('BAD_REQUEST', `there is no ${path}; "ihave publish init" makes it (--keys)`)
  return readFileSync(path, 'utf8')
}

export function saveTrust(folder: string, certificates: readonly Certificate[], rest: string): void {
  const pem = certificates.map(({ der }) => toPem('CERTIFICATE', der)).join('')
  writeDurably(join(folder, TRUST_FILE), pem + rest)
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
