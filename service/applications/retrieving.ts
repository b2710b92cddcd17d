/**
 * One file on its way to an application: the lines that tell how far it is, and its bytes, which are read apart.
 *
 *   begun ──► asking, receiving… ──► head ──► delivering… ──► done
 *                                      └──► the bytes, at their reader's pace
 *
 * Whoever stops reading the lines gives the file up, and what nobody else waits for ends.
 */
import { isContentName } from '../../core/content-name.ts'
import { NO_LONGER_NEEDED } from '../../core/ended.ts'
import type { Clock } from '../../core/clock.ts'
import { deferred } from '../../core/deferred.ts'
import { asFault, Fault } from '../../core/fault.ts'
import { fieldValue } from '../../core/fields.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Expectation } from '../../core/verifier.ts'
import type { Resource } from '../../retrieval/resource.ts'
import type { Retrieval } from '../../retrieval/retrieval.ts'
import type { SourceKind } from '../../retrieval/source.ts'
import { LineQueue } from './line-queue.ts'
import type { ByteSource, Progress, RetrievalLine, RetrievalOutcome } from './retrieval-words.ts'

export interface RetrievingComponents {
  readonly clock: Clock
  /** The file, redirects followed. @throws Fault when there is none. */
  readonly open: (signal: AbortSignal) => Promise<OpenedFile>
  /** What is on its way for this URI now. */
  readonly running: (uri: TargetUri) => Retrieval | undefined
  /** What a copy from a peer had to show. */
  readonly expect: (uri: TargetUri) => Promise<Expectation>
  /** Where the stored copy for this URI came from. */
  readonly storedFrom: (uri: TargetUri) => 'internet' | 'peer' | undefined
}

export interface OpenedFile {
  readonly uri: TargetUri
  readonly resource: Resource
}

/** The bytes of a file, to be read once. */
export interface FileBytes {
  readonly size: number | undefined
  readonly body: AsyncIterable<Uint8Array>
}

/** So often progress is told, in ms: the patents' reports come as often. */
export const PROGRESS_MS = 250

export class Retrieving {
  readonly id: string
  readonly #components: RetrievingComponents
  readonly #lines = new LineQueue<RetrievalLine>(() => ({ kind: 'progress', ...this.#progress() }))
  readonly #ended = new AbortController()
  readonly #read = deferred<void>()
  #uri: TargetUri
  #opened: OpenedFile | undefined
  #chunks: AsyncIterator<Uint8Array> | undefined
  #isTaken = false
  #delivered = 0
  #cancelTimer = () => {}

  constructor(id: string, uri: TargetUri, components: RetrievingComponents) {
    this.id = id
    this.#uri = uri
    this.#components = components
  }

  /** To be read by one reader, who so keeps the retrieval alive. */
  async *lines(): AsyncGenerator<RetrievalLine> {
    this.#lines.push({ kind: 'begun', id: this.id })
    this.#tellProgress()
    void this.#run()
    try {
      yield* this.#lines
    } finally {
      this.end()
    }
  }

  /** The bytes, once there is a head; once. */
  take(): FileBytes | undefined {
    if (this.#opened === undefined || this.#isTaken || this.#ended.signal.aborted) return undefined
    this.#isTaken = true
    return { size: sizeOf(this.#opened), body: this.#bytes(this.#opened) }
  }

  /** Gives the file up; safe at any moment. */
  end(fault = new Fault('ABORTED', 'given up by its caller')): void {
    this.#cancelTimer()
    this.#lines.end(fault)
    this.#read.reject(fault)
    this.#ended.abort(NO_LONGER_NEEDED)
    // Nobody may ever ask for them, or for more of them; what they are read from must not wait for that.
    void this.#chunks?.return?.().catch(() => {})
  }

  /** Another URL is asked for now. */
  follow(uri: TargetUri): void {
    this.#uri = uri
  }

  async #run(): Promise<void> {
    try {
      const opened = await this.#components.open(this.#ended.signal)
      this.#uri = opened.uri
      this.#opened = opened
      this.#chunks = opened.resource.answer.body?.[Symbol.asyncIterator]()
      if (this.#ended.signal.aborted) return this.end()
      this.#lines.push({ kind: 'head', ...headOf(opened) })
      await this.#read.promise
      this.#cancelTimer()
      this.#lines.push({ kind: 'done', ...(await this.#outcome(opened)) })
      this.#lines.end()
    } catch (error) {
      this.end(asFault(error, 'STORE_FAILED'))
    }
  }

  /** Bytes that break off must not look whole, whatever ended them. */
  async *#bytes(opened: OpenedFile): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const step = await this.#chunks?.next()
        if (step === undefined || step.done === true) break
        this.#delivered += step.value.length
        yield step.value
      }
      this.#checkEnd(opened)
      this.#read.resolve()
    } catch (error) {
      this.#read.reject(error)
      throw error
    } finally {
      this.#read.reject(new Fault('ABORTED', 'the bytes were not read to their end'))
      await this.#chunks?.return?.()
    }
  }

