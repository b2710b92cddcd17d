/**
 * A page of an attacker in a browser, and a node on the same machine: run by browser.test.ts in a network namespace of its own,
 * where the names lead where the attacker wants. Prints what happened as one line of JSON.
 *
 * What a page tries it says itself, because only the page knows what it could read; it tells it to its own server.
 */
import { freePacketPort, Scene, settled } from '../clients/harness.ts'
import { Origin, uniqueBody } from '../clients/origin.ts'
import { run } from '../clients/programs.ts'
import { PAGE } from './drive-by-page.ts'
import { fetched } from './fetched.ts'
import { exchange, placeOf, statuses } from './raw.ts'

/** What browser.test.ts reads. */
export interface DriveBy {
  /** By attempt: what the page could do; `refused` when nothing. Absent where there is no browser. */
  readonly page: Readonly<Record<string, string>> | undefined
  /** The codes that the very requests of a browser get when a program sends them. */
  readonly recorded: Readonly<Record<string, number>>
  /** The codes for names that lead to addresses which nobody may be sent to. */
  readonly names: Readonly<Record<string, number>>
  /** What the server at the address of cloud metadata was asked. */
  readonly metadata: number
  /** What the page's own server was asked through the node, because the page wanted to. */
  readonly throughNode: number
  readonly stderr: string
}

const ADDRESS = '10.99.0.1'
const METADATA = '169.254.169.254'

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--no-first-run',
  '--disable-gpu',
  '--disable-quic',
  '--disable-sync',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-dev-shm-usage',
  // Were the browser to refuse by itself, the node would not be tried.
  '--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights',
]

const scene = new Scene()
try {
  process.stdout.write(`${JSON.stringify(await play())}\n`)
} finally {
  await scene.close()
}

async function play(): Promise<DriveBy> {
  const evil = await Origin.start(scene, ADDRESS, 80)
  const metadata = await Origin.start(scene, METADATA, 80)
  metadata.put('/latest/meta-data/', { body: Buffer.from('secret') })
  const node = await scene.node({
    proxy: { listen: '127.0.0.1:3128' },
    peering: { address: '127.0.0.2', packetPort: await freePacketPort(), filePort: 6515 },
  })
  const held = evil.putByHash(uniqueBody(5000))
  await fetched(node, held)
  await settled(node)
  const askedBefore = evil.requests.length
  const names: Record<string, number> = {}
  for (const host of ['metadata.test', METADATA, '2852039166', '0xa9.254.169.254', '[::ffff:a9fe:a9fe]'])
    names[host] = (await fetched(node, `http://${host}/latest/meta-data/`)).status
  const drive = process.argv[2] === 'with-browser' ? await browse(evil) : undefined
  const throughNode = evil.requests.slice(askedBefore).filter(({ fields }) => fields.via !== undefined).length
  return {
    page: drive?.page,
    recorded: await recorded(node.proxyAddress),
    names,
    metadata: metadata.requests.length,
    throughNode,
    stderr: drive?.stderr ?? '',
  }
}

async function browse(evil: Origin): Promise<{ page: Record<string, string>; stderr: string }> {
  const told = Promise.withResolvers<string>()
  evil.put('/', { body: Buffer.from(PAGE), fields: { 'Content-Type': 'text/html' } })
  evil.put('/report', (asking, response) => {
    let text = ''
    asking.on('data', (chunk: Buffer) => (text += chunk.toString()))
    asking.on('end', () => {
      response.end()
      told.resolve(text)
    })
  })
  const ending = new AbortController()
  const profile = `--user-data-dir=${scene.directory()}`
  const args = [...FLAGS, profile, '--remote-debugging-port=0', 'http://evil.test/']
  const running = run('chromium', args, { signal: ending.signal })
  const text = await Promise.race([
    told.promise,
    running.then(({ stderr }) => Promise.reject(new Error(stderr))),
  ])
  ending.abort()
  const { stderr } = await running
  return { page: JSON.parse(text) as Record<string, string>, stderr }
}

/**
 * The requests that Chromium was seen to send from such a page, for machines without it. @returns their codes; 0: the
 * connection was closed without one.
 */
async function recorded(proxyAddress: string): Promise<Record<string, number>> {
  const proxy = placeOf(proxyAddress)
  const files = { address: '127.0.0.2', port: 6515 }
  const page = (host: string) =>
    [
      `Host: ${host}`,
      'Origin: http://evil.test',
      'Referer: http://evil.test/',
      'Sec-Fetch-Site: cross-site',
      'Sec-Fetch-Mode: cors',
      'Connection: close',
    ].join('\r\n')
  const code = async (place: typeof proxy, bytes: string) => statuses(await exchange(place, bytes))[0] ?? 0
  return {
    'rebound name, own page': await code(proxy, 'GET /proxy.pac HTTP/1.1\r\nHost: rebound.test:3128\r\n\r\n'),
    'rebound name, first page': await code(proxy, 'GET / HTTP/1.1\r\nHost: rebound.test:3128\r\n\r\n'),
    'form to the proxy': await code(
      proxy,
      `POST / HTTP/1.1\r\n${page('127.0.0.1:3128')}\r\nContent-Length: 3\r\n\r\na=b`,
    ),
    'preflight to the proxy': await code(
      proxy,
      `OPTIONS / HTTP/1.1\r\n${page('127.0.0.1:3128')}\r\nAccess-Control-Request-Headers: x\r\n\r\n`,
    ),
    'page to the port for files': await code(
      files,
      `GET /health HTTP/1.1\r\n${page('127.0.0.2:6515')}\r\n\r\n`,
    ),
    'preflight to the port for files': await code(
      files,
      `OPTIONS /summary HTTP/1.1\r\n${page('127.0.0.2:6515')}\r\nAccess-Control-Request-Headers: ihave-node\r\n\r\n`,
    ),
    'rebound name, port for files': await code(
      files,
      'GET /health HTTP/1.1\r\nHost: rebound-files.test:6515\r\n\r\n',
    ),
    'rebound name, summary': await code(
      files,
      'GET /summary HTTP/1.1\r\nHost: rebound-files.test:6515\r\nIhave-Node: 0\r\n\r\n',
    ),
  }
}
