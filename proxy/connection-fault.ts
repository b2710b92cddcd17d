/** Which fault it is when a connection to an origin server fails, from what Node says about it. */
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
