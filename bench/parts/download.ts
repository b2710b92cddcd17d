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

export interface DownloadOptions {
  readonly isDigested?: boolean
  /** The value of `Range`. */
  readonly range?: string
  /** The client goes away after so many bytes. */
  readonly abortAfterBytes?: number
}

/** @throws Error for anything but a whole 200, or 206 where a range was asked for, unless it aborts itself. */
export function download(
  uri: string,
  proxyPort: number,
  { isDigested = false, range, abortAfterBytes = Infinity }: DownloadOptions = {},
): Promise<Download> {
  const began = performance.now()
  const digest = isDigested ? createHash('sha256') : undefined
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: proxyPort,
      path: uri,
      agent: false,
      headers: { Host: new URL(uri).host, ...(range === undefined ? {} : { Range: range }) },
    }
    const asking = request(options, (response) => {
      let bytes = 0
      let firstByteMs = NaN
      if (response.statusCode !== 200 && !(range !== undefined && response.statusCode === 206))
        reject(new Error(`${uri}: ${response.statusCode}`))
      response.on('data', (chunk: Buffer) => {
        if (bytes === 0) firstByteMs = performance.now() - began
        bytes += chunk.length
        digest?.update(chunk)
        if (bytes < abortAfterBytes) return
        asking.destroy()
        done()
      })
      response.on('error', reject)
      response.on('end', done)
      function done() {
        resolve({ firstByteMs, totalMs: performance.now() - began, bytes, sha256: digest?.digest('hex') })
      }
    })
    asking.on('error', reject).end()
  })
}
