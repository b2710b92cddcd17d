/**
 * An origin server as package archives are: files with `Last-Modified` and `ETag`, keep-alive, conditional requests, one
 * range. `/x/dists/InRelease` is the file `dists/InRelease` for any `x`. It says its port to its parent, and on "count"
 * how many bytes of bodies it has sent since the last "count".
 */
import { createReadStream, statSync, type Stats } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { OriginSettings } from './origin.ts'

const CHUNK_BYTES = 16_384
const { root, bytesPerSecond } = JSON.parse(process.argv[2] ?? '{}') as OriginSettings

let sentBytes = 0
/** When the line has carried everything that was given to it, by `performance.now()`. */
let lineFreeAt = 0

const server = createServer((request, response) => void answer(request, response))
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('message', () => {
  process.send?.(sentBytes)
  sentBytes = 0
})

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = decodeURIComponent(request.url ?? '/')
  const file = join(root, path.slice(path.indexOf('/', 1)))
  const stats = statSync(file, { throwIfNoEntry: false })
  if (!stats?.isFile()) return void response.writeHead(404, { 'Content-Length': 0 }).end()
  const fields = fieldsOf(stats)
  if (request.headers['if-none-match'] === fields.ETag) return void response.writeHead(304, fields).end()
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const part = start > 0 ? { 'Content-Range': `bytes ${start}-${stats.size - 1}/${stats.size}` } : {}
  response.writeHead(start > 0 ? 206 : 200, { ...fields, ...part, 'Content-Length': stats.size - start })
  await send(response, file, start)
}

function fieldsOf(stats: Stats) {
  return {
    'Last-Modified': stats.mtime.toUTCString(),
    ETag: `"${stats.size.toString(16)}-${Math.floor(stats.mtimeMs).toString(16)}"`,
    'Content-Type': 'application/octet-stream',
  }
}

async function send(response: ServerResponse, file: string, start: number): Promise<void> {
  const chunkBytes = bytesPerSecond > 0 ? CHUNK_BYTES : 65_536
  for await (const chunk of createReadStream(file, { start, highWaterMark: chunkBytes })) {
    const { length } = chunk as Buffer
    await onLine(length)
    if (response.destroyed) return
    sentBytes += length
    if (!response.write(chunk)) await progress(response)
  }
  response.end()
}

/** All responses share the line; each chunk takes its turn on it. */
async function onLine(bytes: number): Promise<void> {
  if (bytesPerSecond === 0) return
  const now = performance.now()
  lineFreeAt = Math.max(lineFreeAt, now) + (bytes / bytesPerSecond) * 1000
  const waitMs = lineFreeAt - now
  if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs))
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
