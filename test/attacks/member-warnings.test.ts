/** V§4 "poisoning by a peer" in a site: whoever one member has caught, the others know of, between processes. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { PeerStatus, Status } from '../../service/status.ts'
import { startFakePeer } from '../clients/fake-peer.ts'
import { missing, Scene, until } from '../clients/harness.ts'
import { sha256, uniqueBody } from '../clients/origin.ts'
import { curl } from '../clients/programs.ts'
import { ihave, lan, site, type Machine } from '../clients/site-machines.ts'

const LIAR = '127.0.0.77'
const scene = new Scene()

after(() => scene.close())

type Told = Pick<Status, 'shunned' | 'cautions'> & { readonly peers: readonly PeerStatus[] }

async function peersOf(at: Machine): Promise<Told> {
  const { stdout } = await ihave('peers', '--config', at.config, '--json')
  return JSON.parse(stdout) as Told
}

test(
  'a peer that sent one member wrong bytes is told of to the others, with what it sent, and asked last',
  {
    skip: missing('curl'),
  },
  async () => {
    const { origin, packetPort, machine } = await lan(scene)
    const [first, second] = (await Promise.all([2, 3].map((number) => machine(number)))) as [Machine, Machine]
    const token = (await site(first, 'init', 'home', '--name', 'first')).token ?? ''
    await site(second, 'join', token, '--name', 'second')
    const knows = async (at: Machine) => (await peersOf(at)).peers.some(({ member }) => member !== undefined)
    for (const each of [first, second]) await until('members that know each other', () => knows(each), 40_000)
    const wrong = uniqueBody(50_000)
    await startFakePeer(scene, { address: LIAR, packetPort, serve: (_, response) => response.end(wrong) })

    const right = uniqueBody(50_000)
    const url = origin.putByHash(right)
    assert.equal(sha256((await curl(first.proxy, url)).body), sha256(right))
    const caught = (await peersOf(first)).shunned
    assert.deepEqual(
      caught.map(({ peer, reason }) => [peer, reason]),
      [[LIAR, 'bad-bytes']],
    )
    const { status } = await site(first, 'status')
    let told: Told | undefined
    await until('the warning', async () => (told = await peersOf(second)).cautions.length > 0)
    assert.deepEqual(
      told?.cautions.map(({ peer, member, body }) => [peer, member, body]),
      [[LIAR, status?.member, sha256(wrong)]],
    )
    assert.deepEqual(told?.shunned, [], 'nobody is left aside on words')
    const { stdout } = await ihave('peers', '--config', second.config)
    assert.match(
      stdout,
      new RegExp(`${LIAR}  asked last: .*wrong bytes \\(${sha256(wrong).slice(0, 12)} for `),
    )
  },
)
