/**
 * The control API as the node answers it (docs/control-api.yaml). The socket's permissions guard it (V§4), and on loopback a
 * token (control-loopback.ts).
 */
import { chmod, lstat, rm } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { drained, writeAnswer } from '../core/answer.ts'
import { NO_LONGER_NEEDED } from '../core/ended.ts'
import { describe, Fault, FAULTS } from '../core/fault.ts'
import type { FieldLine } from '../core/fields.ts'
import { createServer } from '../core/node-http.ts'
import type { Random } from '../core/random.ts'
import { listenOnLoopback, type Loopback, type LoopbackSettings } from './control-loopback.ts'
import {
  COPIES_PATH,
  OPERATIONS,
  RETRIEVALS_PATH,
  whoListens,
  type FaultLine,
  type OperationName,
} from './control.ts'

/**
 * One thing that a node can be asked: gives the lines of the answer, which nobody may want to read to the end. `signal`
 * aborts when who asked has gone.
 */
export type Operation = (question: unknown, signal: AbortSignal) => Iterable<unknown> | AsyncIterable<unknown>

export type Operations = Readonly<Record<OperationName, Operation>>

/** What travels as bytes. */
export interface Bytes {
  /** Those of a retrieval, once; `undefined` when there are none of that name. */
  take(
    id: string,
  ): { readonly size: number | undefined; readonly body: AsyncIterable<Uint8Array> } | undefined
  /**
   * Those of a copy that is announced. @returns `undefined` when nobody waits for them.
   * @throws Fault why they are refused.
   */
  put(id: string, bytes: AsyncIterable<Uint8Array>): Promise<void> | undefined
}

const noBytes: Bytes = { take: () => undefined, put: () => undefined }

export interface Control {
  /** Resolves when every operation has ended. */
  stop(): Promise<void>
}

/** Who takes nothing of its bytes for so long has gone without saying so, in ms. */
const STALL_MS = 60_000

/** Bytes of a question. */
const MAX_QUESTION_BYTES = 64 * 1024

/**
 * Listens for commands. A socket that a killed node left behind is removed; anything else at that path stays.
 * @throws Fault ADDRESS_IN_USE naming the path.
 */
export async function startControl(
  path: string,
  operations: Operations,
  bytes: Bytes = noBytes,
): Promise<Control> {
  await removeLeftover(path)
  const { server, running } = controlServer({ operations, bytes }, () => undefined)
  await listen(server, path)
  if (process.platform !== 'win32') await chmod(path, 0o600)
  return {
    async stop() {
      await close(server)
      await Promise.all(running)
    },
  }
}

/**
 * Listens on loopback, too.
 * @throws Fault ADDRESS_IN_USE, STORE_FAILED.
 */
export async function startLoopbackControl(
  settings: LoopbackSettings,
  operations: Operations,
  bytes: Bytes,
  random: Random,
): Promise<Control & { readonly port: number }> {
  let loopback: Loopback | undefined
  // Nobody is answered before the token is there.
  const refusal = (incoming: IncomingMessage) => {
    if (loopback !== undefined) return loopback.refusal(incoming)
    return new Fault('NOT_ALLOWED', 'the node is starting')
  }
  const { server, running } = controlServer({ operations, bytes }, refusal)
  try {
    loopback = await listenOnLoopback(server, settings, random)
  } catch (error) {
    server.close()
    throw error
  }
  const { port } = loopback
  return {
    port,
    async stop() {
      await close(server)
      await Promise.all([...running, loopback?.stop()])
    },
  }
}

function controlServer(served: Served, refusal: (incoming: IncomingMessage) => Fault | undefined) {
  const running = new Set<Promise<void>>()
  const server = createServer((incoming, response) => {
    const fault = refusal(incoming)
    if (fault !== undefined) return refuse(response, fault)
    const run = answer(served, incoming, response).finally(() => running.delete(run))
    running.add(run)
  })
  return { server, running }
}

interface Served {
  readonly operations: Operations
  readonly bytes: Bytes
}

