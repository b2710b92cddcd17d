/** Faults: what goes wrong beyond the expected outcomes, each with a stable code and whose fault it is. */

/** Whose fault it is; the HTTP status follows from it (docs/errors.md). */
export type Blame =
  | 'user-agent'
  | 'peer'
  | 'origin-server'
  | 'node'
  /** An application finds no node that answers, or it has gone: the daemon is to be started. */
  | 'daemon'
  /** What somebody has written there is to be changed. */
  | 'configuration'

/**
 * Every fault of the product: its HTTP status, RFC 9209 error type, and blame.
 * Codes are append-only; `docs/errors.md` explains them one by one.
 */
export const FAULTS = {
  BAD_REQUEST: { blame: 'user-agent', status: 400, proxyStatus: 'http_request_error' },
  REQUEST_TIMEOUT: { blame: 'user-agent', status: 408, proxyStatus: 'http_request_error' },
  HEAD_TOO_LARGE: { blame: 'user-agent', status: 431, proxyStatus: 'http_request_error' },
  METHOD_UNKNOWN: { blame: 'user-agent', status: 501, proxyStatus: 'http_request_error' },
  FORBIDDEN_TARGET: { blame: 'user-agent', status: 403, proxyStatus: 'destination_ip_prohibited' },
  LOOP_DETECTED: { blame: 'user-agent', status: 508, proxyStatus: 'proxy_loop_detected' },
  EXPECTATION_FAILED: { blame: 'user-agent', status: 417, proxyStatus: 'http_request_error' },
  NOT_A_PROXY_REQUEST: { blame: 'user-agent', status: 421, proxyStatus: 'http_request_error' },
  NOT_ALLOWED: { blame: 'configuration', status: 403, proxyStatus: 'http_request_denied' },
  NOT_FOUND: { blame: 'user-agent', status: 404, proxyStatus: 'http_request_error' },
  ABORTED: { blame: 'user-agent', status: 499, proxyStatus: 'http_request_error' },
  GATEWAY_REFUSED: { blame: 'user-agent', status: 403, proxyStatus: 'http_request_denied' },
  DNS_FAILED: { blame: 'origin-server', status: 502, proxyStatus: 'dns_error' },
  DNS_TIMEOUT: { blame: 'origin-server', status: 504, proxyStatus: 'dns_timeout' },
  CONNECT_REFUSED: { blame: 'origin-server', status: 502, proxyStatus: 'connection_refused' },
  CONNECT_TIMEOUT: { blame: 'origin-server', status: 504, proxyStatus: 'connection_timeout' },
  UNREACHABLE: { blame: 'origin-server', status: 502, proxyStatus: 'destination_ip_unroutable' },
  RESPONSE_TIMEOUT: { blame: 'origin-server', status: 504, proxyStatus: 'http_response_timeout' },
  RESPONSE_INCOMPLETE: { blame: 'origin-server', status: 502, proxyStatus: 'http_response_incomplete' },
  RESPONSE_INVALID: { blame: 'origin-server', status: 502, proxyStatus: 'http_protocol_error' },
  RESPONSE_CHANGED: { blame: 'origin-server', status: 502, proxyStatus: 'http_protocol_error' },
  RESPONSE_REFUSED: { blame: 'origin-server', status: 502, proxyStatus: 'http_protocol_error' },
  PEER_FAILED: { blame: 'peer', status: 502, proxyStatus: 'connection_terminated' },
  PEER_BUSY: { blame: 'peer', status: 503, proxyStatus: 'connection_limit_reached' },
  PEER_LOST: { blame: 'peer', status: 502, proxyStatus: 'connection_terminated' },
  PEER_STALLED: { blame: 'peer', status: 504, proxyStatus: 'connection_read_timeout' },
  PEER_SLOW: { blame: 'peer', status: 504, proxyStatus: 'connection_read_timeout' },
  VERIFICATION_FAILED: { blame: 'peer', status: 502, proxyStatus: 'http_response_incomplete' },
  STORE_FAILED: { blame: 'node', status: 500, proxyStatus: 'proxy_internal_error' },
  STORE_FULL: { blame: 'node', status: 507, proxyStatus: 'proxy_internal_error' },
  STORE_CORRUPT: { blame: 'node', status: 500, proxyStatus: 'proxy_internal_error' },
  ADDRESS_IN_USE: { blame: 'node', status: 500, proxyStatus: 'proxy_internal_error' },
  CONFIG_INVALID: { blame: 'configuration', status: 500, proxyStatus: 'proxy_configuration_error' },
  STOPPING: { blame: 'node', status: 503, proxyStatus: 'proxy_internal_error' },
  NODE_UNREACHABLE: { blame: 'daemon', status: 503, proxyStatus: 'proxy_internal_error' },
  OVERLOADED: { blame: 'node', status: 503, proxyStatus: 'connection_limit_reached' },
} as const satisfies Record<string, { blame: Blame; status: number; proxyStatus: string }>

export type FaultCode = keyof typeof FAULTS

/** `message` says what was expected, what came, and from whom; it never holds credentials. */
export class Fault extends Error {
  readonly code: FaultCode
  /** Whose fault it is: as the code says, unless it is known better. */
  readonly blame: Blame

  constructor(code: FaultCode, message: string, options?: { cause?: unknown; blame?: Blame | undefined }) {
    super(message, options)
    this.name = 'Fault'
    this.code = code
    this.blame = options?.blame ?? FAULTS[code].blame
  }
}

/** What any thrown value says about itself, for logs and error pages. */
export function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  const code = 'code' in thrown ? String(thrown.code) : ''
  return thrown.message === '' ? code || thrown.name : thrown.message
}

/** What was thrown, as a fault: one of this code where it was none. */
export function asFault(thrown: unknown, code: FaultCode): Fault {
  return thrown instanceof Fault ? thrown : new Fault(code, describe(thrown), { cause: thrown })
}
