/** The running downloads that this node tells the LAN of: one report machine (FIG. 7) for each. */
import type { Clock } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import { DownloadReport } from './download-report.ts'
import type { DownloadProgress } from './local-copies.ts'
import type { PacketSender } from './packet-sender.ts'
import type { NodeId, RequestId } from './packets.ts'

/** Runs the packets of one running download; `complete` or `failed` ends it, whichever comes first. */
export interface AnnouncedDownload {
  /** The growing copy can be read from now on. */
  readable(): void
  complete(): void
  /** @param isForEach what has come is for this node alone, as it would be for any other that asked. */
  failed(isForEach?: boolean): void
}

export interface AnnouncedDownloadsComponents {
  readonly clock: Clock
  readonly sender: Pick<PacketSender, 'send' | 'broadcast'>
}

/** What every packet about one download says. */
export interface DownloadFacts {
  readonly id: RequestId
  readonly node: NodeId
  /** The URL that is being fetched. */
  readonly resource: string
  /** Where its growing copy can be read; `undefined` while it cannot. Asked anew for each packet. */
  readonly location: () => string | undefined
  /** What its node has said of its ability when it asked. */
  readonly ability?: number | undefined
}

interface Running {
  readonly report: DownloadReport
  readonly progress: () => DownloadProgress
}

export class AnnouncedDownloads {
  readonly #components: AnnouncedDownloadsComponents
  readonly #running = new Map<string, Running>()

  constructor(components: AnnouncedDownloadsComponents) {
    this.#components = components
  }

  /** `progress` is read anew for each packet. */
  begin(
    facts: DownloadFacts,
    progress: () => DownloadProgress,
    waiting: readonly Address[],
    isTakeOver = false,
  ): AnnouncedDownload {
    const report = this.#report(facts, progress)
    const { resource } = facts
    this.#running.set(resource, { report, progress })
    report.begin(waiting, isTakeOver)
    const end = () => {
      if (this.#running.get(resource)?.report === report) this.#running.delete(resource)
    }
    return {
      readable: () => report.readable(),
      complete() {
        end()
        report.complete()
      },
      failed(isForEach) {
        end()
        report.failed(isForEach)
      },
    }
  }

  /** A peer asked for the resource and was told "I am downloading". */
  asked(resource: string, peer: Address): void {
    this.#running.get(resource)?.report.asked(peer)
  }

  progressOf(resource: string): DownloadProgress {
    return this.#running.get(resource)?.progress() ?? NO_PROGRESS
  }

  /** Whoever waits is told that nothing will come. */
  stop(): void {
    for (const { report } of this.#running.values()) report.failed()
    this.#running.clear()
  }

  #report(facts: DownloadFacts, progress: () => DownloadProgress): DownloadReport {
    const { clock, sender } = this.#components
    const { location, ability, ...rest } = facts
    const common = { ...rest, nonce: undefined, extras: [] }
    return new DownloadReport(clock, {
      downloading: (to) => {
        const packet = {
          ...common,
          ...progress(),
          type: 'downloading',
          ability,
          more: [],
          location: location(),
        } as const
        return to === 'everybody' ? sender.broadcast(packet) : sender.send(to, packet)
      },
      complete: (to) => {
        const size = progress().totalBytes
        sender.send(to, {
          ...common,
          type: 'download-complete',
          location: location(),
          size,
          digest: undefined,
        })
      },
      failed: (to, isForEach) => {
        const packet = { ...common, type: 'download-failed', isForEach } as const
        return to === 'everybody' ? sender.broadcast(packet) : sender.send(to, packet)
      },
    })
  }
}

const NO_PROGRESS: DownloadProgress = { receivedBytes: 0, totalBytes: undefined, bytesPerSecond: undefined }
