/** The seam of whom to believe: certificates that the configuration names (R8.2). */
import type { Policy } from '../../core/policy.ts'
import type { Trust } from '../../signing/chain.ts'

export interface Signers {
  /** Whose signatures prove files under this rule; `undefined`: nobody's. */
  trustFor(policy: Policy): Trust | undefined
}

/** A node that knows no publisher. */
export const noSigners: Signers = { trustFor: () => undefined }
