/**
 * A service that performs a function for the LAN, and a program that uses it. Of several machines that can, one is elected;
 * when it goes, the next one takes over.
 *
 *     node spelling.ts serve            performs `spelling.example.org` until it is interrupted
 *     node spelling.ts ask WORD         asks whoever performs it now
 *
 * Both talk to the node that runs on their machine (`ihave start`); IHAVE_SOCKET says where, if it is not the usual place.
 */
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, Fault, type Session } from 'ihave'

const FUNCTION = 'spelling.example.org'

/** Said to everybody whenever a word was spelled: a packet type of this application's own. */
const SPELLED = 'spelled.example.org'

const [command, word = ''] = process.argv.slice(2)
const socket = process.env['IHAVE_SOCKET']

if (command !== 'serve' && (command !== 'ask' || word === '')) {
  console.error('usage: node spelling.ts serve | ask WORD')
  process.exit(2)
}

try {
  await using session = await connect(socket === undefined ? {} : { socket })
  if (command === 'serve') await serve(session)
  else console.log(await ask(session, word))
} catch (error) {
  // No node runs, it has no LAN, nobody performs it: for a user each is one line.
  console.error(`${command}: ${reasonOf(error)}`)
  process.exitCode = 1
}

async function serve(node: Session): Promise<void> {
  const { peering } = await node.status()
  if (peering === undefined) throw new Fault('BAD_REQUEST', 'the node has no LAN, so nobody could use this')
  const server = createServer((request, response) => {
    const asked = wordIn(request.url ?? '/')
    if (asked === undefined) return void response.writeHead(400).end()
    response.end(Array.from(asked).join('-'))
    node.say(SPELLED, { word: asked.slice(0, 100) }).catch((error: unknown) => console.error(String(error)))
  })
  server.listen(0, peering.address)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const offer = await node.offer(FUNCTION, {
    location: `http://${peering.address}:${port}/`,
    onChange: (isProvider) => console.log(isProvider ? 'elected' : 'not elected any more'),
  })
  console.log('serving')
  try {
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), offer.ended])
    await offer.withdraw()
  } finally {
    // Also when the node has gone: who waits for nobody ends. Connections that are kept alive would hold it.
    server.close()
    server.closeAllConnections()
  }
}

/** `undefined`: none. Whoever can reach this port may send anything. */
function wordIn(target: string): string | undefined {
  try {
    return decodeURIComponent(new URL(target, 'http://localhost').pathname.slice(1))
  } catch {
    return undefined
  }
}

/** Whoever fails is reported, and the next one is tried. */
function ask(node: Session, text: string): Promise<string> {
  return node.request(FUNCTION, async ({ location }, signal) => {
    const response = await fetch(new URL(encodeURIComponent(text), location), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(2000)]),
    })
    if (!response.ok) throw new Fault('RESPONSE_REFUSED', `status ${response.status}`)
    return response.text()
  })
}

function reasonOf(error: unknown): string {
  if (error instanceof Fault) return `${error.message} (${error.code})`
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
