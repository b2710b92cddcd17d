/**
 * The origin server of bench/lan: serves the files of a directory by the last part of their path, and says on "count" how
 * many bytes of bodies it has sent, and which clients it is sending to. Arguments: its address, the directory.
 */
import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { basename, join } from 'node:path'
import { contentRange, parseRange } from '../../core/ranges.ts'

/** What this process answers to "count". */
export interface OriginCount {
  readonly bytes: number
  /** Addresses of those who are being sent a body. */
  readonly clients: readonly string[]
}

const [address = '', directory = ''] = process.argv.slice(2)
/** Small, so that what is counted has left, or nearly. */
const CHUNK_BYTES = 16_384
const files = new Map<string, Buffer>()
const clients: string[] = []
let bytes = 0

const server = createServer((request, response) => {
  const file = contentOf(basename(request.url ?? ''))
  const [range] = parseRange(request.headers.range ?? '', file.length) ?? []
  const { start, end } = range ?? { start: 0, end: file.length }
  const part = range === undefined ? {} : { 'Content-Range': contentRange(range, file.length) }
  response.writeHead(range === undefined ? 200 : 206, {
    'Content-Length': end - start,
    'Accept-Ranges': 'bytes',
    'Last-Modified': 'Sun, 01 Nov 2026 00:00:00 GMT',
    ETag: `"${basename(request.url ?? '').slice(0, 16)}"`,
    'Cache-Control': 'public, max-age=86400',
    ...part,
  })
  if (request.method === 'HEAD') response.end()
  else void send(response, file.subarray(start, end))
})
// A response that the line still holds back would be cut off by the end of its connection.
server.keepAliveTimeout = 300_000
server.listen(80, address, 1024, () => process.send?.('ready'))
process.on('message', () => process.send?.({ bytes, clients } satisfies OriginCount))
process.on('disconnect', () => process.exit())

function contentOf(name: string): Buffer {
  const known = files.get(name) ?? readFileSync(join(directory, name))
  files.set(name, known)
  return known
}

async function send(response: ServerResponse, body: Buffer): Promise<void> {
  const client = response.socket?.remoteAddress ?? ''
  clients.push(client)
  response.on('error', () => {})
  for (let at = 0; at < body.length && !response.destroyed; at += CHUNK_BYTES) {
    const chunk = body.subarray(at, at + CHUNK_BYTES)
    bytes += chunk.length
    if (!response.write(chunk)) await progress(response)
  }
  clients.splice(clients.indexOf(client), 1)
  response.end()
}

function progress(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}
