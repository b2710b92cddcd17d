/**
 * The function `update-checker` (R10.4): one elected machine checks catalogues and indexes often on behalf of its site, fetches
 * ahead what they name, and tells the LAN that there is news. The others trust nothing of it: they get the catalogue as always,
 * from the Internet or by way of the gateway, and verify its signature; the files are then here.
 */
import type { Answer } from '../core/answer.ts'
import type { CancelTimer, Clock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { fieldValue, hasField } from '../core/fields.ts'
import type { Random } from '../core/random.ts'
import { withoutSecrets } from '../core/redaction.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import type { Upstream } from '../core/upstream.ts'
import type { FileRequest } from '../peering/peer-answer.ts'
import type { SiteWord } from '../peering/peering.ts'
import type { FunctionEvent, Provider } from '../providers/functions.ts'
import type { HttpSignatures } from '../site/http-signature.ts'
import { fetchAhead, type FetchComponents } from './ahead.ts'
import {
  CHECKS_START,
  step,
  type ChecksCommand,
  type ChecksEvent,
  type ChecksState,
} from './machines/checks.ts'
import { CHECKER_FUNCTION, CHECKER_PATH, REFUSALS, TARGET_FIELD, type Refusal } from './wire.ts'

export interface UpdateChecksComponents extends FetchComponents {
  readonly clock: Clock
  readonly random: Random
  readonly everyMs: number
  /** Bytes that are read in an hour for all checks; absent: `MAX_CHECKED_PER_HOUR`. */
  readonly maxBytesPerHour?: number
  /** Who checks: found, or elected. */
  readonly find: () => Promise<Provider | undefined>
  readonly signatures: HttpSignatures
  /** To other machines' ports for files. */
  readonly peers: Upstream
  /** What a catalogue names, by its bytes, unverified. */
  readonly namedBy: (uri: TargetUri, content: Buffer) => Promise<readonly string[]>
  /** What members call a URL among themselves; `undefined`: this machine belongs to no site. */
  readonly nameOf: (uri: TargetUri) => string | undefined
  /** A service packet to all. */
  readonly say: (name: string, extras: readonly (readonly [string, string])[]) => void
  /** There may be something new of what this machine uses. */
  readonly onNews: (uri: TargetUri) => void
  /** A wish that was not taken, because nobody of the site has signed it. */
  readonly refused: (request: FileRequest, reason: Refusal) => void
  readonly log: (event: CheckEvent) => void
}

export type CheckEvent =
  | { readonly kind: 'update-checked'; readonly url: string; readonly isNews: boolean }
  | { readonly kind: 'fetched-ahead'; readonly url: string; readonly files: number; readonly bytes: number }
  | { readonly kind: 'update-news'; readonly from: string; readonly url: string }

export interface ChecksStatus {
  readonly isChecking: boolean
  readonly watched: number
  readonly checks: number
  readonly news: number
  readonly aheadBytes: number
}

/** The packet that tells of news. */
export const NEWS = 'update-news'
/** Files and bytes that are fetched ahead for one catalogue. */
export const MAX_AHEAD = { files: 64, bytes: 2 * 1024 ** 3 }
/** What is read in an hour for all checks, in bytes: members may wish much, and the line is everybody's. */
const MAX_CHECKED_PER_HOUR = 1024 ** 3
const HOUR_MS = 3_600_000
/** News of one URL is heeded once in so long, in ms: whoever cries more often costs nothing. */
export const HEED_AGAIN_MS = 60_000
/** Not everybody asks at once, in ms. */
const MOST_SPREAD_MS = 20_000
/** What this machine uses is told to the checker again after this, in ms. */
const WISH_AGAIN_MS = 6 * 3_600_000
/** Where nobody checks, somebody is looked for again after this, in ms, or after four checks' time if that is less. */
const SEEK_AGAIN_MS = 120_000
/** The checker has so long for a wish, in ms. */
const PATIENCE_MS = 2_000

export class UpdateChecks {
  readonly #components: UpdateChecksComponents
  #state: ChecksState = CHECKS_START
  #cancelWake: CancelTimer = () => {}
  #cancelWishes: CancelTimer = () => {}
  #cancelSeek: CancelTimer = () => {}
  readonly #heeded = new Map<TargetUri, number>()
  /** What machines asked this one to check; only its own use is told on. */
  readonly #own = new Set<TargetUri>()
  #checker: Provider | undefined
  #ending = new AbortController()
  #hour = { from: -Infinity, bytes: 0 }
  readonly #counts = { checks: 0, news: 0, aheadBytes: 0 }

  constructor(components: UpdateChecksComponents) {
    this.#components = components
  }

  start(): void {
    this.#seekIn(this.#spreadMs())
  }

  stop(): void {
    this.#ending.abort(NO_LONGER_NEEDED)
    this.#cancelWake()
    this.#cancelWishes()
    this.#cancelSeek()
    this.#take({ kind: 'dismissed' })
  }

  status(): ChecksStatus {
    const { isElected, watched } = this.#state
    return { isChecking: isElected, watched: watched.length, ...this.#counts }
  }

  /** A program of this machine uses this catalogue or index. */
  use(target: string): void {
    const uri = this.#allowed(target)
    if (uri === undefined) return
    const isNew = !this.#own.has(uri)
    if (this.#own.size === 0) this.#seekIn(this.#spreadMs())
    this.#own.delete(uri)
    this.#own.add(uri)
    const [oldest] = this.#own
    if (this.#own.size > MAX_OWN && oldest !== undefined) this.#own.delete(oldest)
    this.#wish(uri)
    if (isNew && this.#checker !== undefined) void this.#tellWish(this.#checker, uri)
  }

  /** Who checks has changed. */
  onFunction(event: FunctionEvent): void {
    switch (event.kind) {
      case 'function-won':
        if (event.provider.function !== CHECKER_FUNCTION) return
        this.#checker = undefined
        return this.#take({ kind: 'elected', ...this.#chance() })
      case 'function-lost':
        if (event.function === CHECKER_FUNCTION) this.#take({ kind: 'dismissed' })
        return
      case 'function-learnt':
        if (event.provider.function !== CHECKER_FUNCTION) return
        this.#checker = event.provider
        return this.#wishesIn(this.#spreadMs())
      case 'function-dead':
        if (event.provider.function !== CHECKER_FUNCTION) return
        this.#checker = undefined
        return this.#seekIn(this.#spreadMs())
      case 'function-doubted':
      case 'function-refused':
        return
    }
  }

  /** A packet has come: only a member's word is news, and no more than that. */
  hear({ packet, signer, from }: SiteWord): void {
    if (packet.type !== 'application' || packet.name !== NEWS || signer.kind !== 'member') return
    const name = new Map(packet.extras).get('name')
    const uri = [...this.#own].find((each) => this.#components.nameOf(each) === name)
    if (uri === undefined) return
    const { clock, log } = this.#components
    const now = clock.monotonic()
    if (now - (this.#heeded.get(uri) ?? -Infinity) < HEED_AGAIN_MS) return
    this.#heeded.set(uri, now)
    log({ kind: 'update-news', from, url: withoutSecrets(uri) })
    clock.after(this.#spreadMs(), () => this.#ending.signal.aborted || this.#components.onNews(uri))
  }

  /** A member's wish, over HTTP. Never fails. */
  async answer(request: FileRequest, authority: string): Promise<Answer> {
    const { method, target: path, fields } = request
    const target = fieldValue(fields, TARGET_FIELD) ?? ''
    if (method === 'HEAD' && target === '' && !hasField(fields, 'signature'))
      return { status: this.#state.isElected ? 204 : 503, fields: [] }
    const signer = this.#components.signatures.requestSigner({ method, authority, path, fields })
    if (signer.kind === 'refused') {
      this.#components.refused(request, signer.reason)
      return { status: REFUSALS[signer.reason], fields: [['Content-Length', '0']] }
    }
    const uri = this.#allowed(target)
    if (uri !== undefined) this.#wish(uri)
    return { status: uri === undefined ? 403 : 204, fields: [] }
  }

  #allowed(target: string): TargetUri | undefined {
    const allowed = this.#components.permission(target, [])
    return allowed.kind === 'allowed' ? allowed.uri : undefined
  }

  #wish(uri: TargetUri): void {
    this.#take({ kind: 'wished', uri, ...this.#chance() })
  }

  /** A machine that uses something wants somebody to check it. */
  #seekIn(ms: number): void {
    this.#cancelSeek()
    this.#cancelSeek = this.#components.clock.after(ms, () => {
      this.#seekIn(Math.min(SEEK_AGAIN_MS, 4 * this.#components.everyMs))
      if (this.#own.size > 0 && !this.#state.isElected && this.#checker === undefined)
        void this.#components.find().then((found) => found && this.#found(found))
    })
  }

  #found(provider: Provider): void {
    if (provider.source === 'self' || this.#ending.signal.aborted) return
    this.#checker = provider
    this.#wishesIn(0)
  }

  #wishesIn(ms: number): void {
    this.#cancelWishes()
    this.#cancelWishes = this.#components.clock.after(ms, () => {
      const checker = this.#checker
      if (checker === undefined) return
      for (const uri of this.#own) void this.#tellWish(checker, uri)
      this.#wishesIn(WISH_AGAIN_MS)
    })
  }

  /** Never fails: without it, this machine checks by itself as it would anyway. */
  async #tellWish({ location, member, source }: Provider, uri: TargetUri): Promise<void> {
    const { signatures, peers, clock } = this.#components
    // What this machine uses is no stranger's business.
    if (member === undefined && source !== 'configured') return
    const { host: authority, origin } = new URL(location)
    const fields = signatures.signRequest({
      method: 'GET',
      authority,
      path: CHECKER_PATH,
      fields: [[TARGET_FIELD, uri]],
    })
    if (fields === undefined) return
    const end = new AbortController()
    const cancel = clock.after(PATIENCE_MS, () => end.abort(NO_LONGER_NEEDED))
    await peers
      .request({ method: 'GET', uri: origin + CHECKER_PATH, fields, signal: end.signal })
      .catch(() => {})
    cancel()
    end.abort(NO_LONGER_NEEDED)
  }

  #take(event: ChecksEvent): void {
    const [state, commands] = step(this.#components.everyMs, this.#state, event)
    this.#state = state
    for (const command of commands) this.#run(command)
  }

  #run(command: ChecksCommand): void {
    const { clock } = this.#components
    switch (command.kind) {
      case 'check':
        return void this.#check(command.uri)
      case 'wake':
        this.#cancelWake()
        this.#cancelWake = clock.after(command.afterMs, () =>
          this.#take({ kind: 'woken', at: clock.monotonic() }),
        )
        return
      case 'news':
        return
    }
  }

  async #check(uri: TargetUri): Promise<void> {
    const found = this.#hasRoom()
      ? await fetchAhead(uri, true, this.#components, this.#ending.signal)
      : undefined
    if (this.#ending.signal.aborted) return
    this.#counts.checks += 1
    this.#hour.bytes += found?.bytes ?? 0
    const event = { kind: 'checked', uri, found: found?.sha256, ...this.#chance() } as const
    const [state, commands] = step(this.#components.everyMs, this.#state, event)
    const news = commands.find((command) => command.kind === 'news')
    this.#components.log({ kind: 'update-checked', url: withoutSecrets(uri), isNews: news !== undefined })
    this.#state = state
    for (const command of commands) this.#run(command)
    // First what it names, then the word: whoever hears it finds the files here.
    if (news !== undefined && found?.content !== undefined) await this.#fetchNamed(uri, found.content)
    if (news?.isFirst === false) this.#tell(uri)
  }

  #hasRoom(): boolean {
    const now = this.#components.clock.monotonic()
    if (now - this.#hour.from >= HOUR_MS) this.#hour = { from: now, bytes: 0 }
    return this.#hour.bytes < (this.#components.maxBytesPerHour ?? MAX_CHECKED_PER_HOUR)
  }

  async #fetchNamed(uri: TargetUri, content: Buffer): Promise<void> {
    const { namedBy, log } = this.#components
    const named = (await namedBy(uri, content)).flatMap((each) => parseTargetUri(each) ?? [])
    let bytes = 0
    let files = 0
    for (const each of named.slice(0, MAX_AHEAD.files)) {
      if (bytes > MAX_AHEAD.bytes || this.#ending.signal.aborted) break
      const found = await fetchAhead(each, false, this.#components, this.#ending.signal)
      files += found === undefined ? 0 : 1
      bytes += found?.bytes ?? 0
    }
    this.#counts.aheadBytes += bytes
    if (files > 0) log({ kind: 'fetched-ahead', url: withoutSecrets(uri), files, bytes })
  }

  #tell(uri: TargetUri): void {
    const name = this.#components.nameOf(uri)
    if (name === undefined) return
    this.#counts.news += 1
    this.#components.say(NEWS, [['name', name]])
    if (this.#own.has(uri)) this.#components.onNews(uri)
  }

  #spreadMs(): number {
    return this.#components.random.fraction() * Math.min(MOST_SPREAD_MS, this.#components.everyMs / 4)
  }

  #chance(): { readonly at: ReturnType<Clock['monotonic']>; readonly fraction: number } {
    return { at: this.#components.clock.monotonic(), fraction: this.#components.random.fraction() }
  }
}

/** URLs of this machine's own that are told to the checker. */
const MAX_OWN = 50
