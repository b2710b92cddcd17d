/** A response as a value, and its way onto a connection. */
import type { ServerResponse } from 'node:http'
import { systemClock, type Clock } from './clock.ts'
import { fieldsToRaw, type Fields } from './fields.ts'
import { lookEveryMs, Standstill } from './standstill.ts'

export interface Answer {
  readonly status: number
  /** The reason phrase; absent: the usual one. */
  readonly reason?: string
  readonly fields: Fields
  /** Absent for HEAD, 204 and 304. Read once; it throws when the body cannot be completed. */
  readonly body?: AsyncIterable<Uint8Array>
}

/** How writing a body ended. */
export type Written =
  | { readonly kind: 'complete'; readonly bytes: number }
  /** The client went away; nobody's fault. */
  | { readonly kind: 'aborted'; readonly bytes: number }
  /** The body broke off: the connection was cut, so that nobody takes the part for the whole (RFC 9112 8). */
  | { readonly kind: 'broken'; readonly bytes: number; readonly error: unknown }

const NOTHING = Buffer.alloc(0)

/**
 * Sends `answer`, at the pace of the slower side. Never throws.
 * @param stallMs who takes nothing for so long has gone without saying so, and is cut (V§4, exhaustion); absent: the
 *   server has time-outs of its own.
 */
export async function writeAnswer(
  response: ServerResponse,
  answer: Answer,
  stallMs?: number,
  clock: Clock = systemClock,
): Promise<Written> {
  const { body } = answer
  let bytes = 0
  try {
    response.writeHead(answer.status, answer.reason, fieldsToRaw(answer.fields))
    if (body === undefined) {
      response.end()
      return { kind: 'complete', bytes }
    }
    // The head goes out before the content comes; flushHeaders() would write it as UTF-8, but fields are octets.
    response.write(NOTHING)
    for await (const chunk of body) {
      if (response.destroyed) return { kind: 'aborted', bytes }
      bytes += chunk.length
      if (!response.write(chunk)) await drained(response, stallMs, clock)
    }
    if (response.destroyed) return { kind: 'aborted', bytes }
    response.end()
    return { kind: 'complete', bytes }
  } catch (error) {
    // Who has gone has ended the body, too: that is no fault of it.
    if (response.destroyed) return { kind: 'aborted', bytes }
    cut(response)
    return { kind: 'broken', bytes, error }
  }
}

/** A close would look like the end to whoever counts on it for want of a length (HTTP/1.0); a reset does not. */
function cut(response: ServerResponse): void {
  const endsByClosing =
    response.headersSent && !response.hasHeader('content-length') && !response.chunkedEncoding
  try {
    if (endsByClosing) response.socket?.resetAndDestroy()
  } catch {
    // A Unix socket knows no reset; its clients know HTTP/1.1.
  }
  response.destroy()
}

/** Resolves when the client has taken what was written, or has gone. @param stallMs as for `writeAnswer`. */
export function drained(
  response: ServerResponse,
  stallMs?: number,
  clock: Clock = systemClock,
): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve()
    const unwatch = stallMs === undefined ? () => {} : watchStall(response, stallMs, clock)
    const done = () => {
      response.off('drain', done).off('close', done)
      unwatch()
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

/** Cuts a connection on which nothing has moved for `stallMs`. @returns what ends that. */
function watchStall(response: ServerResponse, stallMs: number, clock: Clock): () => void {
  const standstill = new Standstill(stallMs)
  const everyMs = lookEveryMs(stallMs)
  const onTimeout = () => {
    const { socket } = response
    const isStalled = socket !== null && standstill.look(socket, clock.monotonic()) >= stallMs
    if (isStalled) response.destroy()
    else response.setTimeout(everyMs)
  }
  response.on('timeout', onTimeout).setTimeout(everyMs)
  return () => void response.off('timeout', onTimeout).setTimeout(0)
}

/** A body of one piece. */
export async function* bodyOf(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}