  #checkEnd(opened: OpenedFile): void {
    const size = sizeOf(opened)
    if (this.#ended.signal.aborted) throw new Fault('ABORTED', 'given up by its caller')
    if (size !== undefined && size !== this.#delivered)
      throw new Fault('RESPONSE_INCOMPLETE', `expected ${size} bytes, got ${this.#delivered}`)
  }

  /** Never more than one line ahead of its reader. */
  #tellProgress(): void {
    this.#cancelTimer = this.#components.clock.after(PROGRESS_MS, () => {
      if (this.#lines.isEmpty) this.#lines.push({ kind: 'progress', ...this.#progress() })
      this.#tellProgress()
    })
  }

  #progress(): Progress {
    const deliveredBytes = this.#delivered
    const retrieval = this.#components.running(this.#uri)
    const phase = this.#opened === undefined ? 'receiving' : 'delivering'
    const size = this.#opened && sizeOf(this.#opened)
    if (retrieval === undefined)
      return {
        phase: this.#opened === undefined ? 'asking' : phase,
        receivedBytes: size ?? 0,
        deliveredBytes,
        ...totalOf(size),
      }
    const source = retrieval.current?.kind
    if (source === undefined) return { phase: 'asking', receivedBytes: 0, deliveredBytes }
    const own = retrieval.shown()
    const told = own.receivedBytes === 0 ? (retrieval.report.peerProgress ?? own) : own
    const { receivedBytes, totalBytes, bytesPerSecond } = told
    return { phase, source, receivedBytes, deliveredBytes, ...totalOf(totalBytes), ...rateOf(bytesPerSecond) }
  }

  async #outcome({ uri, resource }: OpenedFile): Promise<RetrievalOutcome> {
    const { retrieval } = resource.trace
    const receivedBytes = retrieval?.bytes ?? NOTHING_RECEIVED
    const isFromPeer =
      retrieval === undefined ? this.#components.storedFrom(uri) === 'peer' : peerBytes(receivedBytes) > 0
    const verified = isFromPeer || isContentName(uri) ? await this.#proofOf(uri) : 'origin'
    return {
      deliveredBytes: this.#delivered,
      receivedBytes: { ...receivedBytes },
      source: sourceOf(resource),
      verified,
    }
  }

  async #proofOf(uri: TargetUri): Promise<'proof' | 'none'> {
    if (isContentName(uri)) return 'proof'
    const { kind } = await this.#components.expect(uri)
    return kind === 'updater' ? 'none' : 'proof'
  }
}

const NOTHING_RECEIVED: Readonly<Record<SourceKind, number>> = { peer: 0, 'in-progress': 0, internet: 0 }

function peerBytes(bytes: Readonly<Record<SourceKind, number>>): number {
  return bytes.peer + bytes['in-progress']
}

function headOf(opened: OpenedFile) {
  const { answer } = opened.resource
  const size = sizeOf(opened)
  return {
    uri: opened.uri,
    fields: answer.fields,
    source: sourceOf(opened.resource),
    ...(size === undefined ? {} : { size }),
  }
}

function sourceOf({ trace }: Resource): ByteSource {
  switch (trace.how) {
    case 'hit':
    case 'validated':
      return 'cache'
    case 'error':
      return 'internet'
    case 'peer':
    case 'in-progress':
    case 'internet':
      return trace.how
  }
}

function sizeOf({ resource }: OpenedFile): number | undefined {
  const length = fieldValue(resource.answer.fields, 'content-length')
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

function totalOf(totalBytes: number | undefined): { readonly totalBytes?: number } {
  return totalBytes === undefined ? {} : { totalBytes }
}

function rateOf(bytesPerSecond: number | undefined): { readonly bytesPerSecond?: number } {
  return bytesPerSecond === undefined ? {} : { bytesPerSecond }
}
