/** Which fault it is when a connection to an origin server or to a peer fails, from what Node says about it. */
import { errorCode } from '../core/error-code.ts'
import { describe, Fault, type FaultCode } from '../core/fault.ts'

/**
 * @param thrown what the socket or the HTTP parser reported; a Fault stays as it is
 * @param authority `host:port` for the message
 */
export function connectionFault(thrown: unknown, authority: string): Fault {
  if (thrown instanceof Fault) return thrown
  const cause = rootOf(thrown)
  const code = errorCode(cause)
  const fault = CODES[code] ?? (code.startsWith('HPE_') ? 'RESPONSE_INVALID' : 'RESPONSE_INCOMPLETE')
  return new Fault(fault, `${authority}: ${describe(cause)}`, { cause: thrown })
}

/**
 * The same where the connection was to a peer: a way that this machine does not find for want of something of its own is lost, and
 * nobody is to blame for it.
 */
export function peerConnectionFault(thrown: unknown, authority: string): Fault {
  const fault = connectionFault(thrown, authority)
  return isOwnLack(thrown) ? new Fault('PEER_LOST', fault.message, { cause: thrown }) : fault
}

/** Whether the address that the connection was to be made from is not there. */
export function isAddressGone(thrown: unknown): boolean {
  return errorCode(rootOf(thrown)) === 'EADDRNOTAVAIL'
}

function isOwnLack(thrown: unknown): boolean {
  return OWN_LACKS.has(errorCode(rootOf(thrown)))
}

/** No such address or port, no network, no file descriptor, no memory, or a firewall of its own. */
const OWN_LACKS: ReadonlySet<string> = new Set([
  'EADDRNOTAVAIL',
  'ENETDOWN',
  'ENETUNREACH',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EACCES',
  'EPERM',
])

const CODES: Readonly<Record<string, FaultCode>> = {
  ENOTFOUND: 'DNS_FAILED',
  ENODATA: 'DNS_FAILED',
  EAI_AGAIN: 'DNS_TIMEOUT',
  EAI_FAIL: 'DNS_FAILED',
  ECONNREFUSED: 'CONNECT_REFUSED',
  ETIMEDOUT: 'CONNECT_TIMEOUT',
  EHOSTUNREACH: 'UNREACHABLE',
  ENETUNREACH: 'UNREACHABLE',
  EADDRNOTAVAIL: 'UNREACHABLE',
}

/** Node tries all addresses of a name and reports all their errors together; the first says the most. */
function rootOf(thrown: unknown): unknown {
  return thrown instanceof AggregateError ? (thrown.errors[0] ?? thrown) : thrown
}
