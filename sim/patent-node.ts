/**
 * A node as the patents describe it and no more: plain packets without node, nonce or size, delays uniform in 0 to
 * 2000 ms, no presence, no growing copies. Our nodes have to live with it (docs/protocol.md, "Plain nodes").
 */
import { seededRandom, type Random } from '../core/random.ts'
import type { TargetUri } from '../core/target-uri.ts'
import type { Address } from '../core/transport.ts'
import type { RequestId, RequestPacket, ServicePacket } from '../peering/packets.ts'
import { NOT_FOUND, served } from './served-bytes.ts'
import { speakPackets, type PacketSpeaker, type SpeakerWorld } from './packet-speaker.ts'
import { PEER_PATIENCE } from './virtual-http.ts'
import type { VirtualHost } from './virtual-host.ts'

/** Patent A: the delay response period, and what is added for the transmission, in ms. */
export const MAX_DELAY_MS = 2000
export const TRANSMISSION_MS = 200

const PROGRESS_INTERVAL_MS = 500
const PORT = 6515

/** So long it reads a body, in ms: a peer may keep it waiting for ever. */
const FETCH_MS = 120_000

/** More than this is not read from anybody. */
const MAX_BYTES = 64 * 1024 * 1024

/** How a download from the Internet ends: told, told with the place of the copy, or not told at all. */
export type DownloadEnd = 'complete' | 'complete, without a place' | 'failed' | 'silence'

export class PatentNode {
  readonly host: VirtualHost
  /** "I have" that went out: when, in virtual ms. */
  readonly answeredAt: number[] = []
  /** Answers that "I found" took back (state 128). */
  canceled = 0
  readonly #world: SpeakerWorld
  readonly #random: Random
  readonly #held = new Map<string, string>()
  readonly #downloading = new Map<string, Set<Address>>()
  readonly #delaying = new Map<string, () => void>()
  readonly #heard = new Map<number, (location: string) => void>()
  #speaker: PacketSpeaker | undefined

  constructor(world: SpeakerWorld, host: VirtualHost, seed: number) {
    this.#world = world
    this.host = host
    this.#random = seededRandom(seed)
  }

  get address(): Address {
    return this.host.address
  }

