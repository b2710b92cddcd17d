/**
 * What the checker gets from the Internet before anybody has asked: catalogues, which it only looks at, and what they name, which
 * then is here for the whole LAN. It goes the node's own way of a resource, as what is got for others does: allowed by the rules,
 * confined to addresses of the Internet. Nothing of it is believed: whoever installs verifies.
 */
import { createHash } from 'node:crypto'
import type { Fault } from '../core/fault.ts'
import type { FieldLine, Fields } from '../core/fields.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Resource, ResourceRequest } from '../retrieval/resource.ts'
import type { Permission } from './allowed.ts'
import type { Confinement } from './confined-upstream.ts'

export interface FetchComponents {
  readonly permission: (target: string, fields: Fields) => Permission
  readonly guard: (target: URL) => Promise<Fault | undefined>
  readonly confine: Confinement['confine']
  readonly get: (request: ResourceRequest) => Promise<Resource>
  readonly via: () => FieldLine
}

/** A body of which the beginning is kept. */
export interface Found {
  readonly sha256: string
  readonly bytes: number
  /** The whole, where it is no larger than a catalogue. */
  readonly content: Buffer | undefined
}

/** Indexes of large distributions fit, in bytes; what is longer is not read to its end. */
const MAX_INDEX_BYTES = 64 * 1024 * 1024
/** A catalogue is less, in bytes. */
const MAX_CATALOGUE_BYTES = 512_000

const USUAL: Fields = [
  ['Accept', '*/*'],
  ['Accept-Encoding', 'identity'],
  ['User-Agent', 'ihave-update-checker'],
]

/** `undefined`: it is not allowed, or did not come. Never fails. @param isFresh whatever is stored, and whoever has it. */
export async function fetchAhead(
  uri: TargetUri,
  isFresh: boolean,
  { permission, guard, confine, get, via }: FetchComponents,
  signal: AbortSignal,
): Promise<Found | undefined> {
  const allowed = permission(uri, [])
  if (allowed.kind === 'refused' || (await guard(allowed.url)) !== undefined) return undefined
  const received: Fields = isFresh ? [...USUAL, ['Cache-Control', 'no-cache']] : USUAL
  const request = {
    method: 'GET',
    uri,
    target: uri,
    received,
    forwarded: [...received, via()],
    signal,
  } as const
  const release = confine(uri, 'site')
  try {
    const alone = isFresh ? { mayAskPeers: false as const } : {}
    const { answer } = await get({ ...request, client: undefined, ...alone })
    return answer.status === 200 && answer.body !== undefined ? await read(answer.body) : undefined
  } catch {
    return undefined // the origin server's fault; the next check tries again
  } finally {
    release()
  }
}

async function read(body: AsyncIterable<Uint8Array>): Promise<Found | undefined> {
  const hash = createHash('sha256')
  const kept: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    hash.update(chunk)
    bytes += chunk.length
    if (bytes > MAX_INDEX_BYTES) return undefined
    if (bytes <= MAX_CATALOGUE_BYTES) kept.push(Buffer.from(chunk))
  }
  const content = bytes <= MAX_CATALOGUE_BYTES ? Buffer.concat(kept) : undefined
  return { sha256: hash.digest('hex'), bytes, content }
}
