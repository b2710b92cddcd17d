/** V§4 "request smuggling": the forms of V§6 against both ports of a running node. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Node } from '../../service/node.ts'
import { freePacketPort, Scene } from '../clients/harness.ts'
import { Origin } from '../clients/origin.ts'
import { REFUSED } from '../proxy/smuggling-forms.ts'
import { exchange, placeOf, statuses, type Place } from './raw.ts'

const scene = new Scene()
let origin: Origin
let node: Node
let files: Place

before(async () => {
  origin = await Origin.start(scene)
  node = await scene.node({ peering: { address: '127.0.0.8', packetPort: await freePacketPort() } })
  files = { address: '127.0.0.8', port: node.status().peering?.filePort ?? 0 }
})

after(() => scene.close())

test('what comes behind a malformed request on its connection is not done, be it CONNECT or Upgrade', async () => {
  const malformed = `POST http://<O>/ HTTP/1.1\r\nHost: <O>\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n`
  for (const next of [
    'CONNECT <O> HTTP/1.1\r\nHost: <O>\r\n\r\n',
    'GET http://<O>/ HTTP/1.1\r\nHost: <O>\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    'POST http://<O>/smuggled HTTP/1.1\r\nHost: <O>\r\nContent-Length: 0\r\n\r\n',
  ]) {
    const asked = origin.requests.length
    const bytes = (malformed + next).replaceAll('<O>', origin.authority)
    const codes = statuses(await exchange(placeOf(node.proxyAddress), bytes))
    assert.ok(codes.length <= 1 && codes.every((code) => code === 400), `${next}: ${codes.join()}`)
    assert.equal(origin.requests.length, asked)
  }
})

/** Of a request whose head is sound the content is what is wrong: it may have begun, and must not have ended. */
const isContent = (name: string) => name.includes('chunk size') || name.includes('longer than its size')

describe('on the port for applications', () => {
  for (const [name, template, status] of REFUSED)
    for (const method of template.startsWith('POST') ? ['POST', 'GET'] : ['']) {
      test(`${name}: refused with ${status}${method && `, as ${method}`}`, async () => {
        const asked = origin.requests.length
        const pseudonym = `ihave-${node.status().node.slice(0, 12)}`
        const bytes = template
          .replace(/^POST/, method)
          .replaceAll('<O>', origin.authority)
          .replace('edge-under-test', pseudonym)
        const codes = statuses(await exchange(placeOf(node.proxyAddress), bytes))
        assert.ok(codes.length <= 1, `one request, ${codes.length} answers: ${codes.join()}`)
        if (!isContent(name)) assert.deepEqual(codes, [status])
        const paths = origin.requests.slice(asked).map(({ path }) => path)
        assert.deepEqual(isContent(name) ? paths.filter((path) => path !== '/') : paths, [])
      })
    }
})

describe('on the port for files', () => {
  for (const [name, template] of REFUSED)
    test(`${name}: nothing is fetched, and no second answer comes`, async () => {
      const asked = origin.requests.length
      const text = await exchange(files, template.replaceAll('<O>', origin.authority))
      assert.ok(statuses(text).every((code) => code >= 400 && code < 500) && statuses(text).length <= 1, text)
      assert.equal(origin.requests.length, asked)
    })

  test('a second request in the content of the first is no request, whatever the first says of its length', async () => {
    const health = `GET /health HTTP/1.1\r\nHost: ${files.address}:${files.port}\r\n\r\n`
    for (const framing of [
      `Content-Length: ${health.length}`,
      'Transfer-Encoding: chunked',
      `Content-Length: ${health.length}\r\nTransfer-Encoding: chunked`,
      'Content-Length: 0\r\nTransfer-Encoding: chunked',
    ]) {
      const head = `POST /health HTTP/1.1\r\nHost: ${files.address}:${files.port}\r\n${framing}\r\n\r\n`
      const content = framing.includes('chunked')
        ? `${health.length.toString(16)}\r\n${health}\r\n0\r\n\r\n`
        : health
      const codes = statuses(await exchange(files, head + content))
      assert.ok(
        codes.length === 1 && codes.every((code) => code === 400 || code === 405),
        `${framing}: ${codes.join()}`,
      )
    }
  })
})
