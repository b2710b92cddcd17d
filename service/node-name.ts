/** What a node is called: on the LAN, and in `Via`. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { saysFull } from '../cache/store-fault.ts'
import type { Random } from '../core/random.ts'
import type { NodeId } from '../peering/packets.ts'

const FILE = 'node-id'

/**
 * 128 random bits, made once and kept with the cache; on a full disk only as long as the node runs.
 * @throws NodeJS.ErrnoException when the folder cannot be written for another reason
 */
export async function nodeId(directory: string, random: Random): Promise<NodeId> {
  const known = await readFile(join(directory, FILE), 'utf8').catch(() => '')
  if (/^[0-9a-f]{32}$/.test(known.trim())) return known.trim() as NodeId
  return newNodeId(directory, random)
}

/** Another one, which takes the place of the one before. @throws as `nodeId` */
export async function newNodeId(directory: string, random: Random): Promise<NodeId> {
  const id = random.hex(16)
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, FILE), `${id}\n`).catch((error: unknown) => {
    if (!saysFull(error)) throw error
  })
  return id as NodeId
}

/** The name in `Via` (RFC 9110 7.6.3). */
export function pseudonymOf(id: NodeId): string {
  return `ihave-${id.slice(0, 12)}`
}
