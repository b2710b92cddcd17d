/** A peer of the test's own: says "I have" to every question at once, and serves whatever the test wants. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decode, encode } from '../../peering/codec.ts'
import { questionsIn } from '../../peering/further.ts'
import type {
  NodeId,
  PresencePacket,
  RequestId,
  RequestPacket,
  ServicePacket,
} from '../../peering/packets.ts'
import { trailerStart } from '../../peering/packet-seal.ts'
import { FINDING_NAME } from '../../peering/survey.ts'
import { BROADCAST, type Scene } from './harness.ts'
import { sha256, type Handler } from './origin.ts'

export interface FakePeerSettings {
  readonly address: string
  readonly packetPort: number
  /** Answers requests for the copy; absent: the location that is offered is closed. */
  readonly serve?: Handler
  /** Says "I have" to those only who ask who has it, and fetch nothing for now. */
  readonly isLateComer?: boolean
  /** Does not confirm what it serves. */
  readonly isVague?: boolean
  /** What it answers to every question; absent: "I have", of an untold size. */
  readonly says?: Said
}

export type Said =
  | { readonly kind: 'has'; readonly size?: number }
  /** "I am downloading", of a copy that can be read. */
  | { readonly kind: 'fetches'; readonly size?: number }
  /** "I am downloading", with a little more each time, and never where: once, and then every so many ms. */
  | { readonly kind: 'promises'; readonly everyMs: number }
  /** The same in the packets of the patents alone, with so many bytes more each time. */
  | { readonly kind: 'plainly promises'; readonly everyMs: number; readonly bytes: number }

export interface FakePeer {
  /** Questions that were answered. */
  readonly asked: readonly string[]
  /** Requests for the copy that came. */
  readonly requests: () => number
  /** Where it serves files. */
  readonly filePort: number
  stop(): Promise<void>
}

export async function startFakePeer(scene: Scene, settings: FakePeerSettings): Promise<FakePeer> {
  const { address, packetPort, serve } = settings
  const asked: string[] = []
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    const resource = request.headers['ihave-resource']
    if (resource !== undefined && settings.isVague !== true) response.setHeader('Ihave-Resource', resource)
    serve?.(request, response)
  })
  server.listen(0, address)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  if (!serve) server.close()
  const node = sha256(Buffer.from(address)).slice(0, 32) as NodeId
  const location = `http://${address}:${port}/${sha256(Buffer.from(address))}`
  const sockets = [await bind(packetPort, address), await bind(packetPort, BROADCAST)]
  const send = (packet: ServicePacket, to: string, sent?: (error: Error | null) => void) =>
    sockets[0]?.send(encode(packet) ?? '', packetPort, to, sent)
  const presence = { ...PRESENCE, node, filePort: port }
  const hear = (bytes: Buffer, { address: from }: RemoteInfo) => {
    // A stranger has no use for a member's signature.
    const decoded = decode(bytes.subarray(0, trailerStart(bytes)))
    if (decoded.kind !== 'packet' || from === address) return
    const { packet } = decoded
    if (packet.type === 'presence' && packet.reply) send({ ...presence, nonce: packet.nonce }, from)
    if (packet.type !== 'request') return
    if (settings.isLateComer === true && !packet.extras.some(([name]) => name === FINDING_NAME)) return
    for (const each of questionsIn(packet)) {
      asked.push(each.href)
      say(each, from)
    }
  }
  const says = settings.says ?? { kind: 'has' }
  const timers = new Set<NodeJS.Timeout>()
  const say = (packet: RequestPacket, from: string) => {
    if (says.kind === 'has' || says.kind === 'fetches')
      return send(answer(says, packet, node, location), from)
    const isPlain = says.kind === 'plainly promises'
    const more = isPlain ? says.bytes : 1
    const question = isPlain ? { ...packet, nonce: undefined } : packet
    const as = isPlain ? undefined : node
    let receivedBytes = isPlain ? more : 0
    const promise = () => {
      send(downloading(question, as, { receivedBytes }), from)
      receivedBytes += more
    }
    promise()
    timers.add(setInterval(promise, says.everyMs))
  }
  for (const socket of sockets) socket.on('message', hear)
  send({ ...presence, reply: true }, BROADCAST)
  const stop = async () => {
    for (const timer of timers) clearInterval(timer)
    if (sockets.length > 0) await new Promise((said) => send({ ...presence, leaving: true }, BROADCAST, said))
    server.close()
    server.closeAllConnections()
    await Promise.all(sockets.splice(0).map((each) => new Promise<void>((done) => each.close(() => done()))))
  }
  scene.ending(stop)
  return { asked, requests: () => requests, filePort: port, stop }
}

/** A socket that hears what is sent to `address`; several may hear the same broadcasts. */
export async function bind(port: number, address: string): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: address === BROADCAST })
  socket.bind(port, address)
  await once(socket, 'listening')
  socket.setBroadcast(true)
  return socket
}

const PRESENCE: Omit<PresencePacket, 'node' | 'filePort'> = {
  type: 'presence',
  summary: undefined,
  id: 1 as RequestId,
  nonce: undefined,
  reply: false,
  leaving: false,
  extras: [],
}

function answer(
  { kind, size }: Extract<Said, { readonly kind: 'has' | 'fetches' }>,
  asked: RequestPacket,
  node: NodeId,
  location: string,
): ServicePacket {
  if (kind === 'fetches') return downloading(asked, node, { location, totalBytes: size, receivedBytes: 0 })
  const { id, nonce } = asked
  const unsaid = { digest: undefined, etag: undefined, lastModified: undefined }
  const said = { id, nonce, node, location, size, ageSeconds: undefined, version: undefined, extras: [] }
  return { type: 'response', more: [], ...unsaid, ...said }
}

function downloading(
  { id, nonce, href }: RequestPacket,
  node: NodeId | undefined,
  told: {
    readonly location?: string
    readonly totalBytes?: number | undefined
    readonly receivedBytes: number
  },
): ServicePacket {
  const common = { id, nonce, node, resource: href, bytesPerSecond: undefined, extras: [] }
  return { type: 'downloading', more: [], ...common, location: undefined, totalBytes: undefined, ...told }
}
