/** An answer's way onto a bare connection: core/answer.ts without node:http's message objects. */
import type { Socket } from 'node:net'
import type { Answer, Written } from '../../core/answer.ts'
import { fieldValue } from '../../core/fields.ts'
import type { Framing } from './message-head.ts'

/** How the content of `answer` is framed for an HTTP/1.1 user agent. */
export function framingOf({ status, fields, body }: Answer, method: string): Framing {
  if (method === 'HEAD' || status === 204 || status === 304) return 'none'
  return body === undefined || fieldValue(fields, 'content-length') !== undefined ? 'length' : 'chunked'
}

/**
 * Sends `head` and the body behind it, at the pace of the slower side. Never throws.
 * @param sent is told of each piece of a body that the connection no longer needs.
 */
export async function sendAnswer(
  socket: Socket,
  head: string,
  { fields, body }: Answer,
  framing: Framing,
  sent: (piece: Uint8Array) => void,
): Promise<Written> {
  // The head goes out before the content comes; with the content, when that is there already.
  if (socket.writable) {
    socket.cork()
    process.nextTick(() => socket.uncork())
    socket.write(head, 'latin1')
  }
  if (body === undefined || framing === 'none') return complete(socket, 0)
  const announced = framing === 'length' ? Number(fieldValue(fields, 'content-length')) : undefined
  const pieces = framing === 'chunked' ? chunkWriter(socket, sent) : pieceWriter(socket, sent)
  return sendBody(socket, body, announced, pieces)
}

/** Writes one piece, and the end. */
interface PieceWriter {
  /** @returns whether more may be written at once. */
  readonly write: (piece: Uint8Array) => boolean
  readonly end: () => void
}

async function sendBody(
  socket: Socket,
  body: AsyncIterable<Uint8Array>,
  announced: number | undefined,
  { write, end }: PieceWriter,
): Promise<Written> {
  let bytes = 0
  try {
    for await (const piece of body) {
      if (!socket.writable) return { kind: 'aborted', bytes }
      if (piece.length === 0) continue
      // A byte too many would be the next response's first.
      if (bytes + piece.length > (announced ?? Infinity)) throw new RangeError('more content than announced')
      bytes += piece.length
      // A large piece is always too much for the buffer, and yet gone at once when the connection takes it.
      if (!write(piece) && socket.writableLength > 0) await drained(socket)
    }
    if (bytes < (announced ?? 0) && socket.writable) throw new RangeError('less content than announced')
    end()
    return complete(socket, bytes)
  } catch (error) {
    const hasGone = !socket.writable
    // Whatever the framing is, an end that is missing shows that the part is not the whole (RFC 9112 8).
    socket.uncork()
    socket.destroy()
    // Who has gone has ended the body, too: that is no fault of it.
    return hasGone ? { kind: 'aborted', bytes } : { kind: 'broken', bytes, error }
  }
}

function complete(socket: Socket, bytes: number): Written {
  return { kind: socket.writable ? 'complete' : 'aborted', bytes }
}

function pieceWriter(socket: Socket, sent: (piece: Uint8Array) => void): PieceWriter {
  return {
    write: (piece) => socket.write(piece, (error) => error ?? sent(piece)),
    end: () => {},
  }
}

/** RFC 9112 7.1. */
function chunkWriter(socket: Socket, sent: (piece: Uint8Array) => void): PieceWriter {
  return {
    write(piece) {
      socket.cork()
      socket.write(`${piece.length.toString(16)}\r\n`, 'latin1')
      socket.write(piece, (error) => error ?? sent(piece))
      const mayGoOn = socket.write('\r\n', 'latin1')
      socket.uncork()
      return mayGoOn
    },
    end: () => void (socket.writable && socket.write('0\r\n\r\n', 'latin1')),
  }
}

/** Resolves when the connection takes more, or has gone. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (!socket.writable || !socket.writableNeedDrain) return resolve()
    const done = () => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}
