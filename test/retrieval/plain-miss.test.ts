import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { fieldValue, type Fields } from '../../core/fields.ts'
import type { Call, CallingUpstream, ResponseTaker, UpstreamRequest } from '../../core/upstream.ts'
import { AwaitedResponse } from '../../proxy/upstream/awaited-response.ts'
import type { Begun } from '../../retrieval/begun.ts'
import type { MissTaker, PlainMiss } from '../../retrieval/plain-miss.ts'
import { NEXT_PART_MS } from '../../retrieval/readers.ts'
import type { ResourceRequest, Trace } from '../../retrieval/resource.ts'
import { transfers } from '../../retrieval/transfers.ts'
import { memoryStore } from '../../cache/memory-store.ts'
import {
  A,
  changedAtTheLastMoment,
  storedTexts,
  textOf,
  URL_A,
  world,
  type Scene,
  type World,
} from './world.ts'

/** A request that was made of the origin server, which the test answers. */
interface Made {
  readonly request: Pick<UpstreamRequest, 'method' | 'uri' | 'fields'>
  readonly taker: ResponseTaker
  isGivenUp: boolean
}

/** What an application asks for by the path of a resource. */
const ASKED = {
  method: 'GET',
  uri: A,
  target: URL_A,
  received: [],
  forwarded: [],
  client: 'one',
} as const

class ScriptedOrigin implements CallingUpstream {
  readonly made: Made[] = []

  call(request: Made['request'], taker: ResponseTaker): Call {
    const made = { request, taker, isGivenUp: false }
    this.made.push(made)
    return { pause: () => {}, resume: () => {}, giveUp: () => void (made.isGivenUp = true) }
  }

  async request(request: UpstreamRequest) {
    const awaited = new AwaitedResponse(request)
    awaited.begin((taker) => this.call(request, taker))
    return awaited.response
  }

  /** The request that was made last. */
  get last(): Made {
    return this.made.at(-1) ?? assert.fail('nothing was asked of the origin server')
  }
}

/** What an application was told. */
class Told implements MissTaker {
  status: number | undefined
  fields: Fields = []
  trace: Trace | undefined
  text = ''
  end: 'whole' | Fault | undefined
  begun: Begun | undefined
  readonly interim: number[] = []

  readonly onInformation = (status: number): void => void this.interim.push(status)

  readonly onAnswer: MissTaker['onAnswer'] = ({ status, fields }, trace) => {
    this.status = status
    this.fields = fields
    this.trace = trace
  }

  readonly onData = (bytes: Uint8Array): void => void (this.text += Buffer.from(bytes).toString())
  readonly onEnd = (): void => void (this.end = 'whole')
  readonly onFailure = (fault: Fault): void => void (this.end = fault)
  readonly onPath = (begun: Begun): void => void (this.begun = begun)
}

interface Played {
  readonly node: World
  readonly origin: ScriptedOrigin
  readonly told: Told
  readonly ask: (fields?: Fields, more?: Partial<ResourceRequest>) => PlainMiss | undefined
}

async function play(scene: Partial<Scene> = {}): Promise<Played> {
  const origin = new ScriptedOrigin()
  const node = world({ rule: { share: false }, origin: () => assert.fail(), upstream: origin, ...scene })
  // The first copy looks how much room there is.
  await (await node.store.create()).discard()
  const told = new Told()
  const ask: Played['ask'] = (received = [], more = {}) =>
    node.resources.miss(
      { method: 'GET', uri: A, target: URL_A, received, forwarded: received, client: 'one', ...more },
      told,
    )
  return { node, origin, told, ask }
}

const head = (size: number, fields: Fields = [['ETag', '"1"']]) => ({
  status: 200,
  reason: 'OK',
  fields: [['Content-Length', String(size)], ['Cache-Control', 'max-age=60'], ...fields] as Fields,
})

function send({ taker }: Made, text: string): void {
  taker.onData(Buffer.from(text))
}

async function keepsOneFetch({ node, origin }: Played): Promise<void> {
  await node.settle()
  assert.equal(origin.made.length, 1)
}

