/** Files for applications (R11.1): each retrieval by its name, from the request to the last byte. */
import { NO_LONGER_NEEDED } from '../../core/ended.ts'
import type { Clock } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import type { Random } from '../../core/random.ts'
import { withoutSecrets } from '../../core/redaction.ts'
import type { Store } from '../../core/store.ts'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import type { Verifier } from '../../core/verifier.ts'
import { ExchangeLog, type RequestLine } from '../../proxy/exchange-log.ts'
import type { Resource } from '../../retrieval/resource.ts'
import type { Resources } from '../../retrieval/resources.ts'
import type { Retrievals } from '../../retrieval/retrievals.ts'
import { MAX_REDIRECTS, redirectOf } from '../../retrieval/named-source.ts'
import type { Rules } from '../../retrieval/rules.ts'
import { Retrieving, type FileBytes, type OpenedFile } from './retrieving.ts'
import type { RetrievalLine } from './retrieval-words.ts'
import {
  forwardedFields,
  receivedFields,
  wantedFrom,
  type Wanted,
  type WantedContent,
  type WantedUrl,
} from './retrieve-request.ts'

export interface FilesSettings {
  /** This node's name in `Via`. */
  readonly pseudonym: string
  /** What origin servers are told of the program that asks. */
  readonly agent: string
}

export interface FilesComponents {
  readonly clock: Clock
  readonly random: Random
  readonly store: Pick<Store, 'lookup'>
  readonly verifier: Pick<Verifier, 'expect'>
  readonly resources: Resources
  readonly retrievals: Pick<Retrievals, 'all'>
  readonly rules: () => Rules
  readonly log: (line: RequestLine) => void
}

export interface Files {
  /** @throws Fault BAD_REQUEST; and on the way what the file's sources, or its want, come to. */
  retrieve(question: unknown, signal: AbortSignal): AsyncIterable<RetrievalLine>
  /** The bytes of a retrieval, once. */
  take(id: string): FileBytes | undefined
  /** Gives up every retrieval. */
  stop(): void
}

/** What these requests are called where others have an address. */
const CLIENT = 'library'

export function files(settings: FilesSettings, components: FilesComponents): Files {
  const running = new Map<string, Retrieving>()
  return {
    async *retrieve(question, signal) {
      const wanted = wantedFrom(question)
      const retrieving = newRetrieving(wanted, settings, components)
      const { id } = retrieving
      const onGone = () => retrieving.end()
      signal.addEventListener('abort', onGone, { once: true })
      running.set(id, retrieving)
      try {
        yield* retrieving.lines()
      } finally {
        running.delete(id)
        signal.removeEventListener('abort', onGone)
      }
    },
    take: (id) => running.get(id)?.take(),
    stop() {
      for (const each of running.values()) each.end(new Fault('STOPPING', 'the node is stopping'))
    },
  }
}

function newRetrieving(wanted: Wanted, settings: FilesSettings, components: FilesComponents): Retrieving {
  const { random, clock, retrievals, verifier, store, rules } = components
  const retrieving: Retrieving = new Retrieving(random.hex(16), wanted.uri, {
    clock,
    open: (signal) =>
      opened(wanted, settings, components, { signal, follow: (uri) => retrieving.follow(uri) }),
    running: (uri) => retrievals.all().find(({ request }) => request.uri === uri),
    expect: (uri) => verifier.expect(uri, rules().policyFor(uri)),
    storedFrom: (uri) => store.lookup(uri)[0]?.source,
  })
  return retrieving
}

interface Way {
  readonly signal: AbortSignal
  /** Another URL is asked for from now on. */
  readonly follow: (uri: TargetUri) => void
}

/** @throws Fault when there is no file. */
function opened(
  wanted: Wanted,
  settings: FilesSettings,
  components: FilesComponents,
  way: Way,
): Promise<OpenedFile> {
  switch (wanted.kind) {
    case 'content':
      return openedContent(wanted, settings, components, way)
    case 'url':
      return openedUrl(wanted, settings, components, way)
  }
}

