/**
 * What a member of the site tells the others of a peer that it has caught with wrong bytes (V§4 "poisoning by a peer"): who, and as
 * evidence which bytes came under which name. All that a member says is signed. They take it as a hint (peering/cautions.ts): of
 * what was sent the bytes alone would be proof, and those nobody has signed.
 */
import { isIPv4 } from 'node:net'
import type { Sha256 } from '../core/digest.ts'
import type { Address } from '../core/transport.ts'
import type { Evidence } from '../peering/cautions.ts'
import type { Extras } from '../peering/packets.ts'
import type { PrivateNames } from '../site/private-names.ts'
import type { Suspicion } from '../verify/shunned-peers.ts'

/** The type of its packet. */
export const CAUTION = 'site-caution'

export interface Warning {
  readonly peer: Address
  readonly evidence: Evidence | undefined
}

/** The attributes of the packet; the name is the private one, which strangers cannot read. */
export function warningWords(
  peer: Address,
  suspect: Suspicion | undefined,
  names: Pick<PrivateNames, 'privateNameOf'>,
): Extras {
  const evidence = suspect?.body !== undefined && [
    ['resource', names.privateNameOf(suspect.uri)] as const,
    ['body', suspect.body] as const,
  ]
  return [['peer', peer], ...(evidence || [])]
}

/** `undefined` where it warns of nobody. */
export function readWarning(extras: Extras): Warning | undefined {
  const {
    peer = '',
    resource = '',
    body = '',
  } = Object.fromEntries(extras) as Partial<Record<string, string>>
  if (!isIPv4(peer)) return undefined
  const isEvidence = PRIVATE_NAME.test(resource) && SHA256.test(body)
  return {
    peer: peer as Address,
    evidence: isEvidence ? { resource, body: body as Sha256 } : undefined,
  }
}

const PRIVATE_NAME = /^site:\d{1,10}\.[\da-f]{32}$/
const SHA256 = /^[\da-f]{64}$/
