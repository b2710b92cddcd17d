/** V§4 "exhaustion": connections that cost a node something and ask nothing, against both ports of a running one. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Node } from '../../service/node.ts'
import { freePacketPort, Scene, until } from '../clients/harness.ts'
import { Origin } from '../clients/origin.ts'
import { exchange, opened, placeOf, statuses, type Place } from './raw.ts'

const scene = new Scene()
let origin: Origin
let node: Node
let proxy: Place
let files: Place
let page: string
let health: string

before(async () => {
  origin = await Origin.start(scene)
  node = await scene.node({ peering: { address: '127.0.0.8', packetPort: await freePacketPort() } })
  proxy = placeOf(node.proxyAddress)
  files = { address: '127.0.0.8', port: node.status().peering?.filePort ?? 0 }
  const url = origin.put('/page', { body: Buffer.from('whole'), fields: { 'Cache-Control': 'max-age=600' } })
  page = `GET ${url} HTTP/1.1\r\nHost: ${origin.authority}\r\nConnection: close\r\n\r\n`
  health = `GET /health HTTP/1.1\r\nHost: ${files.address}:${files.port}\r\nConnection: close\r\n\r\n`
})

after(() => scene.close())

/** What the others still get. */
async function serves(place: Place, request: string): Promise<void> {
  const began = performance.now()
  assert.deepEqual(statuses(await exchange(place, request)), [200])
  const ms = performance.now() - began
  assert.ok(ms < 2000, `${ms} ms`)
}

async function many(count: number, place: Place): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const more = Array.from({ length: Math.min(100, count - sockets.length) }, () => opened(place, scene))
    sockets.push(...(await Promise.all(more)))
  }
  return sockets
}

const open = (sockets: readonly Socket[]) => sockets.filter(({ destroyed }) => !destroyed).length

/** A connection that sends, without an end. @returns how many bytes the node let it send until it was cut. */
async function endless(place: Place, head: string, line: string): Promise<number> {
  const socket = await opened(place, scene)
  let bytes = 0
  socket.resume().write(head)
  const isCut = () => socket.destroyed || socket.closed
  while (!isCut() && bytes < 50_000_000) {
    bytes += line.length
    if (!socket.write(line))
      await Promise.race([new Promise((done) => socket.once('drain', done)), pause(100)])
    await pause(0)
  }
  assert.ok(isCut(), 'it was never cut')
  return bytes
}

describe('the port for applications', () => {
  test('2,000 idle connections of one program do not shut out another one', async () => {
    const sockets = await many(2000, proxy)
    await serves(proxy, page)
    await until('the cap', () => open(sockets) <= 1024)
    await serves(proxy, page)
    for (const socket of sockets) socket.destroy()
  })

  test('1,000 that begin a request and never end it neither, nor one that sends empty lines: half a minute, and they are cut', async () => {
    const emptyLines = endless(proxy, '', '\r\n'.repeat(50))
    const sockets = await many(1000, proxy)
    const dripping = sockets.map((socket, at) => socket.resume().write(`GET http://a/${at} HTTP/1.1\r\nX: `))
    assert.equal(dripping.length, 1000)
    const drip = setInterval(() => sockets.forEach((socket) => socket.writable && socket.write('x')), 1000)
    try {
      await serves(proxy, page)
      await until('the end of all of them', () => open(sockets) === 0, 45_000)
      await emptyLines
    } finally {
      clearInterval(drip)
    }
    await serves(proxy, page)
  })

  test('1,100 half-begun requests do not shut out another program', async () => {
    const sockets = await many(1000, proxy)
    for (const [at, socket] of sockets.entries()) socket.resume().write(`GET http://a/${at} HTTP/1.1\r\nX: `)
    const more = await many(100, proxy)
    for (const socket of more) socket.resume().write('GET http://a/ HTTP/1.1\r\nX: ')
    await serves(proxy, page)
    for (const socket of [...sockets, ...more]) socket.destroy()
  })

  test('nor do 1,024 that never send the content that they announce, once they have been silent for a moment', async () => {
    const silent = createServer((socket) => socket.on('error', () => {}).resume())
    silent.listen(0, origin.authority.split(':')[0])
    await once(silent, 'listening')
    scene.ending(() => void silent.close())
    const authority = `${origin.authority.split(':')[0]}:${(silent.address() as AddressInfo).port}`
    const head = `POST http://${authority}/page HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 10\r\n\r\n1`
    const sockets: Socket[] = []
    const askMore = async (count: number) => {
      const more = await many(count, proxy)
      for (const socket of more) socket.resume().write(head)
      sockets.push(...more)
    }
    await askMore(1040)
    await until('all places to be taken: any of them may be answered', async () => {
      if ((await exchange(proxy, page)) === '') return true
      // It had the place of one whose request had not been read yet.
      await askMore(1)
      return false
    })
    const isServed = async () => (await exchange(proxy, page)).startsWith('HTTP/1.1 200')
    await until('a place', isServed, 20_000)
    for (const socket of sockets) socket.destroy()
  })

  test('a header section without an end is cut at its limit', async () => {
    const sent = await endless(proxy, 'GET http://a/ HTTP/1.1\r\nHost: a\r\n', `X: ${'x'.repeat(1000)}\r\n`)
    assert.ok(sent < 5_000_000, `${sent} bytes`)
    const oneLine = await endless(proxy, 'GET http://a/ HTTP/1.1\r\nHost: a\r\nX: ', 'x'.repeat(1000))
    assert.ok(oneLine < 5_000_000, `${oneLine} bytes`)
  })
})

describe('the port for files', () => {
  test('a peer has 64 connections and no more, and another peer its own', async () => {
    const sockets = await many(200, files)
    await until('the cap', () => open(sockets) <= 64)
    await serves(files, health).catch(() => {}) // from the same address: it may have to wait
    for (const socket of sockets) socket.destroy()
    await until('room', async () => statuses(await exchange(files, health)).includes(200))
  })

  test('a request that drips is cut after 5 s', async () => {
    const sockets = await many(60, files)
    for (const socket of sockets) socket.resume().write(`GET /health HTTP/1.1\r\nX: `)
    const drip = setInterval(() => sockets.forEach((socket) => socket.writable && socket.write('x')), 300)
    try {
      await serves(files, health)
      await until('the end of all of them', () => open(sockets) === 0, 12_000)
    } finally {
      clearInterval(drip)
    }
  })

  test('a header section without an end is cut at its limit', async () => {
    const sent = await endless(files, 'GET /health HTTP/1.1\r\n', `X: ${'x'.repeat(1000)}\r\n`)
    assert.ok(sent < 5_000_000, `${sent} bytes`)
  })
})
