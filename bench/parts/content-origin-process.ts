/**
 * The process of content-origin.ts: listens on the port that it is given, and says on "count" what it has answered since
 * the last.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { contentChunks, contentOf, type Content } from './content.ts'

const CHUNK_BYTES = 16_384
/** How far the line may catch up after the machine was too busy for it. */
const CATCH_UP_MS = 200

let bytesPerSecond = 0
let requests = 0
let bytes = 0
/** When the line has carried everything that was given to it, by `performance.now()`. */
let lineFreeAt = 0
/** Bodies under way. */
let sending = 0

const server = createServer((request, response) => void answer(request, response))
server.keepAliveTimeout = 60_000
server.listen(Number(process.argv[2]), '127.0.0.1', 1024, () => process.send?.('ready'))
process.on('message', (message: 'count' | { readonly bytesPerSecond: number }) => {
  if (message !== 'count') return void (bytesPerSecond = message.bytesPerSecond)
  process.send?.({ requests, bytes })
  requests = 0
  bytes = 0
})

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  requests += 1
  response.on('error', () => {})
  const path = request.url ?? '/'
  const content = contentOf(path)
  switch (content?.kind) {
    case 'whole':
    case 'broken':
      return send(request, response, path, content)
    case 'digest':
      return digest(request, response)
    case 'absent':
    case undefined:
      return void response.writeHead(404, { 'Content-Length': 9 }).end('not here\n')
  }
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  content: Content,
): Promise<void> {
  const etag = `"${createHash('md5').update(path).digest('hex')}"`
  const fields = {
    'Last-Modified': 'Sun, 01 Nov 2026 00:00:00 GMT',
    ETag: etag,
    'Content-Type': 'application/octet-stream',
    'Cache-Control': 'public, max-age=86400',
    'Accept-Ranges': 'bytes',
  }
  if (request.headers['if-none-match'] === etag) return void response.writeHead(304, fields).end()
  const { start, end } = rangeOf(request, content.bytes, etag)
  const isPart = end - start < content.bytes
  const part = isPart ? { 'Content-Range': `bytes ${start}-${end - 1}/${content.bytes}` } : {}
  response.writeHead(isPart ? 206 : 200, { ...fields, ...part, 'Content-Length': end - start })
  if (request.method === 'HEAD') return void response.end()
  if (content.kind === 'whole') return sendBody(response, path, start, end)
  await sendBody(response, path, start, start + Math.floor((end - start) / 2), false)
  response.destroy()
}

/** One range, and the whole for everything else. */
function rangeOf({ headers }: IncomingMessage, size: number, etag: string): { start: number; end: number } {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? []
  const isOther = headers['if-range'] !== undefined && headers['if-range'] !== etag
  if (first === undefined || Number(first) >= size || isOther) return { start: 0, end: size }
  return { start: Number(first), end: last ? Math.min(size, Number(last) + 1) : size }
}

async function sendBody(
  response: ServerResponse,
  path: string,
  start: number,
  end: number,
  isEnding = true,
): Promise<void> {
  if (sending === 0) lineFreeAt = performance.now()
  sending += 1
  for (const chunk of contentChunks(path, start, end, bytesPerSecond > 0 ? CHUNK_BYTES : Infinity)) {
    await onLine(chunk.length)
    if (response.destroyed) break
    bytes += chunk.length
    if (!response.write(chunk)) await progress(response)
  }
  sending -= 1
  if (isEnding) response.end()
}

/** All responses share the line; each chunk takes its turn on it. */
async function onLine(chunkBytes: number): Promise<void> {
  if (bytesPerSecond === 0) return
  const now = performance.now()
  lineFreeAt = Math.max(lineFreeAt, now - CATCH_UP_MS) + (chunkBytes / bytesPerSecond) * 1000
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

async function digest(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of request) hash.update(chunk as Buffer)
    response.writeHead(200, { 'Cache-Control': 'no-store' }).end(hash.digest('hex'))
  } catch {
    response.destroy() // whoever sent it has gone
  }
}
