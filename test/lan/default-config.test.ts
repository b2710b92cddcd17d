/** The shipped defaults on a LAN of their own: real addresses, the real ports, `auto` everywhere. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { namespaceLan, whyNoNamespaces, type Host, type NamespaceLan } from './namespaces.ts'

const MAIN = resolve(import.meta.dirname, '../../cli/main.ts')
const skip = whyNoNamespaces()

/** A small static server; it counts what it was asked for on standard output. */
const ORIGIN = `
const { createServer } = require('node:http')
const body = require('node:fs').readFileSync(process.argv[1])
createServer((request, response) => {
  console.log(request.method + ' ' + request.url)
  response.writeHead(200, { 'Content-Length': body.length }).end(request.method === 'HEAD' ? undefined : body)
}).listen(80, '10.77.0.1', () => console.log('ready'))`

describe('three machines with the default configuration', { skip: skip ?? false, timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-lan-'))
  const body = Buffer.alloc(300_000, 'ihave')
  const sha256 = createHash('sha256').update(body).digest('hex')
  // Proof lies in the name (V1), so that peers' copies can be taken without any configuration.
  const url = `http://10.77.0.1/debian/dists/x/main/binary-all/by-hash/SHA256/${sha256}`
  const asked: string[] = []
  let lan: NamespaceLan
  let nodes: readonly Host[] = []

  before(async () => {
    lan = namespaceLan(3)
    const [origin, ...others] = lan.hosts
    assert.ok(origin)
    nodes = others
    writeFileSync(join(folder, 'body'), body)
    const server = origin.start(process.execPath, ['-e', ORIGIN, join(folder, 'body')])
    await line(server, 'ready', (text) =>
      asked.push(...text.split('\n').filter((each) => each.startsWith('GET'))),
    )
    for (const node of nodes) {
      const home = join(folder, node.name)
      mkdirSync(home)
      await line(node.start(process.execPath, [MAIN, 'start'], { cwd: home }), 'is ready')
    }
  })

  after(async () => {
    await lan?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  test('they find each other, and only the first download comes from the Internet', async () => {
    for (const [at, node] of nodes.entries()) {
      const file = join(folder, `out${at}`)
      const fields = await node.run('curl', '-sS', '-x', 'http://127.0.0.1:3128', '-o', file, '-D', '-', url)
      assert.equal(createHash('sha256').update(readFileSync(file)).digest('hex'), sha256)
      assert.match(fields, at === 0 ? /detail=internet/ : /detail=peer/)
    }
    assert.equal(asked.length, 1)
  })

  test('status names the peer', async () => {
    const [one, other] = nodes
    assert.ok(one)
    const args = [process.execPath, MAIN, 'status', '--json']
    const status = JSON.parse(await one.run('env', '-C', join(folder, one.name), ...args))
    assert.deepEqual(
      status.peering.peers.map((peer: { address: string }) => peer.address),
      [other?.address],
    )
    assert.equal(status.peering.packetPort, 1967)
    assert.equal(status.peering.filePort, 6515)
  })

  test('the port for files serves no stranger, and fetches nothing for anybody (the abuse of 2012)', async () => {
    const [one, other] = nodes
    assert.ok(one && other)
    const base = `http://${one.address}:6515`
    const status = (...args: string[]) =>
      other.run('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', ...args)
    assert.equal(await status(`${base}/health`), '200')
    assert.equal(await status(`${base}/${'0'.repeat(64)}`), '404')
    assert.equal(await status('--path-as-is', `${base}/../../etc/passwd`), '404')
    assert.equal(await status('-X', 'POST', '-d', 'x', `${base}/health`), '405')
    const askedSoFar = asked.length
    for (const abuse of [
      ['-x', base, url],
      ['-x', base, '-p', 'http://10.77.0.1:80/'],
    ])
      await assert.rejects(other.run('curl', '-sf', '-o', '/dev/null', ...abuse))
    assert.equal(asked.length, askedSoFar)
  })
})

function line(
  child: ReturnType<Host['start']>,
  wanted: string,
  onText: (text: string) => void = () => {},
): Promise<void> {
  return new Promise((done, fail) => {
    let seen = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      onText(chunk.toString())
      seen += chunk.toString()
      if (seen.includes(wanted)) done()
    })
    child.stderr?.on('data', (chunk: Buffer) => (seen += chunk.toString()))
    child.once('exit', () => fail(new Error(`it ended without saying "${wanted}": ${seen}`)))
  })
}
