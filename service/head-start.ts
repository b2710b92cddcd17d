/**
 * The first moments of a product's update. Its thread takes a tenth of a second of processor time to start, which is nothing on
 * one machine and seconds where twenty share two processors; the line to the Internet need not stand still meanwhile. So the node
 * gets the catalogue itself, and begins with the packages: the thread finds them here, or joins what is on its way.
 */
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { sleep, type Clock } from '../core/clock.ts'
import type { FieldLine, Fields } from '../core/fields.ts'
import type { Policy } from '../core/policy.ts'
import type { Random } from '../core/random.ts'
import { parseTargetUri, type TargetUri } from '../core/target-uri.ts'
import type { Resource, ResourceRequest } from '../retrieval/resource.ts'
import { PARALLEL } from '../update/installer/downloads.ts'
import type { Source } from '../update/installer/fetch-request.ts'
import { MAX_CATALOGUE_BYTES } from '../update/limits.ts'
import { packagesAhead } from '../update/installer/packages-ahead.ts'
import type { UpdaterSettings } from '../update/installer/updater.ts'

export interface HeadStartComponents {
  readonly clock: Clock
  readonly random: Random
  /** The node's own way of a resource (retrieval/resources.ts). */
  readonly get: (request: ResourceRequest) => Promise<Resource>
  readonly policyFor: (uri: TargetUri) => Policy
  readonly via: () => FieldLine
}

/** A package that has come, and where from. */
export interface Came {
  readonly url: string
  readonly source: Source
}

export interface HeadStart {
  /** The catalogue as it came; `undefined`: the thread gets it, and says why it does not come. */
  readonly catalogue: Buffer | undefined
  /** Tells `listener` of each package, also of those that came before. */
  listen(listener: (came: Came) => void): void
  /** The thread has ended: what only this was waiting for ends too. */
  end(): void
}

/** No longer is the thread held up by a catalogue that does not come, in ms. */
export const MOST_MS = 2000

/** Within this, in ms, each machine's thread starts at a moment of its own while packages come: they are seldom alone on their host. */
export const SPREAD_MS = 3000

const USUAL: Fields = [
  ['Accept', '*/*'],
  ['Accept-Encoding', 'identity'],
  ['User-Agent', 'ihave-update'],
]

/**
 * Resolves when it is the thread's turn. Never fails: where it is of no use, the thread begins from nothing.
 * @param signal ends it, with the thread that is not there yet
 */
export async function headStart(
  settings: UpdaterSettings,
  components: HeadStartComponents,
  signal: AbortSignal,
): Promise<HeadStart> {
  const started = new Started(components)
  const end = () => started.end()
  signal.addEventListener('abort', end, { once: true })
  await started.begin(settings)
  signal.removeEventListener('abort', end)
  return started
}

class Started implements HeadStart {
  readonly #components: HeadStartComponents
  readonly #ending = new AbortController()
  readonly #came: Came[] = []
  #listener: (came: Came) => void = () => {}
  #catalogue: Buffer | undefined

  constructor(components: HeadStartComponents) {
    this.#components = components
  }

  get catalogue(): Buffer | undefined {
    return this.#catalogue
  }

  listen(listener: (came: Came) => void): void {
    this.#listener = listener
    for (const came of this.#came) listener(came)
  }

  end(): void {
    this.#ending.abort(NO_LONGER_NEEDED)
  }

  async begin(settings: UpdaterSettings): Promise<void> {
    this.#catalogue = await this.#fetchCatalogue(settings.catalog)
    if (this.#catalogue === undefined) return
    const waiting = [...(await packagesAhead(this.#catalogue, settings, this.#components.clock.wall()))]
    const work = async () => {
      for (let url = waiting.shift(); url !== undefined; url = waiting.shift()) await this.#bring(url)
    }
    const all = Promise.all(Array.from({ length: PARALLEL }, work))
    const { clock, random } = this.#components
    await Promise.race([all, sleep(clock, random.fraction() * SPREAD_MS, this.#ending.signal)])
  }

  async #fetchCatalogue(catalog: string): Promise<Buffer | undefined> {
    const end = new AbortController()
    const cancel = this.#components.clock.after(MOST_MS, () => end.abort(NO_LONGER_NEEDED))
    try {
      const signal = AbortSignal.any([end.signal, this.#ending.signal])
      const answer = (await this.#get(catalog, true, signal))?.answer
      return answer?.status === 200 && answer.body !== undefined ? await whole(answer.body) : undefined
    } catch {
      return undefined
    } finally {
      cancel()
      end.abort(NO_LONGER_NEEDED)
    }
  }

  /** So that the cache holds it, or is about to. What it would not keep is left to the thread: once is enough. */
  async #bring(url: string): Promise<void> {
    const mine = new AbortController()
    try {
      const resource = await this.#get(url, false, AbortSignal.any([mine.signal, this.#ending.signal]))
      if (resource === undefined || !isComing(resource)) return
      if (resource.answer.body !== undefined) await readToEnd(resource.answer.body)
      this.#tell({ url, source: resource.trace.how === 'internet' ? 'internet' : 'peer' })
    } catch {
      // The thread asks for it as well, and hears what is wrong.
    } finally {
      mine.abort(NO_LONGER_NEEDED)
    }
  }

  #tell(came: Came): void {
    this.#came.push(came)
    this.#listener(came)
  }

  /** `undefined`: the node keeps nothing of it. @throws Fault when there is no answer */
  async #get(url: string, isFresh: boolean, signal: AbortSignal): Promise<Resource | undefined> {
    const { get, policyFor, via } = this.#components
    const uri = parseTargetUri(url)
    // What is asked for with https goes through the proxy unseen.
    if (uri?.startsWith('http:') !== true || !(isFresh || policyFor(uri).store)) return undefined
    const received: Fields = isFresh ? [...USUAL, ['Cache-Control', 'no-cache']] : USUAL
    const alone = isFresh ? { mayAskPeers: false as const } : {}
    const forwarded = [...received, via()]
    return get({ method: 'GET', uri, target: uri, received, forwarded, client: 'update', signal, ...alone })
  }
}

/** Whether it is on its way to this node, to be kept: of what is here already there is nothing to bring. */
function isComing({ answer, trace: { cacheStatus } }: Resource): boolean {
  return answer.status === 200 && cacheStatus.kind === 'forward' && cacheStatus.isStored === true
}

async function readToEnd(body: AsyncIterable<Uint8Array>): Promise<void> {
  const chunks = body[Symbol.asyncIterator]()
  while ((await chunks.next()).done !== true);
}

/** `undefined`: it is longer than any catalogue. */
async function whole(body: AsyncIterable<Uint8Array>): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    chunks.push(Buffer.from(chunk))
    if ((bytes += chunk.length) > MAX_CATALOGUE_BYTES) return undefined
  }
  return Buffer.concat(chunks)
}
