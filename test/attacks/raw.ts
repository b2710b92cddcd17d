/** What an attacker has: connections that carry any bytes, and sockets that send any datagram from any own address. */
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Scene } from '../clients/harness.ts'

export interface Place {
  readonly address: string
  readonly port: number
}

/** `127.0.0.1:3128`, as nodes say it. */
export function placeOf(authority: string): Place {
  const at = authority.lastIndexOf(':')
  return { address: authority.slice(0, at), port: Number(authority.slice(at + 1)) }
}

/** So long an answer may take to be whole once it has begun, in ms. */
const REST_MS = 50
/** What says nothing for so long has nothing to say, in ms. */
const SILENCE_MS = 2000

/** All that comes back for these bytes, in Latin-1: to the end, or until nothing more comes. */
export async function exchange({ address, port }: Place, bytes: string): Promise<string> {
  const socket = connect(port, address)
  let text = ''
  const over = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => socket.destroy())
  socket.setTimeout(SILENCE_MS, () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    socket.setTimeout(REST_MS)
  })
  socket.write(bytes, 'latin1')
  await over
  return text
}

/** The codes of all answers in a text. */
export function statuses(text: string): number[] {
  return [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, code]) => Number(code))
}

/** A connection that stays. */
export async function opened({ address, port }: Place, scene: Scene): Promise<Socket> {
  const socket = connect(port, address)
  socket.on('error', () => socket.destroy())
  scene.ending(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** A socket that sends from this address, and from one of its ports. */
export async function sender(scene: Scene, address: string): Promise<Datagrams> {
  const socket = createSocket('udp4')
  socket.bind(0, address)
  await once(socket, 'listening')
  scene.ending(() => new Promise<void>((done) => socket.close(() => done())))
  return socket
}
