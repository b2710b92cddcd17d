/**
 * V§4 "reflection", "open proxy": a machine beyond the subnet, and a proxy that listens for the whole of it. In network namespaces,
 * because on loopback every address is a neighbour's.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Status } from '../../service/status.ts'
import { namespaceLan, whyNoNamespaces, type Host, type NamespaceLan } from '../lan/namespaces.ts'

const MAIN = resolve(import.meta.dirname, '../../cli/main.ts')
const skip = whyNoNamespaces() ?? false

/** Beyond the node's subnet, yet with a way there and back. */
const FAR = '10.88.0.1'

const QUESTION =
  '<service type="request" version="1.0" ID="1" href="http://a.test/x" method="get" acceptprotocol="http" cached="only"/>'

describe('a node on a LAN of its own', { skip, timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-off-link-'))
  let lan: NamespaceLan
  let node: Host
  let other: Host

  before(async () => {
    lan = namespaceLan(2)
    const [first, second] = lan.hosts
    assert.ok(first && second)
    node = first
    other = second
    await other.run('ip', 'address', 'add', `${FAR}/32`, 'dev', 'eth0')
    await node.run('ip', 'route', 'add', `${FAR}/32`, 'via', other.address)
    await node.run('ip', 'address', 'add', '169.254.169.254/32', 'dev', 'lo')
    mkdirSync(join(folder, 'home'))
    writeFileSync(join(folder, 'home/proxy.config.yaml'), 'proxy:\n  listen: 0.0.0.0:3128\n')
    const child = node.start(process.execPath, [MAIN, 'start'], { cwd: join(folder, 'home') })
    await new Promise<void>((ready, fail) => {
      child.stdout?.on('data', (chunk: Buffer) => String(chunk).includes('is ready') && ready())
      child.once('exit', (code) => fail(new Error(`the node ended with ${code}`)))
    })
  })

  after(async () => {
    await lan?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  /** One datagram, and what comes back within a moment. */
  const asks = (from: string) =>
    other.run(
      process.execPath,
      '-e',
      `const s = require('node:dgram').createSocket('udp4')
       s.on('message', (bytes) => console.log(bytes.toString()))
       s.bind(0, '${from}', () => s.send(${JSON.stringify(QUESTION)}, 1967, '${node.address}'))
       setTimeout(() => s.close(), 300)`,
    )

  const status = async (): Promise<Status> =>
    JSON.parse(await node.run('env', '-C', join(folder, 'home'), process.execPath, MAIN, 'status', '--json'))

  const counter = async (what: string) => (await status()).packets[what] ?? 0

  /** The status code of an answer; 000: the connection was closed without one. */
  const http = (from: string, ...args: string[]) =>
    other
      .run('curl', '-s', '-m', '5', '--interface', from, '-o', '/dev/null', '-w', '%{http_code}', ...args)
      .catch((error: { stdout?: string }) => error.stdout ?? '')

  test('hears a neighbour’s question', async () => {
    await asks(other.address)
    await pause(100)
    assert.equal(await counter('heard: request'), 1)
  })

  test('drops what comes from beyond its subnet unread, and counts it', async () => {
    assert.equal(await asks(FAR), '')
    assert.equal(await counter('dropped: not on link'), 1)
    assert.equal(await counter('heard: request'), 1)
    assert.ok((await status()).peering?.peers.every(({ address }) => address !== FAR))
  })

  test('closes connections from there without a word, on both ports', async () => {
    assert.equal(await http(other.address, `http://${node.address}:6515/health`), '200')
    assert.equal(await http(FAR, `http://${node.address}:6515/health`), '000')
    assert.equal(await http(other.address, `http://${node.address}:3128/`), '200')
    assert.equal(await http(FAR, `http://${node.address}:3128/`), '000')
  })

  test('is a proxy for its subnet, but for no way into the machine, and for no port but the web’s', async () => {
    const proxy = ['-x', `http://${node.address}:3128`]
    for (const target of [
      'http://169.254.169.254/latest/meta-data/',
      'http://0251.0376.0251.0376/',
      'http://2852039166/',
      'http://[::ffff:169.254.169.254]/',
      'http://127.0.0.1:6515/health',
      'http://localhost:6515/health',
      'http://127.1/',
      'http://0.0.0.0/',
      'http://[::1]/',
    ])
      assert.equal(await http(other.address, ...proxy, target), '403', target)
    assert.equal(await http(other.address, ...proxy, `http://${other.address}:22/`), '403')
    assert.match(await http(other.address, ...proxy, `http://${node.address}:3128/`), /^(200|508)$/)
    for (const target of [
      '169.254.169.254:80',
      '127.0.0.1:22',
      `${other.address}:22`,
      `${node.address}:6515`,
    ])
      assert.match(
        await http(other.address, ...proxy, '-p', '--proxytunnel', `http://${target}/`),
        /^(000|403|508)$/,
        `CONNECT ${target}`,
      )
  })
})