describe('a plain miss', () => {
  test('is given the bytes as they come, and stored', async () => {
    const played = await play()
    const { node, origin, told, ask } = played
    assert.ok(ask())
    const { request, taker } = origin.last
    assert.deepEqual([request.method, request.uri], ['GET', URL_A])
    taker.onInformation(103, [])
    taker.onHead(head(10))
    assert.deepEqual([told.interim, told.status], [[103], 200])
    assert.equal(fieldValue(told.fields, 'accept-ranges'), 'bytes')
    send(origin.last, 'hello')
    assert.equal(told.text, 'hello')
    const underWay = {
      uri: A,
      source: 'internet',
      receivedBytes: 5,
      totalBytes: 10,
      bytesPerSecond: undefined,
    }
    assert.deepEqual(transfers(node.retrievals), [underWay])
    send(origin.last, 'world')
    taker.onEnd()
    assert.deepEqual([told.text, told.end], ['helloworld', 'whole'])
    await keepsOneFetch(played)
    assert.deepEqual(transfers(node.retrievals), [])
    assert.deepEqual(await storedTexts(node), ['helloworld'])
    const { how, cacheStatus, retrieval } = told.trace ?? assert.fail()
    assert.equal(how, 'internet')
    assert.deepEqual(cacheStatus, {
      kind: 'forward',
      reason: 'uri-miss',
      status: 200,
      isStored: true,
      isCollapsed: false,
      detail: 'internet',
    })
    assert.equal(retrieval?.bytes.internet, 10)
    assert.deepEqual(
      node.told.map(({ kind }) => kind),
      ['stored', 'ended'],
    )
  })

  test('says the same of itself as the path of a resource', async () => {
    const short = await play()
    short.ask()
    short.origin.last.taker.onHead(head(2))
    send(short.origin.last, 'ok')
    short.origin.last.taker.onEnd()
    const long = await play()
    const application = long.node.get()
    await long.node.settle()
    long.origin.last.taker.onHead(head(2))
    send(long.origin.last, 'ok')
    long.origin.last.taker.onEnd()
    const { status, fields, cacheStatus } = await long.node.within(application)
    assert.deepEqual([short.told.status, short.told.trace?.cacheStatus], [status, cacheStatus])
    const sorted = (all: Fields) => all.map((line) => line.join(': ')).toSorted()
    assert.deepEqual(sorted(short.told.fields), sorted(fields))
    await short.node.settle()
    await long.node.settle()
    const [one, other] = [short, long].map(({ node }) => node.store.lookup(A))
    assert.deepEqual(one, other)
  })

  for (const [name, fields, more] of [
    ['HEAD', [], { method: 'HEAD' }],
    ['a range', [['Range', 'bytes=0-1']], {}],
    ['a condition', [['If-None-Match', '"1"']], {}],
    ['credentials', [['Authorization', 'x']], {}],
    ['a cookie', [['Cookie', 'x']], {}],
    ['wishes to a cache', [['Cache-Control', 'no-cache']], {}],
    ['wishes of old', [['Pragma', 'no-cache']], {}],
  ] as const)
    test(`is none with ${name}`, async () => {
      const { origin, ask } = await play()
      assert.equal(ask(fields, more), undefined)
      assert.equal(origin.made.length, 0)
    })

  test('is none where the LAN may be asked', async () => {
    assert.equal((await play({ rule: { share: true } })).ask(), undefined)
  })

  test('is none where something is stored, or on its way', async () => {
    const { node, origin, ask } = await play()
    const application = node.get()
    await node.settle()
    assert.equal(ask(), undefined)
    origin.last.taker.onHead(head(2))
    send(origin.last, 'ok')
    origin.last.taker.onEnd()
    await node.within(application)
    await node.settle()
    assert.equal(ask(), undefined)
    assert.equal(origin.made.length, 1)
  })

  test('is none where a plain miss is under way', async () => {
    const { ask } = await play()
    assert.ok(ask())
    assert.equal(ask(), undefined)
  })

  test('that gets no answer says so, and can be asked again', async () => {
    const { origin, told, ask, node } = await play()
    ask()
    const fault = new Fault('CONNECT_REFUSED', 'x')
    origin.last.taker.onFailure(fault)
    assert.equal(told.end, fault)
    assert.deepEqual(
      node.told.map(({ kind }) => kind),
      ['ended'],
    )
    assert.ok(ask())
  })
})

