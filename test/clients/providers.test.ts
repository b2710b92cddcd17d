/** Elections among whole nodes: processes with sockets, signatures, and the commands that people type. */
import assert from 'node:assert/strict'
import { get } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { FunctionStatus } from '../../service/function-operations.ts'
import type { SiteAnswer } from '../../service/site-operations.ts'
import type { Status } from '../../service/status.ts'
import { CLI, freePacketPort, type NodeProcess, Scene, until } from './harness.ts'
import { run } from './programs.ts'

const scene = new Scene()
let packetPort = 0

interface Machine {
  readonly config: string
  readonly address: string
  readonly node: NodeProcess
}

before(async () => {
  packetPort = await freePacketPort()
})

after(() => scene.close())

async function machine(number: number, preference: number, more: object = {}): Promise<Machine> {
  const address = `127.0.0.${number}`
  const config = scene.configFile({
    peering: { address, packetPort },
    site: { directory: join(scene.directory(), 'site') },
    functions: { offers: [`print=http://${address}:8080/`], preference, ...more },
  })
  const node = scene.ihave(config)
  await node.ready()
  return { config, address, node }
}

async function ihave(
  at: Machine,
  ...args: readonly string[]
): Promise<{ code: number | null; said: string }> {
  const { code, stdout } = await run(process.execPath, [CLI, ...args, '--config', at.config, '--json'])
  return { code, said: stdout.toString() }
}

async function printer(at: Machine): Promise<FunctionStatus | undefined> {
  const known = JSON.parse((await ihave(at, 'providers')).said) as FunctionStatus[]
  return known.find((each) => each.function === 'print')
}

/** As a peer asks; a page in a browser would be refused. */
function textFrom(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { 'Ihave-Node': 'test' } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text))
    }).on('error', reject)
  })
}

async function status(at: Machine): Promise<Status> {
  return JSON.parse((await ihave(at, 'status')).said) as Status
}

/** Waits until all name the same provider. */
async function agreed(machines: readonly Machine[], provider: Machine): Promise<void> {
  const location = `http://${provider.address}:8080/`
  await until(
    `${provider.address} as everybody’s provider`,
    async () => {
      const known = await Promise.all(machines.map(printer))
      return known.every((each) => each?.provider?.location === location)
    },
    20_000,
  )
}

test('a node does not start with an offer that nobody would believe, and says what is expected', async () => {
  const offers = ['print=http://127.0.0.1:8080/']
  const peering = { address: '127.0.0.35', packetPort }
  const config = scene.configFile({ peering, functions: { offers } })
  const { code, stderr } = await run(process.execPath, [CLI, 'start', '--config', config])
  assert.notEqual(code, 0)
  assert.match(stderr, /functions\.offers: print=.*expected http:\/\/127\.0\.0\.35:PORT/)
})

test('where there is no LAN an offer is held back, whatever its place, and both the log and `ihave providers` say so', async () => {
  const offers = ['print=http://192.0.2.77:8000/']
  const config = scene.configFile({
    peering: { enabled: false },
    functions: { offers },
    log: { level: 'warn' },
  })
  const node = scene.ihave(config)
  const said = [
    'functions.offers: print=http://192.0.2.77:8000/ is not offered to anybody: peering is off',
    'is ready',
  ]
  await until('the word and the ready line', () => said.every((each) => node.stdout.includes(each)), 10_000)
  const { stdout } = await run(process.execPath, [CLI, 'providers', '--config', config])
  assert.equal(stdout.toString(), 'no functions are known: peering is off\n')
})

test('members elect a provider, show it, replace it when it leaves or is killed; a stranger has no say', async () => {
  const first = await machine(31, 10)
  const token = (JSON.parse((await ihave(first, 'site', 'init', 'home')).said) as SiteAnswer).token ?? ''
  const second = await machine(32, 100)
  await ihave(second, 'site', 'join', token, '--name', 'second')
  const more = (JSON.parse((await ihave(first, 'site', 'invite')).said) as SiteAnswer).token ?? ''
  const third = await machine(33, 60, { preference: 60 })
  await ihave(third, 'site', 'join', more, '--name', 'third')
  const stranger = await machine(34, 100)

  // What was said before the last one joined was not said to a member.
  assert.equal((await ihave(first, 'elect', 'print')).code, 0)
  const members = [first, second, third]
  await agreed(members, second)
  const shown = await printer(third)
  assert.match(shown?.provider?.member ?? '', /^[\da-f]{32}$/)
  assert.equal(shown?.provider?.source, 'election')
  assert.ok((shown?.provider?.term ?? 0) >= 1)
  assert.equal((await printer(second))?.provider?.isThisNode, true)

  // FIG. 8, 406: whoever asks gets it as its provider signed it, with the pass that proves the signer.
  const { peering } = await status(first)
  const { functions: served } = JSON.parse(
    await textFrom(`http://${first.address}:${peering?.filePort}/functions`),
  )
  const [{ location, signature, pass }] = served
  assert.equal(location, `http://${second.address}:8080/`)
  assert.match(signature, /^[\w-]{86}$/)
  assert.match(pass, /^[\w-]+\.[\w-]+$/)

  // The one that leaves says so.
  await second.node.kill('SIGTERM')
  assert.equal(await second.node.exit, 0)
  await agreed([first, third], third)
  // The one that is killed is missed; whoever notices has another one elected.
  await third.node.kill('SIGKILL')
  assert.equal((await ihave(first, 'elect', 'print')).code, 0)
  await agreed([first], first)

  assert.equal((await ihave(first, 'elect', 'nobody-can')).code, 1)
  assert.equal((await ihave(first, 'elect', 'no function')).code, 2)
  const { functions } = await status(first)
  assert.ok(functions.some((each) => each.function === 'print' && each.provider?.isThisNode))
  assert.ok(stranger.node.id > 0)
  const known = await printer(first)
  assert.notEqual(known?.provider?.location, `http://${stranger.address}:8080/`)
})
