/** What a rule of `proxy.config.yaml` says about the URLs that it matches (R6.3). */

/**
 * How a copy from a peer is verified: `auto` by the ladder (V1 to V4), `strict` likewise but without MD5 (V3), `updater`
 * because the application verifies for itself (V5).
 */
export const VERIFY_MODES = ['auto', 'updater', 'strict'] as const
export type VerifyMode = (typeof VERIFY_MODES)[number]

/** `.p7s`, `.sign`: what is added to a URL. */
export type SignatureSuffix = `.${string}`

export interface Policy {
  /** The rule's name in logs and in "why": a preset's name, or the pattern itself. */
  readonly rule: string
  /** May the URL be named to the LAN, and the copy offered to it? */
  readonly share: boolean
  /** Does this name always mean the same bytes? Then a copy is fresh without any validator or lifetime. */
  readonly immutable: boolean
  /** Whether responses may be stored at all. */
  readonly store: boolean
  readonly verify: VerifyMode
  /** Can or will the application wait for a peer's running download (patent A, FIG. 4B, 148)? */
  readonly waitForDownloads: boolean
  /** Whether a gateway gets it for members of the site without Internet access (R10.4); absent: what is shared. */
  readonly gateway?: boolean
  /** URL globs of files elsewhere for which an index with such a URL gives digests (V2), beside those below its own root. */
  readonly speaksFor?: readonly string[]
  /** Files of certificates that signatures of these files must lead to; absent: those for all rules that say `signature`. */
  readonly signers?: readonly string[]
  /**
   * Where the signature is: in the file itself, or beside it at the URL with this at its end. Absent: in the file, if the rule
   * names signers; else signatures prove nothing here.
   */
  readonly signature?: 'embedded' | SignatureSuffix
}
