/** One running download that the others are told of: runs the commands of the download machine (FIG. 7). */
import type { CancelTimer, Clock } from '../core/clock.ts'
import type { Address } from '../core/transport.ts'
import {
  initialDownload,
  stepDownload,
  type DownloadCommand,
  type DownloadEvent,
  type DownloadState,
} from './machines/download.ts'

/** The packets that the machine asks for; the sender reads the progress when it writes them. */
export interface DownloadSender {
  /** "I am downloading", to everybody or to one peer; `request` when it answers a question. */
  downloading(to: Address | 'everybody'): void
  complete(to: Address): void
  /** @param isForEach what has come is for this node alone, as it would be for any other that asked. */
  failed(to: Address | 'everybody', isForEach: boolean): void
}

export class DownloadReport {
  readonly #clock: Clock
  readonly #sender: DownloadSender
  #state: DownloadState = initialDownload
  #cancelWake: CancelTimer = () => {}

  constructor(clock: Clock, sender: DownloadSender) {
    this.#clock = clock
    this.#sender = sender
  }

  /** `waiting`: who lets this node go first. @param isTakeOver another source had begun it. */
  begin(waiting: readonly Address[], isTakeOver = false): void {
    this.#dispatch({ kind: 'begin', at: this.#clock.monotonic(), waiting, isTakeOver })
  }

  readable(): void {
    this.#dispatch({ kind: 'readable', at: this.#clock.monotonic() })
  }

  asked(peer: Address): void {
    this.#dispatch({ kind: 'asked', peer })
  }

  complete(): void {
    this.#dispatch({ kind: 'complete' })
  }

  /** @param isForEach see `DownloadSender.failed`. */
  failed(isForEach = false): void {
    this.#dispatch({ kind: 'failed', isForEach })
  }

  #dispatch(event: DownloadEvent): void {
    const [state, commands] = stepDownload(this.#state, event)
    this.#state = state
    for (const command of commands) this.#run(command)
    if (state.kind === 'over') this.#cancelWake()
  }

  #run(command: DownloadCommand): void {
    switch (command.kind) {
      case 'broadcast-downloading':
        return this.#sender.downloading('everybody')
      case 'send-progress':
        return command.to.forEach((peer) => this.#sender.downloading(peer as Address))
      case 'send-complete':
        return command.to.forEach((peer) => this.#sender.complete(peer as Address))
      case 'send-failed':
        return command.to.forEach((peer) => this.#sender.failed(peer as Address, command.isForEach === true))
      case 'broadcast-failed':
        return this.#sender.failed('everybody', command.isForEach === true)
      case 'wake': {
        this.#cancelWake()
        const wake = () => this.#dispatch({ kind: 'wake', at: this.#clock.monotonic() })
        this.#cancelWake = this.#clock.after(command.at - this.#clock.monotonic(), wake)
      }
    }
  }
}
