/** One plain GET through a proxy, timed. */
import { createHash } from 'node:crypto'
import { request } from 'node:http'

export interface Download {
  /** Until the first byte of the body, in ms. */
  readonly firstByteMs: number
  readonly totalMs: number
  readonly bytes: number
  /** Absent where `isDigested` was not wanted: it costs the client time. */
  readonly sha256: string | undefined
}

/** @throws Error for anything but a whole 200. */
export function download(uri: string, proxyPort: number, isDigested = false): Promise<Download> {
  const began = performance.now()
  const digest = isDigested ? createHash('sha256') : undefined
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: proxyPort,
      path: uri,
      agent: false,
      headers: { Host: new URL(uri).host },
    }
    const asking = request(options, (response) => {
      let bytes = 0
      let firstByteMs = NaN
      if (response.statusCode !== 200) reject(new Error(`${uri}: ${response.statusCode}`))
      response.on('data', (chunk: Buffer) => {
        if (bytes === 0) firstByteMs = performance.now() - began
        bytes += chunk.length
        digest?.update(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        resolve({ firstByteMs, totalMs: performance.now() - began, bytes, sha256: digest?.digest('hex') })
      })
    })
    asking.on('error', reject).end()
  })
}
