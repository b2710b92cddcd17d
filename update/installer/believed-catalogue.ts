/** The catalogue, from the origin server or through a gateway, never from a peer; and what is remembered of it. */
import type { Clock } from '../../core/clock.ts'
import { MAX_CATALOGUE_BYTES } from '../limits.ts'
import type { PublisherTrust } from '../trust-file.ts'
import type { UpdateEvent } from './events.ts'
import type { Fetcher } from './fetcher.ts'
import type { Installation } from './installation.ts'
import { openCatalogue, type OpenedCatalogue } from './open-catalogue.ts'
import { noteProxyFailure, type Report } from './report.ts'

/** The packages of a catalogue that was verified, wanted here or not. */
export interface VerifiedCatalogue {
  /** Its absolute URL. */
  readonly catalog: string
  readonly files: readonly {
    /** Absolute. */
    readonly url: string
    readonly size: number
    /** Lower-case hexadecimal. */
    readonly sha256: string
  }[]
}

export interface CatalogueSettings {
  readonly catalog: string
  readonly trust: PublisherTrust
  readonly leastBytesPerS: number
}

export interface CatalogueTools {
  readonly clock: Pick<Clock, 'wall'>
  readonly fetcher: Fetcher
  readonly emit: (event: UpdateEvent) => void
  readonly onVerified?: (verified: VerifiedCatalogue) => void
}

/** @throws Refused, Refusal */
export async function believedCatalogue(
  installation: Installation,
  { catalog, trust, leastBytesPerS }: CatalogueSettings,
  { fetcher, clock, emit, onVerified }: CatalogueTools,
  report: Report,
): Promise<OpenedCatalogue> {
  const question = {
    maxBytes: MAX_CATALOGUE_BYTES,
    leastBytesPerS,
    isFresh: true,
    onReceived: (_: unknown, bytes: number) => void (report.received.catalogue += bytes),
    onProxyFailed: (detail: string) => noteProxyFailure(report, emit, detail),
  }
  const fetch = async (url: string) => (await fetcher.fetch({ ...question, url })).bytes
  const { remembered, product } = installation.state()
  const opened = await openCatalogue(await fetch(catalog), {
    trust,
    remembered,
    product,
    now: clock.wall(),
    fetchRoot: (version) => fetch(new URL(`metadata/${version}.root.json`, catalog).href),
    onRoot: (known) => installation.remember({ remembered: known }),
  })
  // From here on nothing older is believed, whatever becomes of this run.
  installation.remember({
    catalog,
    product: opened.catalogue.product,
    remembered: opened.remembered,
    expiresAt: opened.expiresAt,
  })
  onVerified?.(verifiedCatalogue(catalog, opened))
  return opened
}

function verifiedCatalogue(catalog: string, { catalogue }: OpenedCatalogue): VerifiedCatalogue {
  const files = catalogue.packages.map(({ url, size, sha256 }) => {
    return { url: new URL(url, catalog).href, size, sha256 }
  })
  return { catalog, files }
}
