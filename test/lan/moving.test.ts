/** Machines whose address on the LAN comes late, or is replaced by another one, as a router may do: they go on sharing. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { LOOK_MS } from '../../service/lan-part.ts'
import type { Status } from '../../service/status.ts'
import { namespaceLan, whyNoNamespaces, type Host, type NamespaceLan } from './namespaces.ts'
import { said, until } from './waiting.ts'

const MAIN = resolve(import.meta.dirname, '../../cli/main.ts')

/**
 * Sends for `/debian/one/…` that word again and again, and tells on standard output what was asked for. What is asked for as slow comes in
 * two halves, the second one 3 s behind the first.
 */
const ORIGIN = `
const { createServer } = require('node:http')
createServer((request, response) => {
  const body = Buffer.alloc(300_000, request.url.split('/')[2])
  console.log(request.method + ' ' + request.url)
  response.writeHead(200, { 'Content-Length': body.length })
  if (request.method === 'HEAD') return response.end()
  if (!request.url.includes('slow')) return response.end(body)
  response.write(body.subarray(0, 150_000))
  setTimeout(() => response.end(body.subarray(150_000)), 3000)
}).listen(80, '10.77.0.1', () => console.log('ready'))`

describe('machines whose address changes', { skip: whyNoNamespaces() ?? false, timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-moving-'))
  const asked: string[] = []
  let lan: NamespaceLan
  let early: Host
  let late: Host

  before(async () => {
    lan = namespaceLan(3)
    const [origin, ...machines] = lan.hosts as [Host, Host, Host]
    ;[early, late] = machines
    await said(origin.start(process.execPath, ['-e', ORIGIN]), 'ready', (line) => void asked.push(line))
    await late.run('ip', 'addr', 'flush', 'dev', 'eth0')
    for (const host of machines) {
      mkdirSync(join(folder, host.name))
      writeFileSync(join(folder, host.name, 'proxy.config.yaml'), 'verification: { aptConfig: off }\n')
      const node = host.start(process.execPath, [MAIN, 'start'], { cwd: join(folder, host.name) })
      await said(node, 'is ready')
    }
  })

  after(async () => {
    await lan?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  async function statusOf(host: Host): Promise<Status> {
    const command = ['-C', join(folder, host.name), process.execPath, MAIN, 'status', '--json']
    return JSON.parse(await host.run('env', ...command)) as Status
  }

  const isAt = (host: Host, address: string) =>
    until(`a peer at ${address}`, async () => {
      const { peering } = await statusOf(host)
      return peering?.peers.some((peer) => peer.address === address) === true
    })

  /** Proof lies in the name (V1). @returns where the node says it came from: what is whole there in a moment may still be coming. */
  async function fetched(host: Host, word: string): Promise<string> {
    const sha256 = createHash('sha256').update(Buffer.alloc(300_000, word)).digest('hex')
    const url = `http://10.77.0.1/debian/${word}/by-hash/SHA256/${sha256}`
    const file = join(folder, `${host.name}.out`)
    const fields = await host.run('curl', '-sS', '-x', 'http://127.0.0.1:3128', '-o', file, '-D', '-', url)
    assert.equal(createHash('sha256').update(readFileSync(file)).digest('hex'), sha256)
    const source = /detail=([\w-]+)/.exec(fields)?.[1] ?? fields
    return source === 'peer' || source === 'in-progress' ? 'LAN' : source
  }

  async function giveAddress(host: Host, address: string): Promise<void> {
    await host.run('ip', 'addr', 'flush', 'dev', 'eth0')
    await host.run('ip', 'addr', 'add', `${address}/24`, 'broadcast', '10.77.0.255', 'dev', 'eth0')
  }

  test('one that had none at its start shares when it has one', async () => {
    assert.equal((await statusOf(late)).whyAlone, 'no LAN found: working alone')
    await giveAddress(late, '10.77.0.3')
    await isAt(early, '10.77.0.3')
    await isAt(late, '10.77.0.2')
    assert.equal((await statusOf(late)).peering?.address, '10.77.0.3')
    assert.deepEqual([await fetched(early, 'one'), await fetched(late, 'one')], ['internet', 'LAN'])
  })

  test('one that gets another address goes on sharing, as peering client and server', async () => {
    await giveAddress(early, '10.77.0.102')
    await isAt(late, '10.77.0.102')
    await isAt(early, '10.77.0.3')
    const { peering } = await statusOf(early)
    assert.deepEqual(
      [peering?.address, peering?.peers.map(({ address }) => address)],
      ['10.77.0.102', ['10.77.0.3']],
    )
    asked.length = 0
    assert.deepEqual([await fetched(early, 'two'), await fetched(late, 'two')], ['internet', 'LAN'])
    assert.deepEqual([await fetched(late, 'three'), await fetched(early, 'three')], ['internet', 'LAN'])
    assert.equal(asked.filter((line) => line.startsWith('GET')).length, 2)
  })

  test('one whose cable is out for a moment stays, though a container’s bridge is there, and its download goes on', async () => {
    const ends = ['type', 'veth', 'peer', 'name', 'inside']
    await late.run('ip', 'link', 'add', 'podman0', 'address', '02:00:0a:58:00:01', ...ends)
    await late.run('ip', 'addr', 'add', '10.88.0.1/16', 'dev', 'podman0')
    for (const name of ['podman0', 'inside']) await late.run('ip', 'link', 'set', name, 'up')
    asked.length = 0
    const coming = fetched(late, 'slow')
    await until('a download', async () => asked.some((line) => line.startsWith('GET')))
    await late.run('ip', 'link', 'set', 'eth0', 'down')
    await pause(LOOK_MS + 500)
    await late.run('ip', 'link', 'set', 'eth0', 'up')
    assert.equal((await statusOf(late)).peering?.address, '10.77.0.3')
    assert.equal(await coming, 'internet')
    assert.equal(asked.filter((line) => line.startsWith('GET')).length, 1)
    for (const host of [early, late]) await fetched(host, 'four')
    assert.equal(asked.filter((line) => line.startsWith('GET')).length, 2)
  })
})
