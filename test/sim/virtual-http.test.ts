import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bodyOf } from '../../core/answer.ts'
import { Fault } from '../../core/fault.ts'
import { seededRandom } from '../../core/random.ts'
import { WINDOW_BYTES } from '../../sim/body-flow.ts'
import { VirtualClock } from '../../sim/virtual-clock.ts'
import type { VirtualHost } from '../../sim/virtual-host.ts'
import { PEER_PATIENCE, VirtualHttp, type Listening, type VirtualServer } from '../../sim/virtual-http.ts'
import { VirtualLan } from '../../sim/virtual-lan.ts'
import { served } from '../../sim/served-bytes.ts'

const BODY = new Uint8Array(1_000_000).fill(7)
const URI = 'http://10.0.0.2:6515/file'

interface Stage {
  readonly clock: VirtualClock
  readonly lan: VirtualLan
  readonly client: VirtualHost
  readonly server: VirtualHost
  readonly listening: Listening
  /** @returns the bytes of the body. @throws what the body threw. */
  readonly read: (signal?: AbortSignal) => Promise<number>
}

/** A client and a server at 1 MB/s and 1 ms. */
function onStage(server: VirtualServer, play: (stage: Stage) => Promise<void>): Promise<void> {
  const clock = new VirtualClock()
  const lan = new VirtualLan(clock, seededRandom(1), { lan: { latencyMs: 1, jitterMs: 0 } })
  const [client, host] = [
    lan.host('10.0.0.1', { bytesPerSecond: 1e6 }),
    lan.host('10.0.0.2', { bytesPerSecond: 1e6 }),
  ]
  const http = new VirtualHttp(lan)
  const listening = http.listen(host, '10.0.0.2:6515', server)
  const upstream = http.upstream(client, PEER_PATIENCE)
  const read = async (signal: AbortSignal = new AbortController().signal) => {
    const { body } = await upstream.request({ method: 'GET', uri: URI, fields: [], signal })
    let bytes = 0
    for await (const chunk of body) bytes += chunk.length
    return bytes
  }
  return clock.run(play({ clock, lan, client, server: host, listening, read }), 100_000)
}

const serveBody: VirtualServer = (request) => served(request, BODY)

function code(expected: string) {
  return (error: unknown) => error instanceof Fault && error.code === expected
}

describe('HTTP between virtual machines', () => {
  test('a body takes the time of its bytes and of four trips', () =>
    onStage(serveBody, async ({ clock, read, listening }) => {
      assert.equal(await read(), BODY.length)
      const ms = clock.monotonic()
      assert.ok(ms >= 1004 && ms < 1006, `it took ${ms} ms`)
      assert.equal(listening.sentBytes, BODY.length)
      assert.equal(listening.running, 0)
    }))

  test('two bodies share the connection evenly', () =>
    onStage(serveBody, async ({ clock, read }) => {
      const ends = [read(), read()].map((each) => each.then(() => clock.monotonic()))
      const [one = 0, other = 0] = await Promise.all(ends)
      assert.ok(Math.abs(one - other) < 50 && one > 1950, `they took ${one} and ${other} ms`)
    }))

  test('what a former life of a machine asks for when it has restarted never goes out', () =>
    onStage(serveBody, async ({ clock, client, read, listening }) => {
      client.crash('process')
      client.restart()
      let isAnswered = false
      void read().finally(() => (isAnswered = true))
      await clock.sleep(10_000)
      assert.deepEqual([isAnswered, listening.sentBytes], [false, 0])
    }))

  test('a server that crashes cuts the body', () =>
    onStage(serveBody, async ({ clock, server, read }) => {
      const reading = read()
      await clock.sleep(300)
      server.crash('process')
      await assert.rejects(reading, code('RESPONSE_INCOMPLETE'))
      assert.ok(clock.monotonic() < 310)
    }))

  test('a machine without power leaves its client waiting until its patience is over', () =>
    onStage(serveBody, async ({ clock, server, read }) => {
      const reading = read()
      await clock.sleep(300)
      server.crash('machine')
      await assert.rejects(reading, code('RESPONSE_TIMEOUT'))
      assert.ok(clock.monotonic() >= 250 + PEER_PATIENCE.bodyMs)
    }))

  test('a partition holds a body up, and healing lets it go on', () =>
    onStage(serveBody, async ({ clock, lan, client, server, read }) => {
      const reading = read()
      await clock.sleep(300)
      lan.partition([client.address], [server.address])
      await clock.sleep(2000)
      lan.heal()
      assert.equal(await reading, BODY.length)
      assert.ok(clock.monotonic() > 2900)
    }))

  test('nobody listens: refused at once; no machine: no connection in time', () =>
    onStage(serveBody, async ({ clock, server, listening, read }) => {
      listening.close()
      await assert.rejects(read(), code('CONNECT_REFUSED'))
      assert.equal(clock.monotonic(), 2)
      server.crash('machine')
      await assert.rejects(read(), code('CONNECT_TIMEOUT'))
      assert.equal(clock.monotonic(), 2 + PEER_PATIENCE.connectMs)
    }))

  test('a server that never answers is given up', () =>
    onStage(
      () => new Promise(() => {}),
      async ({ clock, read }) => {
        await assert.rejects(read(), code('RESPONSE_TIMEOUT'))
        assert.ok(clock.monotonic() >= PEER_PATIENCE.headersMs)
      },
    ))

  test('a client that aborts stops the server within a window', () =>
    onStage(serveBody, async ({ clock, read, listening }) => {
      const leaving = new AbortController()
      const reading = read(leaving.signal)
      await clock.sleep(300)
      leaving.abort()
      await assert.rejects(reading, code('RESPONSE_INCOMPLETE'))
      await clock.sleep(1000)
      assert.ok(listening.sentBytes <= 300_000 + WINDOW_BYTES, `${listening.sentBytes} bytes left`)
      assert.equal(listening.running, 0)
    }))

  test('a body that ends before its length is incomplete', () =>
    onStage(
      () => ({ status: 200, fields: [['Content-Length', '2000000']], body: bodyOf(BODY) }),
      async ({ read }) => {
        await assert.rejects(read(), code('RESPONSE_INCOMPLETE'))
      },
    ))

  test('what follows the length is not the body', () =>
    onStage(
      () => ({ status: 200, fields: [['Content-Length', '1234']], body: bodyOf(BODY) }),
      async ({ read }) => {
        assert.equal(await read(), 1234)
      },
    ))
})