describe('a plain miss takes the path of a resource', () => {
  const cases: readonly (readonly [string, ReturnType<typeof head>])[] = [
    ['with another status', { ...head(2), status: 404 }],
    [
      'with what may not be stored',
      {
        ...head(2),
        fields: [
          ['Content-Length', '2'],
          ['Cache-Control', 'no-store'],
        ],
      },
    ],
    ['with what tells no length', { ...head(2), fields: [['Cache-Control', 'max-age=60']] }],
    ['with what has no room', head(2)],
  ]
  for (const [name, response] of cases)
    test(`${name}, and the origin server is not asked again`, async () => {
      const store: Scene['store'] = (clock) =>
        memoryStore({ maxBytes: 1000, maxObjectBytes: name.endsWith('room') ? 1 : 1000, clock })
      const played = await play({ store })
      const { node, origin, told, ask } = played
      ask()
      origin.last.taker.onHead(response)
      const { begun } = told
      assert.ok(begun)
      const resource = node.resources.get({ ...ASKED, begun, signal: new AbortController().signal })
      await node.settle()
      send(origin.last, 'ok')
      origin.last.taker.onEnd()
      const { answer } = await node.within(resource)
      assert.equal(answer.status, response.status)
      const chunks: Uint8Array[] = []
      for await (const chunk of answer.body ?? []) chunks.push(chunk)
      assert.equal(Buffer.concat(chunks).toString(), 'ok')
      await keepsOneFetch(played)
      assert.equal(told.end, undefined)
    })

  test('and gives the response up when that has no use for it', async () => {
    const { node, origin, told, ask } = await play()
    ask()
    origin.last.taker.onHead({ ...head(2), status: 404 })
    told.begun?.drop()
    await node.settle()
    assert.ok(origin.last.isGivenUp)
  })
})

