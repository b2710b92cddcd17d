/**
 * Bytes of a connection that the system holds and that the other side has not taken. Node hears of a reader only when a third of the system's
 * buffer is free again: of one that takes 25 kB/s, steadily, nothing for half a minute.
 */
import { readFileSync } from 'node:fs'
import { isIPv4, type Socket } from 'node:net'
import type { Clock, Monotonic } from './clock.ts'

type Ends = Pick<Socket, 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort'>

/** Linux' list of all connections; one for those that look at the same moment. */
const LIST = '/proc/net/tcp'
const SAME_MOMENT_MS = 100

/** @returns what tells them of one; 0 for all where the system does not tell (only Linux does, of IPv4). */
export function untakenBytes(
  clock: Clock,
  list: () => string = () => readFileSync(LIST, 'latin1'),
): (socket: Ends) => number {
  let known = new Map<string, number>()
  let readAt = -Infinity as Monotonic
  return ({ localAddress, localPort, remoteAddress, remotePort }) => {
    const key = `${hexOf(localAddress, localPort)} ${hexOf(remoteAddress, remotePort)}`
    if (clock.monotonic() - readAt >= SAME_MOMENT_MS) {
      readAt = clock.monotonic()
      known = untakenIn(list)
    }
    return known.get(key) ?? 0
  }
}

function untakenIn(list: () => string): Map<string, number> {
  try {
    const lines = list().matchAll(
      /^ *\d+: ([0-9A-F]{8}:[0-9A-F]{4}) ([0-9A-F]{8}:[0-9A-F]{4}) \w+ ([0-9A-F]{8}):/gm,
    )
    return new Map(
      Array.from(lines, ([, local, remote, bytes = '']) => [`${local} ${remote}`, parseInt(bytes, 16)]),
    )
  } catch {
    return new Map()
  }
}

/** As the list has it: the address as a number of this machine, which is little-endian wherever Node runs. */
function hexOf(address = '', port = 0): string {
  const plain = address.replace(/^::ffff:/, '')
  if (!isIPv4(plain)) return ''
  const bytes = plain.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))
  return `${bytes.toReversed().join('')}:${port.toString(16).padStart(4, '0')}`.toUpperCase()
}
