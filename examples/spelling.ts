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

await using session = await connect(socket === undefined ? {} : { socket })
if (command === 'serve') await serve(session)
else if (command === 'ask') console.log(await ask(session, word))
else {
  console.error('usage: node spelling.ts serve | ask WORD')
  process.exitCode = 2
}

async function serve(node: Session): Promise<void> {
  const { peering } = await node.status()
  if (peering === undefined) throw new Error('the node has no LAN')
  const server = createServer((request, response) => {
    const asked = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname.slice(1))
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
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), offer.ended])
  await offer.withdraw()
  server.close()
}

/** Whoever fails is reported, and the next one is tried. */
function ask(node: Session, text: string): Promise<string> {
  return node.request(FUNCTION, async ({ location }) => {
    const response = await fetch(new URL(encodeURIComponent(text), location), {
      signal: AbortSignal.timeout(2000),
    })
    if (!response.ok) throw new Fault('RESPONSE_REFUSED', `status ${response.status}`)
    return response.text()
  })
}