  async start(): Promise<void> {
    this.#world.http.listen(this.host, `${this.address}:${PORT}`, (request) => {
      const uri = [...this.#held].find(([, alias]) => alias === request.target)?.[0]
      const bytes = uri === undefined ? undefined : this.#world.contentOf(uri as TargetUri)
      return bytes === undefined ? NOT_FOUND : served(request, bytes)
    })
    this.#speaker = await speakPackets(this.#world.lan, this.host, (packet, from) => this.#hear(packet, from))
  }

  /** It has a local aliased copy. */
  holds(uri: TargetUri): void {
    this.#held.set(uri, `/${this.#random.hex(32)}`)
  }

  /** It fetches from the Internet for so long, and tells those who ask meanwhile (FIG. 7). */
  downloads(uri: TargetUri, forMs: number, end: DownloadEnd): void {
    this.#downloading.set(uri, new Set())
    this.#report(uri)
    this.#after(forMs, () => this.#endDownload(uri, end))
  }

  /**
   * Broadcasts "I need" and waits as FIG. 4A does.
   * @returns the place that the first "I have" named; `undefined` when none came in 2200 ms.
   */
  need(uri: TargetUri): Promise<string | undefined> {
    const id = this.#random.uint32() as RequestId
    const question = { href: uri, method: 'get', acceptProtocol: 'http', cachedOnly: false } as const
    this.#speaker?.broadcast({ ...plain(id), ...question, type: 'request', more: [], maxDelayMs: undefined })
    return new Promise((resolve) => {
      this.#after(MAX_DELAY_MS + TRANSMISSION_MS, () => resolve(undefined))
      this.#heard.set(id, (location) => {
        this.#heard.delete(id)
        this.#speaker?.broadcast({ ...plain(id), type: 'end-request', more: [], href: uri })
        resolve(location)
      })
    })
  }

  /** Gets what "I have" named. @returns `undefined` when that fails: it knows no second source. */
  async fetch(location: string): Promise<Uint8Array | undefined> {
    const ending = new AbortController()
    const signal = AbortSignal.any([this.host.life.signal, ending.signal])
    const cancel = this.host.life.clock.after(FETCH_MS, () => ending.abort())
    const upstream = this.#world.http.upstream(this.host, PEER_PATIENCE)
    try {
      const { status, body } = await upstream.request({ method: 'GET', uri: location, fields: [], signal })
      return status === 200 ? await readAll(body) : undefined
    } catch {
      return undefined
    } finally {
      cancel()
    }
  }

  #hear(packet: ServicePacket, from: Address): void {
    switch (packet.type) {
      case 'request':
        return this.#hearRequest(packet, from)
      case 'end-request': {
        const key = `${from} ${packet.id}`
        if (this.#delaying.delete(key)) this.canceled++
        return
      }
      case 'response':
        return this.#heard.get(packet.id)?.(packet.location)
      case 'downloading':
      case 'download-complete':
      case 'download-failed':
      case 'presence':
      case 'advertise':
      case 'application':
        return
    }
  }

  /** FIG. 3: 124 to 126, and 130 when the delay is over and nobody has said "I found". */
  #hearRequest({ id, href }: RequestPacket, from: Address): void {
    this.#downloading.get(href)?.add(from)
    if (this.#downloading.has(href)) return this.#speaker?.send(from, this.#progress(href, id))
    const alias = this.#held.get(href)
    if (alias === undefined) return
    const key = `${from} ${id}`
    const answer = () => {
      this.#delaying.delete(key)
      this.answeredAt.push(this.host.life.clock.monotonic())
      this.#speaker?.send(from, this.#have(id, alias))
    }
    this.#delaying.set(key, answer)
    this.#after(this.#random.fraction() * MAX_DELAY_MS, () => this.#delaying.get(key)?.())
  }

  #have(id: RequestId, alias: string): ServicePacket {
    const untold = { size: undefined, digest: undefined, etag: undefined, lastModified: undefined }
    const location = this.#location(alias)
    return {
      ...plain(id),
      ...untold,
      type: 'response',
      more: [],
      location,
      ageSeconds: undefined,
      version: undefined,
    }
  }

  #progress(resource: string, id: RequestId): ServicePacket {
    const progress = { receivedBytes: 0, totalBytes: undefined, bytesPerSecond: undefined }
    return { ...plain(id), ...progress, type: 'downloading', more: [], resource, location: undefined }
  }

  #report(uri: TargetUri): void {
    this.#after(PROGRESS_INTERVAL_MS, () => {
      const waiting = this.#downloading.get(uri)
      if (waiting === undefined) return
      for (const peer of waiting) this.#speaker?.send(peer, this.#progress(uri, 0 as RequestId))
      this.#report(uri)
    })
  }

  #endDownload(resource: TargetUri, end: DownloadEnd): void {
    const waiting = this.#downloading.get(resource) ?? new Set()
    this.#downloading.delete(resource)
    if (end === 'silence') return
    if (end !== 'failed') this.holds(resource)
    const alias = this.#held.get(resource)
    const location = end === 'complete' && alias !== undefined ? this.#location(alias) : undefined
    const common = { ...plain(0 as RequestId), resource }
    for (const peer of waiting) {
      if (end === 'failed') this.#speaker?.send(peer, { ...common, type: 'download-failed' })
      else
        this.#speaker?.send(peer, {
          ...common,
          type: 'download-complete',
          location,
          size: undefined,
          digest: undefined,
        })
    }
  }

  #location(alias: string): string {
    return `http://${this.address}:${PORT}${alias}`
  }

  #after(delayMs: number, then: () => void): void {
    this.host.life.clock.after(delayMs, then)
  }
}

function plain(id: RequestId) {
  return { id, node: undefined, nonce: undefined, extras: [] }
}

/** What has no end is given up. */
async function readAll(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) break
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