async function openedContent(
  wanted: WantedContent,
  { pseudonym, agent }: FilesSettings,
  { resources, clock, log }: FilesComponents,
  { signal }: Way,
): Promise<OpenedFile> {
  const { uri } = wanted
  const fields = forwardedFields(receivedFields({ ...wanted, from: 'anywhere' }, agent), pseudonym)
  const line = new ExchangeLog({ method: 'GET', url: uri, client: CLIENT }, clock, log)
  const asked = resources.content({ ...wanted, fields, signal })
  return { uri, resource: await logged(asked, line, resources.ruleOf({ uri })) }
}

async function openedUrl(
  wanted: WantedUrl,
  settings: FilesSettings,
  components: FilesComponents,
  { signal, follow }: Way,
): Promise<OpenedFile> {
  let asked = wanted
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const hop = new AbortController()
    const resource = await asking(asked, settings, components, AbortSignal.any([signal, hop.signal]))
    if (resource.answer.status === 200) return { uri: asked.uri, resource }
    // What is not read is let go of.
    hop.abort(NO_LONGER_NEEDED)
    const next = redirected(asked, resource)
    if (next === undefined) throw refusal(resource, asked)
    asked = next
    follow(asked.uri)
  }
  throw new Fault('RESPONSE_INVALID', `more than ${MAX_REDIRECTS} redirects`)
}

/** Where an application would go from here. @throws Fault RESPONSE_INVALID for where nobody should. */
function redirected(wanted: WantedUrl, { answer }: Resource): WantedUrl | undefined {
  const next = redirectOf(answer, wanted)
  const uri = next && parseTargetUri(next.target)
  if (next === undefined || uri === undefined) return undefined
  // On the way back everybody could change the bytes.
  if (wanted.uri.startsWith('https:') && !uri.startsWith('https:'))
    throw new Fault('RESPONSE_INVALID', 'a redirect from https to http is not followed')
  return { ...wanted, ...next, uri }
}

function asking(
  wanted: WantedUrl,
  { pseudonym, agent }: FilesSettings,
  { resources, clock, log }: FilesComponents,
  signal: AbortSignal,
): Promise<Resource> {
  const { uri, target } = wanted
  const received = receivedFields(wanted, agent)
  const forwarded = forwardedFields(received, pseudonym)
  const request = { method: 'GET', uri, target, received, forwarded, client: CLIENT, signal } as const
  const told = { method: 'GET', url: withoutSecrets(target), client: CLIENT }
  return logged(resources.get(request), new ExchangeLog(told, clock, log), resources.ruleOf(request))
}

/** The same, with its line in the log when the bytes have been read. */
async function logged(asked: Promise<Resource>, line: ExchangeLog, rule: string): Promise<Resource> {
  try {
    const resource = await asked
    const { answer, trace } = resource
    const end = { way: 'resource', status: answer.status, rule, trace } as const
    line.firstByte()
    if (answer.body === undefined) line.end(end)
    else
      return {
        ...resource,
        answer: {
          ...answer,
          body: counted(answer.body, (bytes, kind) => line.end({ ...end, written: { kind, bytes } })),
        },
      }
    return resource
  } catch (error) {
    if (error instanceof Fault) line.end({ way: 'resource', status: 0, rule, fault: error })
    throw error
  }
}

/** Not a generator: one that was never asked for a byte would not close what it reads from. */
function counted(
  body: AsyncIterable<Uint8Array>,
  ended: (bytes: number, kind: 'complete' | 'aborted') => void,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const chunks = body[Symbol.asyncIterator]()
      let bytes = 0
      return {
        async next() {
          const step = await chunks.next()
          if (step.done === true) ended(bytes, 'complete')
          else bytes += step.value.length
          return step
        },
        async return() {
          await chunks.return?.()
          ended(bytes, 'aborted')
          return { done: true, value: undefined }
        },
      }
    },
  }
}

/** Only a file is a file. */
function refusal({ answer }: Resource, { uri, from }: WantedUrl): Fault {
  if (from !== 'anywhere' && answer.status === 504)
    return new Fault('NOT_FOUND', `${withoutSecrets(uri)} is not here`)
  return new Fault(
    'RESPONSE_REFUSED',
    `${withoutSecrets(uri)}: the origin server answered with status ${answer.status}`,
  )
}
