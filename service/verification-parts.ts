/** How a node judges what peers send (docs/verification.md): every means that is configured, put together. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { systemClock } from '../core/clock.ts'
import { Fault } from '../core/fault.ts'
import type { Store } from '../core/store.ts'
import { parseTargetUri } from '../core/target-uri.ts'
import type { Upstream } from '../core/upstream.ts'
import type { Verifier } from '../core/verifier.ts'
import { freshnessLifetimeMs } from '../cache/semantics/freshness.ts'
import { grantFor } from '../retrieval/speaks-for.ts'
import type { Rules } from '../retrieval/rules.ts'
import { attestationBook } from '../site/attestation-book.ts'
import { withAttestations } from '../site/attested.ts'
import type { Site } from '../site/site.ts'
import { vouch, type VouchingComponents } from '../site/vouching.ts'
import { digestRecords } from '../verify/digest-records.ts'
import { gatheredIndexes, nothingGathered, type GatheredIndexes } from '../verify/gathered-indexes.ts'
import { verifierLadder } from '../verify/ladder.ts'
import { noOriginDigests, originDigests } from '../verify/origin-digests.ts'
import type { ShunnedPeers } from '../verify/shunned-peers.ts'
import { detachedSignatures } from '../verify/signature/asked-signatures.ts'
import { signatures, type Signatures } from '../verify/signature/signatures.ts'
import { noSigners, type Signers } from '../verify/signature/signers.ts'
import type { Config } from './config.ts'

/** A request waits no longer than the application's patience with peers; the largest indexes of distributions fit. */
const GATHERING = { maxWaitMs: 400, maxStoredBytes: 256 * 1024 * 1024, maxDecodedBytes: 1024 * 1024 * 1024 }

export interface VerificationPartsComponents {
  readonly store: Store
  readonly rules: Rules
  readonly site: Site
  readonly shunned: ShunnedPeers
  /** To origin servers, by whichever way. */
  readonly origin: Upstream
  /** Whether something is on its way for an application. */
  readonly isBusy: () => boolean
  readonly relayedBy: NonNullable<VouchingComponents['relayedBy']>
  readonly fetching: VouchingComponents['fetching']
  readonly log: Logger
}

export class VerificationParts {
  readonly gathered: GatheredIndexes
  readonly signatures: Signatures
  readonly #config: Config
  readonly #components: VerificationPartsComponents
  #signers: Signers = noSigners
  /** What ends what was begun, in order; ended in reverse. */
  readonly #begun: (() => Promise<void> | void)[] = []

  /** @throws Fault CONFIG_INVALID when the named configuration of apt is not there. */
  constructor(config: Config, components: VerificationPartsComponents) {
    const { aptConfig } = config.verification
    if (aptConfig !== 'auto' && aptConfig !== 'off' && !existsSync(aptConfig))
      throw new Fault('CONFIG_INVALID', `verification.aptConfig: there is no file ${aptConfig}`)
    this.#config = config
    this.#components = components
    this.gathered = this.#gathering()
    this.signatures = signatures({
      clock: systemClock,
      signers: { trustFor: (policy) => this.#signers.trustFor(policy) },
      detached: detachedSignatures({ clock: systemClock, origin: components.origin }),
    })
  }

  /** Signers, only where some are named; a revocation list that cannot be read is an error even where nobody is. */
  async load(): Promise<void> {
    const { verification } = this.#config
    const { rules, log } = this.#components
    const isAny =
      verification.signers !== 'none' ||
      verification.revocations !== 'none' ||
      rules.all.some(({ signers, signature }) => signers !== undefined || signature !== undefined)
    if (!isAny) return
    const onTrouble = (detail: string) => log.warn({ detail }, 'signers were not read again')
    const { TrustedSigners } = await import('./trusted-signers.ts')
    this.#signers = new TrustedSigners(verification, rules.all, { clock: systemClock, onTrouble })
  }

  async start(): Promise<void> {
    this.gathered.start()
    this.#begun.push(() => this.gathered.stop())
  }

  async stop(): Promise<void> {
    for (const end of this.#begun.splice(0).toReversed()) await end()
  }

  /** The ladder V1 to V6 (V§1); members' words count once this machine belongs to a site. */
  verifier(): Verifier {
    const { verification } = this.#config
    const { origin, shunned, log } = this.#components
    const ladder = verifierLadder(
      { apt: verification.aptConfig },
      {
        clock: systemClock,
        gathered: this.gathered,
        signatures: this.signatures,
        origins: verification.askOrigin
          ? originDigests({ clock: systemClock, origin, freshForMs: freshnessLifetimeMs })
          : noOriginDigests,
        isBadBody: (body) => shunned.isBadBody(body),
        log: (event) => log.info(event, event.kind),
      },
    )
    return this.#config.site.attest ? this.#attested(ladder) : ladder
  }

  /** V4. */
  #attested(ladder: Verifier): Verifier {
    const { site, store, rules, origin, relayedBy, fetching } = this.#components
    const book = attestationBook(join(this.#config.cache.directory, 'attestations.sqlite'))
    const end = vouch({
      clock: systemClock,
      site,
      store,
      book,
      relayedBy,
      fetching,
      freshForMs: (response) => freshnessLifetimeMs(response, rules.policyFor(response.uri)),
    })
    this.#begun.push(() => {
      end()
      book.close()
    })
    return withAttestations(ladder, this.#config.site, { clock: systemClock, site, book, origin })
  }

  /** V2. */
  #gathering(): GatheredIndexes {
    const { cache, verification, updates } = this.#config
    const { store, rules, isBusy, log } = this.#components
    if (!verification.gather) return nothingGathered
    const onDamage = (reason: string) => log.warn({ reason }, 'digests were lost')
    const records = digestRecords(
      { path: join(cache.directory, 'digests.sqlite'), maxDigests: verification.maxDigests },
      { onDamage },
    )
    return gatheredIndexes(GATHERING, {
      clock: systemClock,
      store,
      records,
      grantFor: (index) => grantFor(rules, index),
      isVerifiedHere: (index) => updates.some(({ catalog }) => parseTargetUri(catalog) === index),
      isBusy,
      log: (event) => log.info(event, event.kind),
    })
  }
}
