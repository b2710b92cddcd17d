/**
 * The process of swarm.ts: connects all clients, lets all of them ask, and tells its parent when the bytes came. From
 * the first byte of its body on a client reads every few milliseconds, what has come meanwhile: reading each piece as it
 * comes would take the processors from the server that is measured.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { SwarmResult, SwarmSettings } from './swarm.ts'

const HEAD_END = '\r\n\r\n'
const READ_EVERY_MS = 5
/** Read at a time; all clients read into the same memory, since nobody looks at it. */
const buffer = Buffer.alloc(1024 * 1024)

const { port, head, clients, bytes } = JSON.parse(process.argv[2] ?? '{}') as SwarmSettings

/** Clients that read at the next turn. */
const waiting = new Set<Socket>()
setInterval(() => {
  for (const socket of waiting) socket.resume()
  waiting.clear()
}, READ_EVERY_MS)

try {
  const all = Array.from({ length: clients }, () => client())
  await Promise.all(all.map(({ socket }) => once(socket, 'connect')))
  const began = performance.now()
  for (const { socket } of all) socket.write(head)
  process.send?.(await Promise.all(all.map(({ result }) => result(began))))
} catch (error) {
  process.send?.({ error: String(error) })
}
process.exit()

function client(): { readonly socket: Socket; readonly result: (began: number) => Promise<SwarmResult> } {
  let text: string | undefined = ''
  let received = 0
  let firstByteAt = NaN
  let lastByteAt = NaN
  const onData = (length: number) => {
    lastByteAt = performance.now()
    received += length
    if (text !== undefined) {
      text += buffer.toString('latin1', 0, length)
      const end = text.indexOf(HEAD_END)
      if (end < 0) return true
      if (!text.startsWith('HTTP/1.1 200')) socket.destroy(new Error(text.slice(0, end)))
      received = text.length - end - HEAD_END.length
      text = undefined
    }
    if (received === 0) return true
    if (Number.isNaN(firstByteAt)) firstByteAt = lastByteAt
    waiting.add(socket)
    return false
  }
  const socket = connect({ port, host: '127.0.0.1', onread: { buffer, callback: onData } })
  const ended = once(socket, 'end')
  const result = async (began: number) => {
    await ended
    if (received !== bytes) throw new Error(`${received} bytes instead of ${bytes}`)
    return { firstByteMs: firstByteAt - began, lastByteMs: lastByteAt - began }
  }
  return { socket, result }
}
