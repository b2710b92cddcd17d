import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { serverOptions } from '../../proxy/server-options.ts'
import { answering, exchange, OK, rawClient, startEdge, startOrigin, statusOf } from './edge-server.ts'

test(
  'connections beyond the cap of one address are closed as they come, and room comes back',
  { timeout: 10_000 },
  async (t) => {
    const origin = await startOrigin(t, answering(OK))
    const edge = await startEdge(t, { caps: { max: 10, maxPerAddress: 2 } })
    const request = `POST http://127.0.0.1:${origin.port}/ HTTP/1.1\r\nHost: a\r\n\r\n`
    const held = [await rawClient(t, edge.port, request), await rawClient(t, edge.port, request)]
    await Promise.all(held.map((client) => client.until(/ok$/)))
    const third = await rawClient(t, edge.port, request)
    assert.equal(await third.closed(), '')
    held[0]?.socket.destroy()
    let response = ''
    while (response === '' && !t.signal.aborted) response = await exchange(t, edge.port, request)
    assert.equal(statusOf(response), 200)
  },
)

test('connections beyond the cap in all are closed as they come', async (t) => {
  const edge = await startEdge(t, { caps: { max: 1, maxPerAddress: 5 } })
  const first = await rawClient(t, edge.port, 'GET /proxy.pac HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await first.until(/421/)
  assert.equal(await (await rawClient(t, edge.port)).closed(), '')
})

test('own pages are shown under their fixed names', async (t) => {
  const edge = await startEdge(t)
  const get = (host: string) => exchange(t, edge.port, `GET /proxy.pac HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  assert.match(await get(`localhost:${edge.port}`), /own page$/)
  assert.equal(statusOf(await get(`rebound.test:${edge.port}`)), 421)
})

const UPGRADES: readonly (readonly [
  name: string,
  version: string,
  rawHeaders: string[],
  expected: boolean,
])[] = [
  ['one that asks', '1.1', ['Connection', 'upgrade', 'Upgrade', 'x'], true],
  ['one with a length', '1.1', ['Connection', 'upgrade', 'Upgrade', 'x', 'Content-Length', '1'], false],
  [
    'one with chunks',
    '1.1',
    ['Connection', 'upgrade', 'Upgrade', 'x', 'Transfer-Encoding', 'chunked'],
    false,
  ],
  ['one whose Connection does not say so', '1.1', ['Upgrade', 'x'], false],
  ['one to h2c only', '1.1', ['Connection', 'upgrade', 'Upgrade', 'h2c'], false],
  ['HTTP/1.0', '1.0', ['Connection', 'upgrade', 'Upgrade', 'x'], false],
]
for (const [name, httpVersion, rawHeaders, expected] of UPGRADES) {
  test(`leaving HTTP: ${name}: ${expected ? 'may' : 'may not'}`, () => {
    const request = { httpVersion, rawHeaders } as IncomingMessage
    assert.equal(serverOptions().shouldUpgradeCallback?.(request), expected)
  })
}
