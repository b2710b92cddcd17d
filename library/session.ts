/** What a service-enabled application can do with its node (R11.1), wherever the node runs. */
import { randomUUID } from 'node:crypto'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { systemClock } from '../core/clock.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { describe, Fault } from '../core/fault.ts'
import type { Fields } from '../core/fields.ts'
import type { AnnouncedCopy, AnnounceQuestion } from '../service/applications/copies.ts'
import type { EventsQuestion, NodeEvent } from '../service/applications/events.ts'
import type { FindLine, FindOutcome, FindQuestion, Holder } from '../service/applications/finding.ts'
import type { Origins, Progress, RetrievalOutcome } from '../service/applications/retrieval-words.ts'
import type { ProviderQuestion } from '../service/applications/providing.ts'
import type { ToldProvider } from '../service/applications/told-provider.ts'
import { OPERATIONS, type OperationName } from '../service/control.ts'
import type { Status } from '../service/status.ts'
import { announced, type CopySource } from './announced.ts'
import { mustBe, mustBeOptions } from './arguments.ts'
import type { Channel } from './channel.ts'
import { offered, used, type Offered, type OfferTerms, type RequestOptions } from './functions.ts'
import { retrieved, type Retrieved } from './retrieved.ts'

export interface GetOptions {
  /** What the bytes must have, whoever sends them: `sha-256:` and 64 hexadecimal digits. */
  readonly digest?: string
  /** From where it may come; absent: from anywhere. */
  readonly from?: Origins
  /** More header fields for the origin server, such as `Authorization`: what has credentials is never named to the LAN. */
  readonly fields?: Fields
  /** Whether what has a digest may be asked for, and offered, by it; absent: yes. */
  readonly share?: boolean
  /** Gives it up, at any point. */
  readonly signal?: AbortSignal
  /** Called about four times a second until the last byte is delivered; what it throws fails the retrieval. */
  readonly onProgress?: (progress: Progress) => void
}

export interface FindOptions extends Omit<FindQuestion, 'uri'> {
  readonly signal?: AbortSignal
}

export interface AnnounceOptions extends Omit<AnnounceQuestion, 'size'> {
  readonly signal?: AbortSignal
}

export interface EventOptions extends EventsQuestion {
  readonly signal?: AbortSignal
  /** Called when nothing is missed any more. */
  readonly onListening?: () => void
}

/** Options of the calls below; one name means the same in all of them. */
const OPTION_KINDS = {
  digest: 'a string',
  uri: 'a string',
  type: 'a string',
  location: 'a string',
  from: 'a string',
  fields: 'an array',
  kinds: 'an array',
  types: 'an array',
  share: 'true or false',
  fresh: 'true or false',
  waitMs: 'a number',
  value: 'a number',
  signal: 'an AbortSignal',
  onProgress: 'a function',
  onListening: 'a function',
  onChange: 'a function',
} as const

/**
 * Every call rejects with a TypeError that names an argument of the wrong type, beside the faults that it tells; after `close`,
 * with a Fault ABORTED that says so.
 */
export class Session implements AsyncDisposable {
  readonly #channel: Channel
  readonly #ended = new AbortController()

  /** Use `connect` or `embed`. */
  constructor(channel: Channel) {
    this.#channel = channel
  }

