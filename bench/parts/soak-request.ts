/** One request of the soak: what is asked, what came of it, and whether that is right. */
import { createHash } from 'node:crypto'
import { request, type Agent, type IncomingMessage } from 'node:http'
import { contentChunks, contentDigest, contentOf } from './content.ts'

export interface SoakRequest {
  readonly method: 'GET' | 'HEAD' | 'POST'
  /** One of content.ts. A POST sends the body that a GET of the path would get. */
  readonly path: string
  /** The bytes of the range that is asked for, the last one excluded. */
  readonly range?: { readonly start: number; readonly end: number }
  /** The client goes away after so many ms, or bytes of the body, whichever comes first. */
  readonly abort?: { readonly afterMs: number; readonly afterBytes: number }
  /** Absent: a connection of its own, closed after it. */
  readonly agent: Agent | undefined
}

/** `cut`: the connection ended before the response did. `silent`: nothing for `SILENCE_MS`. */
export type Outcome =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly sha256: string
      readonly response: IncomingMessage
    }
  | { readonly kind: 'cut'; readonly reason: string }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'silent' }

/** A request that takes longer has been forgotten. */
const SILENCE_MS = 30_000

/** Never rejects: everything that may happen is an outcome. */
export function exchange(origin: string, port: number, asked: SoakRequest): Promise<Outcome> {
  const { method, path, range, abort, agent } = asked
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const headers = {
    Host: new URL(origin).host,
    ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` }),
    ...(method === 'POST' ? { 'Content-Length': contentOf(path)?.bytes ?? 0 } : {}),
  }
  const target = { host: '127.0.0.1', port, method, path: `${origin}${path}`, headers }
  const asking = request({ ...target, agent: agent ?? false })
  const leave = (outcome: Outcome) => {
    resolve(outcome)
    asking.destroy()
  }
  const timers = [setTimeout(() => leave({ kind: 'silent' }), SILENCE_MS)]
  if (abort !== undefined) timers.push(setTimeout(() => leave({ kind: 'aborted' }), abort.afterMs))
  asking.on('error', (error) => resolve({ kind: 'cut', reason: error.message }))
  asking.on('response', (response) => {
    void received(response, (all) => {
      if (abort !== undefined && all >= abort.afterBytes) leave({ kind: 'aborted' })
    }).then(resolve)
  })
  sendContent(asking, asked)
  return promise.finally(() => timers.forEach(clearTimeout))
}

/** @param onBytes Told after each chunk how many bytes of the body have come. */
async function received(response: IncomingMessage, onBytes: (all: number) => void): Promise<Outcome> {
  const hash = createHash('sha256')
  let all = 0
  try {
    for await (const chunk of response) {
      hash.update(chunk as Buffer)
      onBytes((all += (chunk as Buffer).length))
    }
  } catch (error) {
    return { kind: 'cut', reason: String(error) }
  }
  return { kind: 'answered', status: response.statusCode ?? 0, sha256: hash.digest('hex'), response }
}

/** A client that will go away stops in the middle of what it sends. */
function sendContent(asking: ReturnType<typeof request>, { method, path, abort }: SoakRequest): void {
  if (method !== 'POST') return void asking.end()
  const bytes = contentOf(path)?.bytes ?? 0
  const end = abort === undefined ? bytes : Math.floor(bytes / 2)
  for (const chunk of contentChunks(path, 0, end, 65_536)) asking.write(chunk)
  if (abort === undefined) asking.end()
}

/** @returns what is wrong with an outcome; nothing for the right response, or a clear error where there has to be one. */
export function fault(asked: SoakRequest, outcome: Outcome): string | undefined {
  const content = contentOf(asked.path)
  switch (outcome.kind) {
    case 'aborted':
      return undefined
    case 'silent':
      return 'no end'
    case 'cut':
      return content?.kind === 'broken' ? undefined : `cut: ${outcome.reason}`
    case 'answered':
      return content?.kind === 'broken' && outcome.status >= 500 ? undefined : wrongAnswer(asked, outcome)
  }
}

function wrongAnswer(
  { method, path, range }: SoakRequest,
  { status, sha256, response }: Outcome & { kind: 'answered' },
): string | undefined {
  const { kind, bytes } = contentOf(path) ?? { kind: 'absent', bytes: 0 }
  if (kind === 'absent') return status === 404 ? undefined : `${status} instead of 404`
  const expected = range === undefined ? 200 : 206
  if (status !== expected) return `${status} instead of ${expected}`
  if (method === 'HEAD')
    return Number(response.headers['content-length']) === bytes ? undefined : 'wrong Content-Length'
  const sent = contentDigest(path, range?.start ?? 0, range?.end ?? bytes)
  const right = kind === 'digest' ? createHash('sha256').update(sent).digest('hex') : sent
  return sha256 === right ? undefined : 'wrong bytes'
}
