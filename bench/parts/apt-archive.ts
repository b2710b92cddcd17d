/** A package archive like the one that apt was watched at: 27 packages of 7.4 MB, and an index of 8 MB by its digest. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bytesOf } from '../../test/cache/store-fixtures.ts'
import { run } from './processes.ts'

export interface AptArchive {
  readonly root: string
  /** The file of the public key that signs it. */
  readonly key: string
  /** What `apt-get install` is told to get. */
  readonly packages: readonly string[]
  /** Of one update and one install, without the Release file. */
  readonly bytes: number
}

const PACKAGES = 27
const POOL_BYTES = 7_400_000
const INDEX_BYTES = 8_000_000
/** From 10 kB up: package `n` is `n` shares of the rest. */
const LEAST_BYTES = 30_000
/** What `dpkg-deb` adds to the bytes of an uncompressed package. */
const PACKING_BYTES = 20_000

/** Writes it into `root`, signed with a throw-away key that is kept in `home`. */
export async function writeAptArchive(root: string, home: string): Promise<AptArchive> {
  const names = Array.from({ length: PACKAGES }, (_, at) => `bench-${at + 1}`)
  const stanzas: string[] = []
  for (const [at, name] of names.entries()) stanzas.push(await writePackage(root, home, name, sizeOf(at)))
  const index = withFiller(stanzas)
  const digest = sha256(Buffer.from(index))
  write(join(root, 'dists/stable/main/binary-amd64/Packages'), index)
  write(join(root, 'dists/stable/main/binary-amd64/by-hash/SHA256', digest), index)
  const release = releaseText(digest, Buffer.byteLength(index))
  const key = await sign(release, join(root, 'dists/stable/InRelease'), home)
  const poolBytes = names.reduce((sum, name) => sum + statSync(join(root, poolPath(name))).size, 0)
  return { root, key, packages: names, bytes: poolBytes + Buffer.byteLength(index) }
}

function sizeOf(at: number): number {
  const shares = (PACKAGES * (PACKAGES + 1)) / 2
  return LEAST_BYTES + Math.floor(((POOL_BYTES - PACKAGES * LEAST_BYTES) * (at + 1)) / shares)
}

/** @returns its stanza in the index. */
async function writePackage(root: string, home: string, name: string, bytes: number): Promise<string> {
  const tree = join(home, name)
  const control = [
    `Package: ${name}`,
    'Version: 1.0',
    'Architecture: all',
    'Maintainer: Bench <bench@example.org>',
  ]
  write(join(tree, 'DEBIAN/control'), `${control.join('\n')}\nDescription: bytes to be fetched\n`)
  write(join(tree, 'usr/share', name, 'data'), bytesOf(bytes - PACKING_BYTES, bytes))
  const file = join(root, poolPath(name))
  mkdirSync(dirname(file), { recursive: true })
  await run('dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, file])
  const content = readFileSync(file)
  return stanza(control, poolPath(name), content.length, sha256(content))
}

function poolPath(name: string): string {
  return `pool/main/b/${name}/${name}_1.0_all.deb`
}

function stanza(control: readonly string[], file: string, size: number, digest: string): string {
  const lines = [...control, `Filename: ${file}`, `Size: ${size}`, `SHA256: ${digest}`]
  return `${lines.join('\n')}\nDescription: bytes to be fetched\n`
}

/** Packages that nobody asks for, as in any real index. */
function withFiller(stanzas: readonly string[]): string {
  const all = [...stanzas]
  let bytes = all.reduce((sum, each) => sum + each.length + 1, 0)
  for (let number = 0; bytes < INDEX_BYTES; number += 1) {
    const name = `filler-${number}`
    const control = [
      `Package: ${name}`,
      'Version: 1.0',
      'Architecture: all',
      'Maintainer: Bench <bench@example.org>',
    ]
    const filler = stanza(
      [...control, `Depends: ${'filler-0, '.repeat(20)}filler-1`],
      poolPath(name),
      1,
      sha256(name),
    )
    all.push(filler)
    bytes += filler.length + 1
  }
  return `${all.join('\n')}\n`
}

function releaseText(digest: string, bytes: number): string {
  return [
    'Origin: bench',
    'Suite: stable',
    'Codename: stable',
    `Date: ${new Date().toUTCString()}`,
    'Architectures: amd64 all',
    'Components: main',
    'Acquire-By-Hash: yes',
    'SHA256:',
    ` ${digest} ${bytes} main/binary-amd64/Packages`,
    '',
  ].join('\n')
}

async function sign(text: string, file: string, home: string): Promise<string> {
  const keys = join(home, 'gnupg')
  mkdirSync(keys, { recursive: true, mode: 0o700 })
  const gpg = (...args: string[]) => run('gpg', ['--homedir', keys, '--batch', '--yes', ...args])
  const protection = ['--passphrase', '', '--pinentry-mode', 'loopback']
  await gpg(...protection, '--quick-gen-key', 'bench@example.org', 'ed25519', 'sign', '1d')
  const release = join(home, 'Release')
  write(release, text)
  await gpg(...protection, '--clearsign', '--output', file, release)
  const key = join(home, 'archive-key.gpg')
  await gpg('--output', key, '--export')
  await run('gpgconf', ['--homedir', keys, '--kill', 'all'])
  return key
}

function write(file: string, content: string | Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
