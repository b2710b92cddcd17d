/**
 * Digests from the metadata that passes through this node on its way from origin servers (V2): gathered behind the requests,
 * one index after the other, from what the store has just kept.
 *
 * Stops a peer that sends other bytes than the index names. It does not stop whoever can change the index itself: what came
 * over plain HTTP is worth what that connection is worth, which is what the application relies on as well. Nothing that a
 * peer sent is read, unless an index from the origin server gave its digest.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { sleep, type Clock } from '../core/clock.ts'
import type { Digest, Sha256 } from '../core/digest.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { describe } from '../core/fault.ts'
import { fieldValue } from '../core/fields.ts'
import { createDigest } from '../core/hash.ts'
import { withoutSecrets } from '../core/redaction.ts'
import type { Store, StoredResponse } from '../core/store.ts'
import { originOf, type TargetUri } from '../core/target-uri.ts'
import { oneSpelling } from './apt-uri.ts'
import { digestInUrl } from './digest-in-url.ts'
import type { DigestRecords } from './digest-records.ts'
import type { Claim } from './digest-rows.ts'
import { isGranted, readIndex, versionOf, type Grant } from './index-reading.ts'
import { findIndex, type FoundIndex } from './metadata/index-kinds.ts'
import { isOfSignedList, recordSignedList, type SignedList } from './signed-list.ts'
import { runOnMachine, type Run } from './run.ts'

export interface GatheredIndexesSettings {
  /** How long a request may wait for an index of the same server that is being read. */
  readonly maxWaitMs: number
  /** Bytes of the largest index that is read, as stored and when unpacked. */
  readonly maxStoredBytes: number
  readonly maxDecodedBytes: number
}

export interface GatheredIndexesComponents {
  readonly clock: Clock
  readonly store: Pick<Store, 'subscribe' | 'read' | 'lookup' | 'list'>
  readonly records: DigestRecords
  /** What a rule lets an index speak for beyond its own root; it does not change while the node runs. */
  readonly grantFor: (index: TargetUri) => Grant
  /** Whether a catalogue is one that this machine's updater verifies: what others said does not count. Absent: none is. */
  readonly isVerifiedHere?: (index: TargetUri) => boolean
  /** Whether something is on its way for an application; absent: never. */
  readonly isBusy?: () => boolean
  /** The programs that unpack xz and bzip2; absent: this machine's. */
  readonly run?: Run
  readonly log: (event: GatheringEvent) => void
}

export type GatheringEvent =
  | {
      readonly kind: 'index-read'
      readonly index: string
      readonly format: string
      readonly digests: number
      /** Files that this index may not speak for. */
      readonly outside: number
      readonly elapsedMs: number
    }
  /** It proves nothing; what an earlier version of it said stays in use. */
  | { readonly kind: 'index-failed'; readonly index: string; readonly reason: string }

export interface GatheredIndexes {
  start(): void
  stop(): Promise<void>
  /** What indexes say of this URI's bytes; may wait a bounded time for an index that has just come. */
  find(uri: TargetUri): Promise<Claim | undefined>
  /** The same, at once. */
  known(uri: TargetUri): Claim | undefined
  /** What a catalogue says that this machine's updater has verified; it counts at once. */
  learn(list: SignedList): void
  /** The SHA-256 of a stored body that was found to have this digest. */
  bodyWith(digest: Digest): Sha256 | undefined
  /** Resolves when nothing is left to be read. */
  idle(): Promise<void>
  /** Since the start. */
  counts(): IndexTotals
}

/** Indexes that were read, and that could not be: damaged, too large, packed as nothing here unpacks, of another kind. */
export interface IndexTotals {
  readonly read: number
  readonly failed: number
}

/** A node that gathers nothing. */
export const nothingGathered: GatheredIndexes = {
  start: () => {},
  stop: async () => {},
  find: async () => undefined,
  known: () => undefined,
  learn: () => {},
  bodyWith: ({ algorithm, hex }) => (algorithm === 'sha-256' ? (hex as Sha256) : undefined),
  idle: async () => {},
  counts: () => ({ read: 0, failed: 0 }),
}

/** Indexes that wait; those beyond are left out, and read when they come again. */
export const MAX_WAITING = 256
/** A reading that takes longer is ended. */
const MAX_READING_MS = 120_000
/** How often it is looked whether the node has less to do, in ms, and for how long it is waited for. */
const DEFERRAL_MS = 250
export const MAX_DEFERRALS = 40
/** Bytes hashed before the event loop gets its turn: about 1 ms of BLAKE2b. */
const SLICE_BYTES = 65_536

type Job =
  | { readonly kind: 'index'; readonly response: StoredResponse; readonly found: FoundIndex }
  /** A body whose other digest an index or the URL names. */
  | { readonly kind: 'body'; readonly response: StoredResponse; readonly claim: Claim }

