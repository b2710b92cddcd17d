/** The files of bench/lan: incompressible, and named so that a peer's copy can be verified by its name (V1). */
import { createCipheriv, createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface UpdateFile {
  readonly sha256: string
  readonly path: string
  readonly bytes: number
}

/** Writes them into `directory`. @param sizes in bytes. */
export function makeFiles(directory: string, sizes: readonly number[]): readonly UpdateFile[] {
  mkdirSync(directory, { recursive: true })
  return sizes.map((bytes, at) => {
    const key = createHash('sha256').update(`${bytes} ${at}`).digest()
    const content = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes))
    const sha256 = createHash('sha256').update(content).digest('hex')
    writeFileSync(join(directory, sha256), content)
    return { sha256, bytes, path: `/debian/dists/x/main/binary-all/by-hash/SHA256/${sha256}` }
  })
}
