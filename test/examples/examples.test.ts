import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { acquainted, BROADCAST, freePacketPort, missing, Scene, settled, until } from '../clients/harness.ts'
import { Origin, sha256, uniqueBody } from '../clients/origin.ts'
import { connected, socketOf } from '../library/sessions.ts'
import { compile, copied, installed, Program } from './packed.ts'

const STRICT = {
  compilerOptions: {
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
  },
  include: ['*.ts'],
}

describe('the package', { skip: missing('npm', 'tar') }, () => {
  const scene = new Scene()
  let project = ''
  let origin: Origin

  before(async () => {
    project = installed(scene)
    origin = await Origin.start(scene)
  })
  after(() => scene.close())

  const trial = async (address: string) => ({
    IHAVE_ADDRESS: address,
    IHAVE_BROADCAST: BROADCAST,
    IHAVE_PORT: String(await freePacketPort()),
  })

  test('is imported by its name, and has types that a strict program is held to', () => {
    writeFileSync(
      join(project, 'program.ts'),
      `import { connect, embed, Fault, type Progress, type Session } from 'ihave'
import * as all from 'ihave'
const session: Session = await embed({ settings: { peering: { enabled: false } } })
const told: Progress[] = []
const isFault: boolean = await session.get('nonsense', { onProgress: (each) => told.push(each) }).then(
  () => false,
  (error: unknown) => error instanceof Fault && error.code === 'BAD_REQUEST',
)
// @ts-expect-error: a digest is text
session.get('http://x/', { digest: 7 }).catch(() => {})
// @ts-expect-error: there is no such place
session.get('http://x/', { from: 'elsewhere' }).catch(() => {})
// @ts-expect-error: there is no such fault
const code: Fault['code'] = 'NONSENSE'
await session.close()
console.log(JSON.stringify([isFault, typeof connect, code, Object.keys(all).toSorted()]))
`,
    )
    copied(project, 'download.ts')
    copied(project, 'spelling.ts')
    const readme = readFileSync(join(project, 'node_modules/ihave/README.md'), 'utf8')
    const [, snippet = ''] = /## Use it from your program\n+```ts\n(.*?)```/s.exec(readme) ?? []
    assert.match(snippet, /await embed/)
    writeFileSync(join(project, 'readme.ts'), snippet)
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(STRICT))
    assert.equal(compile(project), '')
  })

  test('runs, and gives what is documented and nothing else', async () => {
    const program = new Program(scene, ['program.ts'], project)
    assert.equal(await program.exit, 0, program.stderr)
    const exports = ['Fault', 'Session', 'connect', 'embed']
    assert.deepEqual(JSON.parse(program.stdout), [true, 'function', 'NONSENSE', exports])
  })

  test('has nothing of the checkout that a user does not need', () => {
    const top = readdirSync(join(project, 'node_modules/ihave')).toSorted()
    assert.deepEqual(top, [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'dist',
      'docs',
      'package.json',
      'proxy.config.yaml',
    ])
  })

  test('download.ts gets a file, shows how far it is, and leaves nothing else', async () => {
    const body = uniqueBody(3_000_000)
    let isSlow = true
    const url = origin.put('/file', (_, response) => {
      response.writeHead(200, { 'Content-Length': body.length }).write(body.subarray(0, 1_500_000))
      void until('some time to watch', () => !isSlow).then(() => response.end(body.subarray(1_500_000)))
    })
    const file = copied(project, 'download.ts')
    const args = [file, url, join(project, 'got'), `sha-256:${sha256(body)}`]
    const program = new Program(scene, args, project, await trial('127.0.0.2'))
    await until(
      'a bar in the middle',
      () => /\[#{15}\.{15}\] 50 % receiving internet/.test(program.stderr),
      20_000,
    )
    isSlow = false
    assert.equal(await program.exit, 0, program.stderr)
    assert.deepEqual(readFileSync(join(project, 'got')), body)
    assert.match(program.stdout, /got: 3000000 bytes, 0 from peers, 3000000 from the Internet/)
    assert.deepEqual(
      readdirSync(project).filter((name) => name.startsWith('ihave-') && !name.endsWith('.tgz')),
      [],
    )
  })

  test('download.ts takes what a neighbour has, by its digest', async () => {
    const environment = await trial('127.0.0.3')
    const peering = { address: '127.0.0.2', packetPort: Number(environment.IHAVE_PORT) }
    const node = await scene.node({ peering })
    const body = uniqueBody(1_000_000)
    const session = await connected(scene, node)
    await session.announce(body)
    await settled(node)
    const url = origin.put('/neighbour', { body })
    const args = [copied(project, 'download.ts'), url, join(project, 'near'), `sha-256:${sha256(body)}`]
    const program = new Program(scene, args, project, environment)
    assert.equal(await program.exit, 0, program.stderr)
    assert.match(program.stdout, /near: 1000000 bytes, 1000000 from peers, 0 from the Internet/)
    assert.equal(origin.count(url), 0)
  })

  test('download.ts says what is wrong, and leaves no file', async () => {
    const args = [copied(project, 'download.ts'), `http://${origin.authority}/nothing`, join(project, 'none')]
    const program = new Program(scene, args, project, await trial('127.0.0.2'))
    assert.equal(await program.exit, 1)
    assert.match(program.stderr, /status 404 \(RESPONSE_REFUSED\)/)
    assert.equal(existsSync(join(project, 'none')), false)
  })

  /** What goes wrong every day is one line that says what, and exit code 1: no stack trace. */
  const complains = async (program: Program, expected: RegExp) => {
    assert.equal(await program.exit, 1, program.stderr)
    const lines = program.stderr.trim().split('\n')
    const complaints = lines.filter((line) => !line.startsWith('['))
    assert.equal(complaints.length, 1, program.stderr)
    assert.match(complaints[0] ?? '', expected)
    assert.equal(program.stdout, '')
  }

  test('download.ts fails in one line: a wrong URL, no such host, no such folder, a wrong digest, a wrong address', async () => {
    const file = copied(project, 'download.ts')
    const environment = await trial('127.0.0.2')
    const url = origin.put('/for-complaints', { body: uniqueBody(1000) })
    const got = join(project, 'complained')
    for (const [args, expected] of [
      [['nonsense', got], /^nonsense: .+ \(BAD_REQUEST\)$/],
      [['http://127.0.0.1:1/', got], /\((CONNECT_REFUSED|FORBIDDEN_TARGET)\)$/],
      [[url, join(project, 'no/such/folder')], /there is no folder/],
      [[url, got, `sha-256:${sha256(Buffer.from('other bytes'))}`], /\(VERIFICATION_FAILED\)$/],
      [[url, got, 'md5'], /\(BAD_REQUEST\)$/],
    ] as const)
      await complains(new Program(scene, [file, ...args], project, environment), expected)
    const wrong = { ...environment, IHAVE_ADDRESS: '192.0.2.7' }
    await complains(new Program(scene, [file, url, got], project, wrong), /192\.0\.2\.7/)
    assert.equal(existsSync(got), false)
  })

  test('spelling.ts fails in one line: no node, no LAN, nobody performs it; and its usage is one line', async () => {
    const file = copied(project, 'spelling.ts')
    const run = (IHAVE_SOCKET: string, ...args: string[]) =>
      new Program(scene, [file, ...args], project, { IHAVE_SOCKET })
    for (const args of [['serve'], ['ask', 'word']])
      await complains(run(join(project, 'no.sock'), ...args), /\(NODE_UNREACHABLE\)$/)
    const alone = await scene.node({ peering: { enabled: false } })
    await complains(run(socketOf(alone), 'serve'), /no LAN/)
    await complains(run(socketOf(alone), 'ask', 'word'), /no LAN/)
    const usage = run(join(project, 'no.sock'), 'ask')
    assert.equal(await usage.exit, 2)
    assert.match(usage.stderr, /^usage: .*\n$/)
  })

  test('spelling.ts ends clean when it is told to, and in one line when its node is killed', async () => {
    const file = copied(project, 'spelling.ts')
    const peering = { address: '127.0.0.5', packetPort: await freePacketPort() }
    const directory = scene.directory()
    const node = scene.ihave(scene.configFile({ peering, functions: { maxDelayMs: 50 } }, directory))
    await node.ready()
    const serve = async () => {
      const env = { IHAVE_SOCKET: join(directory, 'cache', 'control.sock') }
      const program = new Program(scene, [file, 'serve'], project, env)
      await until('its election', () => /^elected$/m.test(program.stdout), 20_000)
      return program
    }
    const told = await serve()
    told.kill('SIGTERM')
    assert.deepEqual([await told.exit, told.stderr], [0, ''])
    const left = await serve()
    await node.kill('SIGKILL')
    assert.equal(await left.exit, 1)
    assert.match(left.stderr, /^serve: .* \(NODE_UNREACHABLE\)\n$/)
    assert.equal(left.stdout, 'serving\nelected\nnot elected any more\n')
  })

  test('spelling.ts is elected, is found by others, and is followed by the next one', async () => {
    const packetPort = await freePacketPort()
    const node = (address: string) =>
      scene.node({ peering: { address, packetPort }, functions: { maxDelayMs: 50 } })
    const nodes = [await node('127.0.0.2'), await node('127.0.0.3'), await node('127.0.0.4')] as const
    await acquainted(...nodes)
    const file = copied(project, 'spelling.ts')
    const start = (at: number, ...args: string[]) => {
      const at3 = nodes[at] ?? nodes[0]
      return new Program(scene, [file, ...args], project, { IHAVE_SOCKET: socketOf(at3) })
    }
    const first = start(0, 'serve')
    await until('the first service', () => first.stdout.includes('serving'), 20_000)
    const second = start(1, 'serve')
    await until('the second service', () => second.stdout.includes('serving'), 20_000)
    const ask = async () => {
      const program = start(2, 'ask', 'patent')
      assert.equal(await program.exit, 0, program.stderr)
      return program.stdout.trim()
    }
    assert.equal(await ask(), 'p-a-t-e-n-t')
    const [elected, other] = first.stdout.includes('elected') ? [first, second] : [second, first]
    elected.kill('SIGINT')
    assert.equal(await elected.exit, 0, elected.stderr)
    await until('the next one', () => /^elected$/m.test(other.stdout), 20_000)
    assert.equal(await ask(), 'p-a-t-e-n-t')
    other.kill('SIGTERM')
    assert.equal(await other.exit, 0, other.stderr)
    const alone = start(2, 'ask', 'x')
    assert.equal(await alone.exit, 1)
    assert.match(alone.stderr, /nobody performs/)
  })
})
