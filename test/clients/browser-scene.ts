/**
 * A browser and a node in a network of their own: run by browser.test.ts in a private network namespace, where
 * addresses that are not loopback lead nowhere else. Prints what happened as one line of JSON.
 */
import { freePacketPort, Scene } from './harness.ts'
import { Origin } from './origin.ts'
import { run } from './programs.ts'

/** What browser.test.ts reads. */
export interface BrowserScene {
  /** The documents as the browser saw them. */
  readonly documents: Readonly<Record<'matching' | 'other' | 'away', string>>
  /** `Via` of the requests at the origin server, by path; empty: they came directly. */
  readonly via: Readonly<Record<string, string>>
  readonly stderr: string
}

/** Not loopback, so that PAC files do not say DIRECT; given to this namespace by the test. */
const ADDRESS = '10.99.0.1'

/** Nothing but the pages that it is told to show. */
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
]

const scene = new Scene()
try {
  process.stdout.write(`${JSON.stringify(await play())}\n`)
} finally {
  await scene.close()
}

async function play(): Promise<BrowserScene> {
  const origin = await Origin.start(scene, ADDRESS, 80)
  const node = await scene.node({
    peering: { address: '127.0.0.2', packetPort: await freePacketPort() },
    rules: [{ match: '//updates.test/**' }, { match: '//gone.test/**' }],
  })
  for (const path of ['/matching', '/other', '/away'])
    origin.put(path, {
      body: Buffer.from(`<!doctype html><title>page</title><p>this is ${path}</p>`),
      fields: { 'Content-Type': 'text/html' },
    })
  const pac = `http://${node.proxyAddress}/proxy.pac`
  const matching = await browse(pac, 'http://updates.test/matching')
  const other = await browse(pac, 'http://elsewhere.test/other')
  const away = await browse(await pacOfAbsentNode(), 'http://gone.test/away')
  const via = origin.requests.map(({ path, fields }) => [path, fields.via ?? ''] as const)
  return {
    documents: { matching: matching.document, other: other.document, away: away.document },
    via: Object.fromEntries(via),
    stderr: matching.stderr + other.stderr + away.stderr,
  }
}

/** The PAC file of a node that has gone since. */
async function pacOfAbsentNode(): Promise<string> {
  const node = await scene.node({ peering: { enabled: false }, rules: [{ match: '//gone.test/**' }] })
  const text = await (await fetch(`http://${node.proxyAddress}/proxy.pac`)).text()
  await node.stop()
  return `data:application/x-ns-proxy-autoconfig;base64,${Buffer.from(text).toString('base64')}`
}

async function browse(pac: string, url: string) {
  const profile = `--user-data-dir=${scene.directory()}`
  const ran = await run('chromium', [...FLAGS, profile, `--proxy-pac-url=${pac}`, '--dump-dom', url])
  return { document: ran.stdout.toString(), stderr: ran.stderr }
}
