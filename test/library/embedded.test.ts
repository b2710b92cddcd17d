import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { embed } from '../../library/embed.ts'
import { freePacketPort, Scene } from '../clients/harness.ts'
import { Origin, uniqueBody } from '../clients/origin.ts'
import { fault } from './sessions.ts'

const LIBRARY = new URL('../../library/index.ts', import.meta.url).href

describe('an embedded node', () => {
  const scene = new Scene()
  after(() => scene.close())

  test('leaves nothing behind: no socket, no timer, no file, so that its process ends by itself', async () => {
    const origin = await Origin.start(scene)
    const url = origin.putByHash(uniqueBody(100_000))
    const program = join(scene.directory(), 'program.ts')
    const home = scene.directory()
    writeFileSync(
      program,
      `import { embed } from '${LIBRARY}'
const session = await embed({ settings: {
  peering: { address: '127.0.0.2', broadcast: '127.255.255.255', filePort: 0, packetPort: ${await freePacketPort()} },
  verification: { aptConfig: 'off' },
} })
const { cache, peering } = await session.status()
const file = await session.get('${url}')
const bytes = await file.bytes()
await session.announce(bytes, { uri: 'urn:example:x' })
for await (const holder of session.find('urn:example:x')) if (holder.where !== 'here') throw new Error('who?')
const left = await session.get('${url}')
const listening = Promise.withResolvers()
const events = (async () => { for await (const _ of session.events({ onListening: listening.resolve })); })()
await listening.promise
await session.offer('x.example.org', { location: 'http://127.0.0.2:8080/' })
const over = events.catch((error) => error.code)
left.outcome.catch(() => {})
await session.close()
await session.close()
console.log(JSON.stringify([bytes.length, peering.address, cache.directory, await over, process.getActiveResourcesInfo()]))
`,
    )
    const child = spawn(process.execPath, [program], {
      env: { PATH: process.env['PATH'], TMPDIR: home, TMP: home, TEMP: home },
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    scene.ending(() => child.kill('SIGKILL'))
    const [code] = (await once(child, 'close')) as [number]
    assert.equal(code, 0, err)
    const [length, address, directory, ended, resources] = JSON.parse(out)
    assert.deepEqual([length, address, ended], [100_000, '127.0.0.2', 'ABORTED'])
    assert.deepEqual(
      resources.filter((each: string) => !/^(Pipe|TTY|File|FSReq)/.test(each)),
      [],
    )
    assert.equal(existsSync(directory), false)
    assert.deepEqual(readdirSync(home), [])
  })

  test('keeps a cache that it was given, and nothing else', async () => {
    const directory = join(scene.directory(), 'cache')
    const settings = { cache: { directory, reserve: '0 B' }, peering: { enabled: false } }
    const body = uniqueBody(5000)
    const first = await embed({ settings })
    const { name } = await first.announce(body)
    await first.close()
    const second = await embed({ settings })
    assert.deepEqual(Buffer.from(await (await second.get(name, { from: 'cache' })).bytes()), body)
    await second.close()
  })

  test('opens no door to other programs, unless it is told', async () => {
    const closed = await embed({ settings: { peering: { enabled: false } } })
    assert.equal((await closed.status()).proxy, 'off')
    const { cache } = await closed.status()
    assert.equal(existsSync(join(cache.directory, 'control.sock')), false)
    await closed.close()
    const settings = { peering: { enabled: false }, proxy: { listen: '127.0.0.1:0' } }
    const open = await embed({ settings, proxy: true, control: true })
    const status = await open.status()
    assert.match(status.proxy, /^127\.0\.0\.1:\d+$/)
    assert.ok(existsSync(join(status.cache.directory, 'control.sock')))
    await open.close()
  })

  test('that cannot start says why, and leaves nothing', async () => {
    await assert.rejects(
      embed({ settings: { peering: { packetport: 1 } } }),
      fault('CONFIG_INVALID', /packetPort/),
    )
    const server = createServer().listen(0, '127.0.0.9')
    await once(server, 'listening')
    scene.ending(() => server.close())
    const { port } = server.address() as { port: number }
    const directory = join(scene.directory(), 'cache')
    mkdirSync(directory)
    const peering = { address: '127.0.0.9', broadcast: '127.255.255.255', filePort: port }
    await assert.rejects(
      embed({ settings: { peering, cache: { directory } } }),
      fault('ADDRESS_IN_USE', /127\.0\.0\.9/),
    )
  })

  test('is a session only until it is closed', async () => {
    const session = await embed({ settings: { peering: { enabled: false } } })
    await session.close()
    await assert.rejects(session.get('http://127.0.0.1/'), fault('ABORTED', /the session is closed/))
    await assert.rejects(session.status(), fault('ABORTED', /the session is closed/))
  })
})