describe('others who want what a plain miss fetches', () => {
  test('come before its head: then it takes the path, which they join', async () => {
    const played = await play()
    const { node, origin, told, ask } = played
    ask()
    const other = node.get()
    await node.settle()
    origin.last.taker.onHead(head(2))
    assert.ok(told.begun)
    const { signal } = new AbortController()
    const own = node.resources.get({ ...ASKED, begun: told.begun, signal })
    await node.settle()
    send(origin.last, 'ok')
    origin.last.taker.onEnd()
    assert.equal((await node.within(own)).answer.status, 200)
    const { text, isCollapsed } = await node.within(other)
    assert.deepEqual([text, isCollapsed], ['ok', true])
    await keepsOneFetch(played)
  })

  /** Somebody wants a part of it before its head has come, and asks for that then, before the path of a resource has the answer. */
  async function besideAPart() {
    const played = await play()
    const { node, origin, told, ask } = played
    ask()
    const part = node.ask([['Range', 'bytes=0-1']])
    await node.settle()
    const whole = origin.last
    whole.taker.onHead(head(4, []))
    await node.settle()
    assert.equal(fieldValue(origin.last.request.fields, 'range'), 'bytes=0-1')
    const { begun } = told
    assert.ok(begun)
    const answerPart = () => {
      const length: Fields = [
        ['Content-Range', 'bytes 0-1/4'],
        ['Content-Length', '2'],
      ]
      origin.last.taker.onHead({
        ...head(2),
        status: 206,
        fields: [...length, ['Cache-Control', 'max-age=60']],
      })
      send(origin.last, 'TO')
      origin.last.taker.onEnd()
      return node.read(part)
    }
    const { signal } = new AbortController()
    const takePath = () => node.within(node.resources.get({ ...ASKED, begun, signal }))
    return { ...played, whole, answerPart, takePath }
  }

  test('come before its head, for a part: it does not wait for what they ask, which replaces nothing', async () => {
    const { node, origin, whole, answerPart, takePath } = await besideAPart()
    send(whole, 'to')
    const { answer } = await takePath()
    assert.equal((await answerPart()).text, 'TO')
    const other = node.get()
    await node.settle()
    send(whole, 'ld')
    whole.taker.onEnd()
    assert.deepEqual([await textOf(answer.body), (await node.within(other)).text], ['told', 'told'])
    await node.settle()
    assert.deepEqual(await storedTexts(node), ['told'])
    assert.equal(origin.made.length, 2)
  })

  test('come before its head, for a part: it does not wait until that is put away', async () => {
    const { node, origin, whole, answerPart, takePath } = await besideAPart()
    const shelve = node.store.shelve.bind(node.store)
    const written = Promise.withResolvers<void>()
    node.store.shelve = async (...copy) => {
      await written.promise
      return shelve(...copy)
    }
    await answerPart()
    await node.pass(NEXT_PART_MS)
    const { answer } = await takePath()
    send(whole, 'told')
    whole.taker.onEnd()
    assert.equal(await textOf(answer.body), 'told')
    written.resolve()
    await node.settle()
    assert.deepEqual(await storedTexts(node), ['told'])
    assert.equal(origin.made.length, 2)
  })

  test('come behind its head: they read along from the first byte, and it goes on', async () => {
    const played = await play()
    const { node, origin, told, ask } = played
    ask()
    origin.last.taker.onHead(head(10))
    send(origin.last, 'hello')
    const others = [node.get(), node.get()]
    await node.settle()
    send(origin.last, 'world')
    assert.equal(told.text, 'helloworld')
    origin.last.taker.onEnd()
    assert.equal(told.end, 'whole')
    for (const other of others) {
      const { text, isCollapsed } = await node.within(other)
      assert.deepEqual([text, isCollapsed], ['helloworld', true])
    }
    await keepsOneFetch(played)
    assert.deepEqual(await storedTexts(node), ['helloworld'])
  })

  test('come when it is being stored: they are answered from the store', async () => {
    const played = await play()
    const { node, origin, ask } = played
    ask()
    origin.last.taker.onHead(head(2))
    send(origin.last, 'ok')
    origin.last.taker.onEnd()
    const { text, how } = await node.within(node.get())
    assert.deepEqual([text, how], ['ok', 'hit'])
    await keepsOneFetch(played)
  })

  test('stay when the application leaves before the head', async () => {
    const played = await play()
    const { node, origin, ask } = played
    const miss = ask()
    const other = node.get()
    await node.settle()
    miss?.leave()
    assert.ok(!origin.last.isGivenUp)
    origin.last.taker.onHead(head(2))
    await node.settle()
    send(origin.last, 'ok')
    origin.last.taker.onEnd()
    assert.equal((await node.within(other)).text, 'ok')
    await keepsOneFetch(played)
  })

  test('that leave as well, in whatever order, leave nothing behind them', async () => {
    for (const isFirst of [true, false]) {
      const { node, origin, ask } = await play()
      const miss = ask()
      const others = [node.ask(), node.ask()]
      await node.settle()
      if (isFirst) miss?.leave()
      for (const other of others) {
        assert.ok(!origin.last.isGivenUp)
        other.leave()
      }
      if (!isFirst) miss?.leave()
      assert.ok(origin.last.isGivenUp)
      // A server that never answers one request may answer the next.
      assert.ok(ask())
      assert.equal(origin.made.length, 2)
    }
  })

  test('do not share it in somebody’s name, nor with another coding', async () => {
    for (const fields of [[['Cookie', 'x']], [['Accept-Encoding', 'gzip']]] as const) {
      const { node, origin, ask } = await play()
      ask()
      node.ask(fields)
      await node.settle()
      assert.equal(origin.made.length, 2)
    }
  })

  test('ask themselves when it fails', async () => {
    const { node, origin, told, ask } = await play()
    ask()
    const other = node.get()
    await node.settle()
    origin.last.taker.onFailure(new Fault('RESPONSE_INCOMPLETE', 'x'))
    assert.ok(told.end instanceof Fault)
    await node.settle()
    assert.equal(origin.made.length, 2)
    origin.last.taker.onHead(head(2))
    send(origin.last, 'ok')
    origin.last.taker.onEnd()
    assert.equal((await node.within(other)).text, 'ok')
  })
})

