/** How members and gateways speak with each other over HTTP (docs/gateway.md, "On the wire"). */
import type { FaultCode } from '../core/fault.ts'
import { FAULTS } from '../core/fault.ts'
import type { Fields } from '../core/fields.ts'
import { functionName, type FunctionName } from '../providers/functions.ts'
import type { Unsigned } from '../site/http-signature.ts'

/** Where a gateway answers, on the port for files. */
export const GATEWAY_PATH = '/functions/internet-gateway'

export const GATEWAY_FUNCTION = functionName('internet-gateway') as FunctionName

/** The same for the machine that checks on behalf of all. */
export const CHECKER_PATH = '/functions/update-checker'
export const CHECKER_FUNCTION = functionName('update-checker') as FunctionName

/** The URL that is wanted, in a request. */
export const TARGET_FIELD = 'Ihave-Target'

/** What became of it, in a response: `served`, `refused; REASON`, `failed; CODE`. */
export const OUTCOME_FIELD = 'Ihave-Gateway'

/** URLs of updates are shorter. */
export const MAX_TARGET_CHARACTERS = 2000

/** Why a gateway does not do it; each is counted. Append-only. */
export type Refusal =
  | Unsigned
  | 'no-gateway'
  | 'method'
  | 'no-url'
  | 'https'
  | 'not-shared'
  | 'credentials'
  | 'port'
  | 'internal-address'
  | 'internal-redirect'
  | 'too-many-requests'
  | 'too-many-bytes'
  | 'too-many-at-once'

/** The status of each refusal. */
export const REFUSALS: Readonly<Record<Refusal, number>> = {
  unsigned: 401,
  'unknown-member': 401,
  'another-time': 401,
  'wrong-signature': 401,
  replayed: 401,
  'too-many-nonces': 503,
  'no-gateway': 404,
  method: 405,
  'no-url': 400,
  https: 403,
  'not-shared': 403,
  credentials: 403,
  port: 403,
  'internal-address': 403,
  'internal-redirect': 403,
  'too-many-requests': 429,
  'too-many-bytes': 429,
  'too-many-at-once': 429,
}

export type Outcome =
  | { readonly kind: 'served' }
  | { readonly kind: 'refused'; readonly reason: Refusal }
  /** It was asked for, and there was no response. */
  | { readonly kind: 'failed'; readonly code: FaultCode }

export function printOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'served':
      return 'served'
    case 'refused':
      return `refused; ${outcome.reason}`
    case 'failed':
      return `failed; ${outcome.code}`
  }
}

/** @returns `undefined` for what is no outcome. */
export function readOutcome(text: string | undefined): Outcome | undefined {
  if (text === 'served') return { kind: 'served' }
  const [, kind, word = ''] = /^(refused|failed); ([\w-]{1,40})$/.exec(text ?? '') ?? []
  if (kind === 'refused' && word in REFUSALS) return { kind, reason: word as Refusal }
  if (kind === 'failed' && word in FAULTS) return { kind, code: word as FaultCode }
  return undefined
}

/** Fields of a request that go on to the origin server; what else a program says stays on its machine. */
const PASSED = [
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'pragma',
  'range',
  'user-agent',
  'via',
  'want-content-digest',
  'want-digest',
  'want-repr-digest',
]

export function passedFields(fields: Fields): Fields {
  return fields.filter(([name]) => PASSED.includes(name.toLowerCase()))
}

/** Fields of a response that are the gateway's and not the origin server's. */
export const OWN_FIELDS = [OUTCOME_FIELD, 'Ihave-Pass', 'Signature', 'Signature-Input']
