/** A node's status, for what people are told of it. */
import type { GatewayTotals } from '../../gateway/audit.ts'
import type { GatewayStatus } from '../../service/gateway-status.ts'
import type { Status } from '../../service/status.ts'
import { tally } from '../../service/totals.ts'

export const STATUS: Status = {
  version: '1.2.3',
  node: 'abc',
  control: undefined,
  upMs: 65_000,
  proxy: '0.0.0.0:3128',
  peering: undefined,
  cache: { bytes: 1_500_000, partialBytes: 0, maxBytes: 2_000_000_000, responses: 7, directory: '/cache' },
  transfers: [],
  totals: { ...tally().totals(), receivedBytes: { peer: 1000, 'in-progress': 2000, internet: 500 } },
  filePort: { refused: {}, lastRefused: [] },
  packets: {},
  indexes: { read: 0, failed: 0 },
  shunned: [],
  signatures: { verified: 0, refused: {} },
  cautions: [],
  updates: [],
  functions: [],
}

const SERVED: GatewayTotals = {
  served: 0,
  failed: 0,
  withdrawn: 0,
  bytes: 0,
  refused: {},
  members: [],
  lastRefused: [],
}

/** The same of a member that offers its Internet access. */
export function gatewayStatus(served: Partial<GatewayTotals>): Status {
  const gateway: GatewayStatus = {
    reach: 'direct',
    forMs: undefined,
    asked: { gateway: undefined, requests: 0, bytes: 0 },
    isOffering: true,
    served: { ...SERVED, ...served },
    checks: { isChecking: false, watched: 0, checks: 0, news: 0, aheadBytes: 0 },
  }
  return { ...STATUS, gateway }
}