describe('a plain miss that breaks off', () => {
  async function broken() {
    const played = await play()
    played.ask()
    played.origin.last.taker.onHead(head(10))
    send(played.origin.last, 'hello')
    played.origin.last.taker.onFailure(new Fault('RESPONSE_INCOMPLETE', 'broke off'))
    return played
  }

  const rest = (etag: string) => ({
    status: 206,
    reason: '',
    fields: [
      ['Content-Range', 'bytes 5-9/10'],
      ['Content-Length', '5'],
      ['Cache-Control', 'max-age=60'],
      ['ETag', etag],
    ] as Fields,
  })

  test('goes on where it stopped', async () => {
    const { node, origin, told } = await broken()
    await node.settle()
    assert.equal(fieldValue(origin.last.request.fields, 'range'), 'bytes=5-')
    origin.last.taker.onHead(rest('"1"'))
    send(origin.last, 'world')
    origin.last.taker.onEnd()
    await node.settle()
    assert.deepEqual([told.text, told.end], ['helloworld', 'whole'])
    assert.deepEqual(await storedTexts(node), ['helloworld'])
  })

  test('is not joined with another version', async () => {
    const { node, origin, told } = await broken()
    await node.settle()
    origin.last.taker.onHead(rest('"2"'))
    send(origin.last, 'WORLD')
    origin.last.taker.onEnd()
    await node.settle()
    assert.equal(told.text, 'hello')
    assert.ok(told.end instanceof Fault)
  })

  test('goes on where others read along, too', async () => {
    const played = await play()
    const { node, origin, told, ask } = played
    ask()
    origin.last.taker.onHead(head(10))
    send(origin.last, 'hel')
    const other = node.get()
    await node.settle()
    send(origin.last, 'lo')
    origin.last.taker.onFailure(new Fault('RESPONSE_INCOMPLETE', 'broke off'))
    await node.settle()
    origin.last.taker.onHead(rest('"1"'))
    send(origin.last, 'world')
    origin.last.taker.onEnd()
    assert.equal((await node.within(other)).text, 'helloworld')
    assert.deepEqual([told.text, told.end], ['helloworld', 'whole'])
    assert.equal(origin.made.length, 2)
  })
})

describe('the application of a plain miss leaves', () => {
  test('before the head: the request ends', async () => {
    const { origin, ask } = await play()
    ask()?.leave()
    assert.ok(origin.last.isGivenUp)
    assert.ok(ask())
  })

  test('behind the head: it is told nothing more, and the rest is stored', async () => {
    const { node, origin, told, ask } = await play()
    const miss = ask()
    origin.last.taker.onHead(head(10))
    send(origin.last, 'hello')
    miss?.leave()
    send(origin.last, 'world')
    origin.last.taker.onEnd()
    await node.settle()
    assert.deepEqual([told.text, told.end], ['hello', undefined])
    assert.deepEqual(await storedTexts(node), ['helloworld'])
  })
})

describe('a plain miss that an unsafe request outdates', () => {
  test('before its head is not kept, nor joined', async () => {
    const { node, origin, told, ask } = await play()
    ask()
    const [first] = origin.made
    node.retrievals.outdate(A)
    node.ask()
    await node.settle()
    assert.equal(origin.made.length, 2)
    first?.taker.onHead(head(2))
    assert.ok(told.begun?.isOutdated)
  })

  test('when the path of a resource has it, and has not begun with it, is not kept', async () => {
    const { node, origin, told, ask } = await play()
    ask()
    origin.last.taker.onHead({ ...head(2), fields: [['Cache-Control', 'max-age=60']] })
    const { begun } = told
    assert.equal(begun?.isOutdated, false)
    node.retrievals.outdate(A)
    assert.ok(begun.isOutdated)
    const { signal } = new AbortController()
    const resource = node.resources.get({ ...ASKED, begun, signal })
    await node.settle()
    send(origin.last, 'ok')
    origin.last.taker.onEnd()
    assert.equal(await textOf((await node.within(resource)).answer.body), 'ok')
    await node.settle()
    assert.deepEqual([await storedTexts(node), node.growingBytes()], [[], 0])
    assert.equal(origin.made.length, 1)
  })

  test('as it is being stored is not there for a moment', async () => {
    const { node, origin, told, ask } = await play()
    changedAtTheLastMoment(node)
    const events: string[] = []
    node.store.subscribe(({ kind }) => events.push(kind))
    ask()
    origin.last.taker.onHead(head(2))
    send(origin.last, 'ok')
    origin.last.taker.onEnd()
    await node.settle()
    assert.deepEqual([told.text, told.end, events], ['ok', 'whole', []])
    assert.deepEqual([await storedTexts(node), node.growingBytes()], [[], 0])
    assert.deepEqual(
      node.told.map(({ kind }) => kind),
      ['ended'],
    )
  })

  test('behind its head is for its application alone', async () => {
    const { node, origin, told, ask } = await play()
    ask()
    origin.last.taker.onHead(head(2))
    node.retrievals.outdate(A)
    send(origin.last, 'ok')
    origin.last.taker.onEnd()
    await node.settle()
    assert.deepEqual([told.text, told.end], ['ok', 'whole'])
    assert.deepEqual(await storedTexts(node), [])
    assert.equal(node.growingBytes(), 0)
  })
})
