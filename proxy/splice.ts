/** Two connections joined into one: what a tunnel and an upgraded connection are after the first answer. */
import type { Duplex } from 'node:stream'
import type { Clock } from '../core/clock.ts'
import { watchSilence } from './silence.ts'

/** Bytes that a client may send before the other side is ready; then it is not read until it is. */
const MAX_EARLY_BYTES = 65_536

/**
 * Reads a client that waits, so that its leaving is noticed, and keeps what it sends.
 * @param head what was read from it together with its request
 * @param onGone the client has ended or broken its side
 * @returns gives the bytes back to the socket, unread, and stops watching; harmless when called twice
 */
export function holdBytes(client: Duplex, head: Buffer, onGone: () => void): () => void {
  const held = [head]
  let heldBytes = head.length
  const hold = (chunk: Buffer) => {
    held.push(chunk)
    heldBytes += chunk.length
    if (heldBytes >= MAX_EARLY_BYTES) client.pause()
  }
  client.on('data', hold).on('end', onGone).on('close', onGone).resume()
  return () => {
    client.off('data', hold).off('end', onGone).off('close', onGone)
    client.pause()
    const bytes = Buffer.concat(held.splice(0))
    if (bytes.length > 0 && !client.readableEnded && !client.destroyed) client.unshift(bytes)
  }
}

/**
 * Carries bytes both ways until both sides have ended; an end on one side is passed on and leaves the other way open
 * (half-close). A break on one side breaks the other; so does `idleMs` without a byte in either direction.
 * @returns resolves when both are closed
 */
export async function splice(one: Duplex, other: Duplex, idleMs: number, clock: Clock): Promise<void> {
  const breakBoth = () => {
    one.destroy()
    other.destroy()
  }
  const watch = watchSilence(clock, () => idleMs, breakBoth)
  await Promise.all([carry(one, other, watch.touch), carry(other, one, watch.touch)])
  watch.stop()
}

function carry(from: Duplex, to: Duplex, onBytes: () => void): Promise<void> {
  return new Promise((resolve) => {
    const onClose = () => {
      // Closed after both ends were passed on: what `to` still has to write may go out. Otherwise it was cut.
      if (!from.readableEnded || !from.writableFinished) to.destroy()
      resolve()
    }
    if (from.destroyed) return onClose()
    from.on('error', () => to.destroy()).on('close', onClose)
    from.on('data', onBytes)
    from.pipe(to)
  })
}
