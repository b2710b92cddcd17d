import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { OwedAnswers } from '../../core/owed-answers.ts'

interface Scene {
  readonly owed: OwedAnswers
  readonly responses: readonly ServerResponse[]
  /** The server's side of the connection. */
  readonly socket: Socket
  readonly client: Socket
}

/** A server to which these bytes were sent on one connection, when `count` requests of it have come and whatever is behind them. */
async function asked(t: TestContext, bytes: string, count: number): Promise<Scene> {
  const owed = new OwedAnswers()
  const responses: ServerResponse[] = []
  const server = createServer((request, response) => {
    request.resume()
    owed.add(request.socket, response)
    responses.push(response)
  })
  const refused = once(server, 'clientError')
  const switched = once(server, 'connect')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => {
    client.destroy()
    server.closeAllConnections()
    server.close()
  })
  client.write(bytes, 'latin1')
  const [, socket] = await Promise.race([refused, switched])
  t.after(() => socket.destroy())
  assert.equal(responses.length, count)
  return { owed, responses, socket, client }
}

async function textOf(client: Socket): Promise<string> {
  let text = ''
  for await (const chunk of client) text += String(chunk)
  return text.replaceAll(/\r\n(Date|Keep-Alive|Connection)[^\r]*/g, '')
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
const CONNECT = 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n'
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n'

test('what is said behind requests comes behind their answers, in whatever order those are made', async (t) => {
  const { owed, responses, socket, client } = await asked(t, `${GET}${GET}nonsense\r\n`, 2)
  owed.whenOut(socket, () => socket.end('last'))
  assert.equal(owed.count(socket), 2)
  const [first, second] = responses
  second?.setHeader('Content-Length', 2).end('2.')
  first?.setHeader('Content-Length', 2).write('1')
  first?.end('.')
  assert.equal(await textOf(client), `${ANSWER}1.${ANSWER}2.last`)
  assert.equal(owed.count(socket), 0)
})

test('it is said at once where nothing is owed', async (t) => {
  const { owed, socket, client } = await asked(t, 'nonsense\r\n', 0)
  owed.whenOut(socket, () => socket.end('last'))
  assert.equal(await textOf(client), 'last')
})

test('it is never said where the connection ends before', async (t) => {
  const { owed, responses, socket } = await asked(t, `${GET}nonsense\r\n`, 1)
  owed.whenOut(socket, () => assert.fail())
  socket.destroy()
  const [response] = responses
  assert.ok(response)
  await once(response, 'close')
})

test('a request whose content proves malformed is answered by it, when its turn has come', async (t) => {
  const { owed, responses, socket, client } = await asked(t, `${GET}${POST}nonsense\r\n`, 2)
  owed.whenOut(socket, () => socket.end('last'))
  responses[0]?.setHeader('Content-Length', 2).end('1.')
  assert.equal(await textOf(client), `${ANSWER}1.last`)
})

test('the same, unless its answer has begun', async (t) => {
  const { owed, responses, socket, client } = await asked(t, `${GET}${POST}nonsense\r\n`, 2)
  owed.whenOut(socket, () => socket.end('last'))
  const [first, second] = responses
  second?.setHeader('Content-Length', 2).write('2')
  first?.setHeader('Content-Length', 2).end('1.')
  assert.ok(first)
  await once(first, 'close')
  second?.end('.')
  assert.equal(await textOf(client), `${ANSWER}1.${ANSWER}2.last`)
})

test('another protocol begins behind the answers, which come to their end at the pace of who reads', async (t) => {
  const { owed, responses, socket, client } = await asked(t, GET + CONNECT, 1)
  owed.beforeSwitching(socket, () => socket.end('other'))
  const [response] = responses
  assert.ok(response)
  const piece = Buffer.alloc(100_000, 'x')
  let pieces = 1
  while (response.write(piece)) pieces++
  const drained = once(response, 'drain')
  const text = textOf(client)
  await drained
  response.end()
  const [head, ...chunks] = (await text).split('\r\n186a0\r\n')
  assert.equal(head, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n')
  assert.equal(chunks.length, pieces)
  assert.match(chunks.at(-1) ?? '', /^x+\r\n0\r\n\r\nother$/)
})

test('a response that is not taken on such a connection hears of that', async (t) => {
  const { owed, responses, socket } = await asked(t, GET + CONNECT, 1)
  owed.beforeSwitching(socket, () => assert.fail())
  const [response] = responses
  assert.ok(response)
  const stalled = once(response, 'timeout')
  socket.emit('timeout')
  await stalled
})