/** Never fails: who asked is told what went wrong, or has gone. */
async function answer(
  { operations, bytes }: Served,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const retrieval = named(incoming, 'GET', RETRIEVALS_PATH)
    const copy = named(incoming, 'PUT', COPIES_PATH)
    if (retrieval !== undefined) await answerBytes(bytes, retrieval, response)
    else if (copy !== undefined) await takeBytes(bytes, copy, incoming, response)
    else await answerLines(find(operations, incoming), incoming, response)
  } catch (error) {
    refuse(response, error)
  }
}

/** What follows `path`. */
function named({ method, url = '' }: IncomingMessage, isMethod: string, path: string): string | undefined {
  return method === isMethod && url.startsWith(path) ? url.slice(path.length) : undefined
}

async function answerLines(
  operation: Operation,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort(NO_LONGER_NEEDED))
  const question = await questionOf(incoming)
  for await (const line of operation(question, gone.signal)) {
    await say(response, line)
    if (response.destroyed) return
  }
  begin(response, 200)
  response.end()
}

/** @throws Fault NOT_FOUND; what breaks the bytes off is told on the lines of the retrieval. */
async function answerBytes(bytes: Bytes, id: string, response: ServerResponse): Promise<void> {
  const found = bytes.take(id)
  if (found === undefined)
    throw new Fault('NOT_FOUND', 'there are no such bytes, or not yet, or they were read')
  const length: FieldLine[] = found.size === undefined ? [] : [['Content-Length', String(found.size)]]
  const fields: FieldLine[] = [['Content-Type', 'application/octet-stream'], ...length]
  await writeAnswer(response, { status: 200, fields, body: found.body }, STALL_MS)
}

/** @throws Fault NOT_FOUND, and why they are refused. */
async function takeBytes(
  bytes: Bytes,
  id: string,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const taking = bytes.put(id, incoming as AsyncIterable<Uint8Array>)
  if (taking === undefined) throw new Fault('NOT_FOUND', 'nobody waits for these bytes')
  await taking
  response.writeHead(204).end()
}

function find(operations: Operations, { method, url }: IncomingMessage): Operation {
  const name = `${method} ${url}`
  const known = Object.values(OPERATIONS).find((each) => each === name)
  if (known !== undefined) return operations[known]
  throw new Fault('NOT_FOUND', `expected ${Object.values(OPERATIONS).join(', ')}`)
}

/** @throws Fault BAD_REQUEST for anything but JSON, or nothing. */
async function questionOf(incoming: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of incoming.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk
    if (text.length > MAX_QUESTION_BYTES)
      throw new Fault('BAD_REQUEST', `expected a question of at most ${MAX_QUESTION_BYTES} bytes`)
  }
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch (cause) {
    throw new Fault('BAD_REQUEST', 'expected a question in JSON', { cause })
  }
}

/** Waits for a slow reader, so that an answer takes no memory however long it is. */
async function say(response: ServerResponse, line: unknown): Promise<void> {
  begin(response, 200)
  if (!response.write(`${JSON.stringify(line)}\n`)) await drained(response)
}

function begin(response: ServerResponse, status: number): void {
  if (!response.headersSent) response.writeHead(status, { 'Content-Type': 'application/x-ndjson' })
}

function refuse(response: ServerResponse, error: unknown): void {
  // A fault of the program itself has no code; it is told all the same.
  const code = error instanceof Fault ? error.code : 'STORE_FAILED'
  const blame = error instanceof Fault ? error.blame : FAULTS[code].blame
  const line: FaultLine = { fault: { code, message: describe(error), blame } }
  begin(response, FAULTS[code].status)
  response.end(`${JSON.stringify(line)}\n`)
}

async function removeLeftover(path: string): Promise<void> {
  const isSocket = await lstat(path).then(
    (stats) => stats.isSocket(),
    () => false,
  )
  // Whoever listens there, whatever it answers, is left alone.
  if (isSocket && (await whoListens(path)) === 'nobody') await rm(path, { force: true })
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new Fault('ADDRESS_IN_USE', `control.socket: cannot listen on ${path}: ${cause.message}`, { cause }),
      ),
    )
    server.listen(path, resolve)
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