export function gatheredIndexes(
  settings: GatheredIndexesSettings,
  components: GatheredIndexesComponents,
): GatheredIndexes {
  return new Gathering(settings, components)
}

class Gathering implements GatheredIndexes {
  readonly #settings: GatheredIndexesSettings
  readonly #components: GatheredIndexesComponents
  readonly #stopping = new AbortController()
  readonly #waiting: Job[] = []
  #current: Job | undefined
  /** Aborted when a request waits for what is to be read. */
  #wanted = new AbortController()
  #jobEnded = Promise.withResolvers<void>()
  #running: Promise<void> | undefined
  #unsubscribe = () => {}
  #read = 0
  #failures = 0

  constructor(settings: GatheredIndexesSettings, components: GatheredIndexesComponents) {
    this.#settings = settings
    this.#components = components
  }

  start(): void {
    const { store, records, grantFor, isVerifiedHere = () => false } = this.#components
    records.open()
    // What an index may no longer speak for does not count; it is read again when it comes again.
    records.keepOnly((index, version) => {
      const isKept = !isOfSignedList(version) || isVerifiedHere(index)
      return isKept && isGranted(version, grantFor(index))
    })
    this.#unsubscribe = store.subscribe(({ kind, response }) => kind === 'stored' && this.#notice(response))
    if (records.count() === 0)
      this.#running = this.#catchUp()
        .catch(() => {}) // The store has stopped meanwhile, or has told what it found.
        .finally(() => this.#ended())
  }

  async stop(): Promise<void> {
    this.#stopping.abort(NO_LONGER_NEEDED)
    this.#unsubscribe()
    await this.#running
    this.#components.records.close()
  }

  async find(uri: TargetUri): Promise<Claim | undefined> {
    return this.known(uri) ?? (this.#isReadingFor(uri) ? this.#findLater(uri) : undefined)
  }

  known(uri: TargetUri): Claim | undefined {
    const [first, ...others] = this.#components.records.find(oneSpelling(uri))
    return first !== undefined && others.every((each) => isSame(each, first)) ? first : undefined
  }

  bodyWith(digest: Digest): Sha256 | undefined {
    return digest.algorithm === 'sha-256' ? (digest.hex as Sha256) : this.#components.records.bodyOf(digest)
  }

  learn(list: SignedList): void {
    const { clock, records, grantFor, log } = this.#components
    const index = withoutSecrets(list.catalog)
    const begunAt = clock.monotonic()
    try {
      const counts = recordSignedList(list, records, grantFor)
      if (counts === undefined) return
      const elapsedMs = Math.round(clock.monotonic() - begunAt)
      log({ kind: 'index-read', index, format: 'signed catalogue', ...counts, elapsedMs })
    } catch (error) {
      log({ kind: 'index-failed', index, reason: describe(error) })
    }
  }

  async idle(): Promise<void> {
    while (this.#running) await this.#running
  }

  counts(): IndexTotals {
    return { read: this.#read, failed: this.#failures }
  }

  async #findLater(uri: TargetUri): Promise<Claim | undefined> {
    const { clock } = this.#components
    this.#wanted.abort(NO_LONGER_NEEDED)
    const waiting = new AbortController()
    const signal = AbortSignal.any([waiting.signal, this.#stopping.signal])
    await Promise.race([this.#whenRead(uri), sleep(clock, this.#settings.maxWaitMs, signal)])
    waiting.abort(NO_LONGER_NEEDED)
    return this.known(uri)
  }

  async #whenRead(uri: TargetUri): Promise<void> {
    while (this.#isReadingFor(uri) && !this.#stopping.signal.aborted) await this.#jobEnded.promise
  }

  #isReadingFor(uri: TargetUri): boolean {
    const jobs = this.#current === undefined ? this.#waiting : [this.#current, ...this.#waiting]
    return jobs.some((job) => job.kind === 'index' && originOf(job.response.uri) === originOf(uri))
  }

  /** What the store kept before there were records, or before they were lost. */
  async #catchUp(): Promise<void> {
    await nextTurn()
    let listed = 0
    for (const response of this.#components.store.list()) {
      if (this.#stopping.signal.aborted || this.#waiting.length >= MAX_WAITING) return
      this.#notice(response)
      if (++listed % 100 === 0) await nextTurn()
    }
  }

  #notice(response: StoredResponse): void {
    const index = this.#indexOf(response)
    if (index !== undefined) this.#enqueue({ kind: 'index', response, found: index })
    const claim = response.shareable ? this.#otherDigestOf(response.uri) : undefined
    if (claim !== undefined) this.#enqueue({ kind: 'body', response, claim })
  }

  #indexOf(response: StoredResponse): FoundIndex | undefined {
    const { status, uri, fields, size } = response
    if (status !== 200 || size > this.#settings.maxStoredBytes) return undefined
    const found = findIndex(uri, fieldValue(fields, 'content-type'))
    return found === undefined || this.#isRead(response) ? undefined : found
  }

  #isRead(response: StoredResponse): boolean {
    const { records, grantFor } = this.#components
    return records.versionOf(response.uri) === versionOf(response, grantFor(response.uri))
  }

  /** From the origin server; or, whoever sent it, an index from there names these very bytes. */
  #isTrusted({ uri, digest, source }: StoredResponse): boolean {
    if (source === 'internet') return true
    const claim = this.known(uri)
    return claim?.digest.algorithm === 'sha-256' && claim.digest.hex === digest
  }

  /** By another algorithm than the store's own, so that the body can be found by it. */
  #otherDigestOf(uri: TargetUri): Claim | undefined {
    const named = digestInUrl(uri)
    const claim = named === undefined ? this.known(uri) : { digest: named }
    return claim === undefined || claim.digest.algorithm === 'sha-256' ? undefined : claim
  }

  #enqueue(job: Job): void {
    const isOfThis = (each: Job) => each.kind === job.kind && each.response.uri === job.response.uri
    const at = this.#waiting.findIndex(isOfThis)
    if (at >= 0) this.#waiting[at] = job
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(job)
    this.#running ??= this.#runAll().finally(() => this.#ended())
  }

  #ended(): void {
    this.#running = undefined
    if (this.#waiting.length > 0 && !this.#stopping.signal.aborted)
      this.#running = this.#runAll().finally(() => this.#ended())
  }

  async #runAll(): Promise<void> {
    // The request that brought it comes first, and whatever else applications wait for.
    await nextTurn()
    await this.#leisure()
    while (!this.#stopping.signal.aborted) {
      this.#current = this.#waiting.shift()
      if (this.#current === undefined) break
      await this.#run(this.#current)
      this.#current = undefined
      this.#tellWaiting()
    }
    this.#tellWaiting()
    if (this.#wanted.signal.aborted) this.#wanted = new AbortController()
  }

  /** Whoever waits looks again; and whoever waits from now on waits for the next job. */
  #tellWaiting(): void {
    this.#jobEnded.resolve()
    this.#jobEnded = Promise.withResolvers<void>()
  }

  /** Resolves when nothing is on its way for an application, a digest is wanted, or it has been waited for long enough. */
  async #leisure(): Promise<void> {
    const { clock, isBusy = () => false } = this.#components
    const signal = AbortSignal.any([this.#wanted.signal, this.#stopping.signal])
    for (let left = MAX_DEFERRALS; left > 0 && isBusy() && !signal.aborted; left -= 1)
      await sleep(clock, DEFERRAL_MS, signal)
  }

  async #run(job: Job): Promise<void> {
    const { clock } = this.#components
    const tooLong = new AbortController()
    const cancelTimer = clock.after(MAX_READING_MS, () =>
      tooLong.abort(new Error(`not read in ${MAX_READING_MS} ms`)),
    )
    const signal = AbortSignal.any([this.#stopping.signal, tooLong.signal])
    try {
      // Looked at now: what names an index has often come just before it, and is read before it.
      if (job.kind === 'index' && this.#isTrusted(job.response))
        await this.#readIndex(job.response, job.found, signal)
      if (job.kind === 'body') await this.#noteBody(job.response, job.claim, signal)
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#failed(job.response, error)
    } finally {
      cancelTimer()
    }
  }

  #failed({ uri }: StoredResponse, error: unknown): void {
    this.#failures += 1
    this.#components.log({ kind: 'index-failed', index: withoutSecrets(uri), reason: describe(error) })
  }

  async #readIndex(response: StoredResponse, found: FoundIndex, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#components
    const begunAt = clock.monotonic()
    const read = await readIndex(
      response,
      found,
      { run: runOnMachine, ...this.#components, ...this.#settings },
      signal,
    )
    const elapsedMs = Math.round(clock.monotonic() - begunAt)
    this.#read += 1
    log({
      kind: 'index-read',
      index: withoutSecrets(response.uri),
      format: found.kind.name,
      ...read,
      elapsedMs,
    })
  }

  /** A body that is what its index says can be found by that digest under other names. */
  async #noteBody(response: StoredResponse, { digest }: Claim, signal: AbortSignal): Promise<void> {
    const { store, records } = this.#components
    if (fieldValue(response.fields, 'content-encoding') !== undefined) return
    const actual = createDigest(digest.algorithm)
    for await (const chunk of store.read(response, { start: 0, end: response.size })) {
      for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
        actual.update(chunk.subarray(at, at + SLICE_BYTES))
        await nextTurn()
      }
      signal.throwIfAborted()
    }
    if (actual.hex() === digest.hex) records.noteBody(digest, response.digest)
  }
}

function isSame(one: Claim, other: Claim): boolean {
  const isSizeSame = one.size === undefined || other.size === undefined || one.size === other.size
  return one.digest.algorithm === other.digest.algorithm && one.digest.hex === other.digest.hex && isSizeSame
}
