/** Why a signed file is not believed: one word for programs, one sentence for people. */

/** Every reason; append-only, each explained in docs/updates.md. */
export type SignatureRefusal =
  | 'unsigned'
  | 'malformed'
  | 'altered'
  | 'weak-signature'
  | 'wrong-signer'
  | 'certificate-expired'
  | 'certificate-not-yet-valid'
  | 'certificate-revoked'
  | 'certificate-unsuitable'
  | 'revocation-unknown'
  | 'unsafe-name'
  | 'oversized'
  | 'wrong-name'
  | 'wrong-version'
  | 'unnamed'

/** Thrown by the readers of this floor, and made a value where a caller asks for a verdict. */
export class Refusal extends Error {
  readonly reason: SignatureRefusal

  /** @param detail what was expected and what came. */
  constructor(reason: SignatureRefusal, detail: string, options?: { cause?: unknown }) {
    super(detail, options)
    this.name = 'Refusal'
    this.reason = reason
  }
}

/** Fails with `reason` unless `holds`. */
export function demand(holds: boolean, reason: SignatureRefusal, detail: string): asserts holds {
  if (!holds) throw new Refusal(reason, detail)
}