  /**
   * Gets a file: from this machine, from peers, or from its origin server, as the node's rules say. Resolves when its first
   * byte can be read.
   * @throws Fault: RESPONSE_REFUSED when the origin server has no such file, NOT_FOUND when nobody has it who may be asked,
   *   VERIFICATION_FAILED when the bytes are not those of the digest, ABORTED by `signal`; docs/errors.md has them all.
   */
  async get(uri: string, options: GetOptions = {}): Promise<Retrieved> {
    mustBe('a string', 'uri', uri)
    mustBeOptions('options', options, OPTION_KINDS)
    this.#mustBeOpen()
    const { signal, onProgress, ...more } = options
    const question = { uri, ...more }
    return retrieved({ channel: this.#channel, ended: this.#ended.signal, question, signal, onProgress })
  }

  /**
   * Gets a file into `path`, which is there whole or not at all.
   * @throws Fault as `get`; BAD_REQUEST, before anything is got, where `path` is a directory or nothing can be written there; the
   *   file system's own errors later.
   */
  async download(uri: string, path: string, options: GetOptions = {}): Promise<RetrievalOutcome> {
    mustBe('a string', 'path', path)
    this.#mustBeOpen()
    const part = `${path}.${randomUUID()}.part`
    const writing = await created(part, path)
    try {
      const file = await this.get(uri, options)
      await pipeline(file.body, writing.createWriteStream())
      await rename(part, path)
      return await file.outcome
    } catch (error) {
      await writing.close().catch(() => {}) // the pipeline may have closed it
      await rm(part, { force: true })
      throw error
    }
  }

  /**
   * Asks who has a resource, and gets nothing: this machine first, then peers, in the order in which they answer. What peers
   * say is their own claim; a node at its limit of uploads stays silent.
   * @throws Fault BAD_REQUEST, ABORTED.
   */
  async *find(uri: string, options: FindOptions = {}): AsyncGenerator<Holder, FindOutcome> {
    mustBe('a string', 'uri', uri)
    mustBeOptions('options', options, OPTION_KINDS)
    const { signal, ...more } = options
    for await (const each of this.#ask(OPERATIONS.find, { uri, ...more }, signal)) {
      const { kind, ...told } = each as FindLine
      if (kind === 'done') return told as FindOutcome
      yield told as Holder
    }
    throw new Fault('NODE_UNREACHABLE', 'the node ended its answer early')
  }

  /**
   * Offers peers a file of this application, by its content and by `uri`. It is copied into the node's cache once; what is
   * there already is not copied again, where `digest` is given. Announce again after a restart of the node.
   * @param source the path of the file, its bytes, or what gives them.
   * @throws Fault VERIFICATION_FAILED when the bytes have another digest, STORE_FULL, BAD_REQUEST, ABORTED.
   */
  async announce(source: CopySource, options: AnnounceOptions = {}): Promise<AnnouncedCopy> {
    mustBe('a path, bytes, or what gives them', 'source', source)
    mustBeOptions('options', options, OPTION_KINDS)
    this.#mustBeOpen()
    const { signal, ...question } = options
    return announced(this.#channel, source, question, this.#until(signal))
  }

  /**
   * Takes an announcement back: the name `uri`, or without one the copy itself.
   * @throws Fault NOT_FOUND when there is no such copy.
   */
  async withdraw(digest: string, uri?: string): Promise<void> {
    mustBe('a string', 'digest', digest)
    if (uri !== undefined) mustBe('a string', 'uri', uri)
    const question = { digest, ...(uri === undefined ? {} : { uri }) }
    for await (const _ of this.#ask(OPERATIONS.withdraw, question)) break
  }

  /**
   * Sends a packet of the application's own type to every node, or to one: its type has a dot, and its attributes fit
   * 1200 bytes together. Best effort, like everything on a LAN.
   * @throws Fault BAD_REQUEST, OVERLOADED for more than 20 a second, NOT_FOUND when `to` is no peer.
   */
  async say(type: string, attributes: Readonly<Record<string, string>>, to?: string): Promise<void> {
    mustBe('a string', 'type', type)
    mustBe('an object', 'attributes', attributes)
    for (const [name, value] of Object.entries(attributes)) mustBe('a string', `attributes.${name}`, value)
    if (to !== undefined) mustBe('a string', 'to', to)
    const question = { type, attributes, ...(to === undefined ? {} : { to }) }
    for await (const _ of this.#ask(OPERATIONS.say, question)) break
  }

  /**
   * What happens on the node and its LAN, from the first call of `next` on, until you stop reading. Whoever is slow is told
   * how much is lost (`lost`).
   * @throws Fault BAD_REQUEST, ABORTED, NODE_UNREACHABLE when the node has gone.
   */
  async *events(options: EventOptions = {}): AsyncGenerator<NodeEvent> {
    mustBeOptions('options', options, OPTION_KINDS)
    const { signal, onListening, ...question } = options
    for await (const each of this.#ask(OPERATIONS.events, question, signal)) {
      const event = each as NodeEvent | { readonly kind: 'listening' } | null
      if (event?.kind === 'listening') onListening?.()
      else if (event !== null) yield event
    }
  }

  /**
   * Performs a function for the LAN: this application stands in elections with a value, and whoever asks for the function is
   * sent to `location` while it is the winner. The offer stands until it is withdrawn, or the session ends.
   * @throws Fault BAD_REQUEST, also where functions are off.
   */
  async offer(name: string, terms: OfferTerms, signal?: AbortSignal): Promise<Offered> {
    mustBe('a string', 'name', name)
    mustBeOptions('terms', terms, OPTION_KINDS)
    mustBe('a string', 'terms.location', terms.location)
    if (signal !== undefined) mustBe('an AbortSignal', 'signal', signal)
    this.#mustBeOpen()
    return offered(this.#channel, name, terms, this.#until(signal))
  }

  /**
   * Who performs a function for the LAN; where nobody does, an election is called.
   * @returns `undefined`: nobody. @throws Fault BAD_REQUEST, ABORTED.
   */
  async provider(
    name: string,
    options: Omit<ProviderQuestion, 'function'> & { readonly signal?: AbortSignal } = {},
  ): Promise<ToldProvider | undefined> {
    mustBe('a string', 'name', name)
    mustBeOptions('options', options, OPTION_KINDS)
    const question = { function: name, fresh: options.fresh ?? false }
    for await (const each of this.#ask(OPERATIONS.provider, question, options.signal)) {
      if (each !== null) return each as ToldProvider
    }
    return undefined
  }

  /** Says that a provider is of no use, so that the LAN elects another one. */
  async report(provider: ToldProvider, reason: string): Promise<void> {
    mustBe('an object', 'provider', provider)
    mustBe('a string', 'reason', reason)
    const { function: name, node, term } = provider
    for await (const _ of this.#ask(OPERATIONS.report, { function: name, node, term, reason })) break
  }

  /**
   * Uses a function: `use` is given its provider, and again the next one when it throws or has not ended after `waitMs`, three
   * at most. Whoever failed is reported. Its signal aborts when it is given up, or the time is over.
   * @throws Fault NOT_FOUND when nobody performs it, PEER_FAILED when only those do that failed (`cause`), PEER_STALLED when
   *   the last did not answer, ABORTED; what the last `use` throws.
   */
  async request<Result>(
    name: string,
    use: (provider: ToldProvider, signal: AbortSignal) => Promise<Result>,
    options: AbortSignal | RequestOptions = {},
  ): Promise<Result> {
    mustBe('a string', 'name', name)
    mustBe('a function', 'use', use)
    const more: RequestOptions = options instanceof AbortSignal ? { signal: options } : options
    mustBeOptions('options', more, OPTION_KINDS)
    this.#mustBeOpen()
    const { signal, waitMs } = more
    return used(name, {
      find: (fresh) => this.provider(name, { fresh, ...(signal === undefined ? {} : { signal }) }),
      report: (provider, reason) => this.report(provider, reason),
      use,
      clock: systemClock,
      signal: this.#until(signal),
      waitMs,
    })
  }

  /** How the node is. */
  async status(): Promise<Status> {
    for await (const status of this.#ask(OPERATIONS.status, undefined)) return status as Status
    throw new Fault('NODE_UNREACHABLE', 'the node does not say how it is')
  }

  /** Gives up whatever is open; an embedded node stops. Safe at any moment, and more than once. */
  async close(): Promise<void> {
    this.#ended.abort(NO_LONGER_NEEDED)
    await this.#channel.close()
  }

  /** @throws Fault ABORTED: what is asked after `close` is the program's own mistake, and no failure of the node. */
  #mustBeOpen(): void {
    if (this.#ended.signal.aborted) throw new Fault('ABORTED', 'the session is closed')
  }

  #ask(operation: OperationName, question: unknown, signal?: AbortSignal): AsyncIterable<unknown> {
    this.#mustBeOpen()
    return this.#channel.ask(operation, question, this.#until(signal))
  }

  /** Aborts with the session, too. */
  #until(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#ended.signal : AbortSignal.any([this.#ended.signal, signal])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** The file that is written before it has its name. @throws Fault BAD_REQUEST that names `path`. */
async function created(part: string, path: string): Promise<Awaited<ReturnType<typeof open>>> {
  const folder = dirname(path)
  if ((await kindOf(folder)) !== 'folder')
    throw new Fault('BAD_REQUEST', `path: there is no folder ${folder} for ${path}`)
  if ((await kindOf(path)) === 'folder')
    throw new Fault('BAD_REQUEST', `path: ${path} is a folder, expected the name of a file`)
  try {
    return await open(part, 'wx')
  } catch (cause) {
    throw new Fault('BAD_REQUEST', `path: cannot write ${path}: ${describe(cause)}`, { cause })
  }
}

async function kindOf(path: string): Promise<'folder' | 'other' | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return undefined
  return found.isDirectory() ? 'folder' : 'other'
}
