/** The front end on a real server of node:http, over a path of a resource that the test scripts. */
import { createServer, type Server, type ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { bodyOf } from '../../../core/answer.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Fields } from '../../../core/fields.ts'
import type { RequestLine } from '../../../proxy/exchange-log.ts'
import type { Patience } from '../../../proxy/front/connection.ts'
import { FrontEnd, withoutConnections } from '../../../proxy/front/front-end.ts'
import { serverOptions } from '../../../proxy/server-options.ts'
import type { HotHit, HotRequest } from '../../../retrieval/hot-responses.ts'
import type { Resource, ResourceRequest } from '../../../retrieval/resource.ts'
import type { Resources } from '../../../retrieval/resources.ts'
import { manualClock, type ManualClock } from '../../manual-clock.ts'

export interface Front {
  readonly port: number
  readonly server: Server
  readonly front: FrontEnd
  readonly clock: ManualClock
  /** What was asked of the path of a resource, in order. */
  readonly asked: Asked[]
  readonly lines: RequestLine[]
  /** What node:http was given to read: method and target. */
  readonly byNode: string[]
  /** Heads that did not come to their end. */
  readonly late: string[]
  /** Waits until it is so. @throws when it never is. */
  until(is: () => boolean): Promise<void>
}

export interface Asked {
  readonly request: ResourceRequest
  readonly answer: (resource: Resource) => void
  readonly fail: (fault: Fault) => void
}

export interface FrontOptions {
  /** What `get` answers at once; absent or `undefined`: the test answers. */
  readonly get?: (request: ResourceRequest) => Resource | undefined
  readonly hot?: (request: HotRequest) => HotHit | undefined
  readonly miss?: Resources['miss']
  readonly patience?: Partial<Patience>
  readonly server?: ServerOptions
}

export async function startFront(t: TestContext, options: FrontOptions = {}): Promise<Front> {
  const { get = () => undefined, hot = () => undefined, miss = () => undefined, patience = {} } = options
  const asked: Asked[] = []
  const lines: RequestLine[] = []
  const byNode: string[] = []
  const late: string[] = []
  const clock = manualClock()
  const server = createServer({ ...serverOptions(), ...options.server })
  const front = new FrontEnd(
    {
      pseudonym: 'front-under-test',
      patience,
      checks: ({ localPort }) => ({
        pseudonym: 'front-under-test',
        ownAuthorities: [`localhost:${localPort}`],
        isOwnPage: () => false,
      }),
    },
    {
      clock,
      resources: {
        ruleOf: () => 'rule',
        hot,
        miss,
        get(request) {
          const { promise, resolve, reject } = Promise.withResolvers<Resource>()
          asked.push({ request, answer: resolve, fail: reject })
          const now = get(request)
          if (now !== undefined) resolve(now)
          return promise
        },
      },
      log: (line) => lines.push(line),
      handOver: withoutConnections(server),
      tooLate: (socket) => {
        late.push(socket.remoteAddress ?? '')
        socket.destroy()
      },
    },
  )
  server.on('connection', (socket) => front.take(socket))
  server.on('request', (request, response) => {
    byNode.push(`${request.method} ${request.url}`)
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => response.end(`node ${request.method} ${Buffer.concat(chunks).toString()};`))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => {
    front.closeAll()
    server.closeAllConnections()
    server.close()
  })
  const until = async (is: () => boolean) => {
    for (let turn = 0; turn < 20_000; turn++) {
      if (is()) return
      await setImmediate()
    }
    throw new Error('it never came to be so')
  }
  return {
    port: (server.address() as AddressInfo).port,
    server,
    front,
    clock,
    asked,
    lines,
    byNode,
    late,
    until,
  }
}

/** A response from the store. */
export function stored(text: string, fields: Fields = []): Resource {
  return {
    answer: {
      status: 200,
      fields: [['Date', 'Sat, 28 Nov 2026 01:00:00 GMT'], ...fields, ['Content-Length', String(text.length)]],
      body: bodyOf(Buffer.from(text, 'latin1')),
    },
    trace: { how: 'hit', cacheStatus: { kind: 'hit', ttlMs: 1000 } },
  }
}

/** A response whose content comes as the test likes. */
export function streamed(body: AsyncIterable<Uint8Array>, fields: Fields = []): Resource {
  return {
    answer: { status: 200, fields, body },
    trace: { how: 'internet', cacheStatus: { kind: 'forward', reason: 'uri-miss' } },
  }
}

export function plain(path: string, lines = '', method = 'GET'): string {
  return `${method} http://a.test/${path} HTTP/1.1\r\nHost: a.test\r\n${lines}\r\n`
}
