import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { bind } from './fake-peer.ts'
import { BROADCAST, missing, Scene, until } from './harness.ts'
import { type Origin, sha256, uniqueBody } from './origin.ts'
import { curl, sourceOf } from './programs.ts'
import {
  ihave,
  isSettled,
  lan,
  packets,
  readsAlong,
  site,
  trySite,
  type Lan,
  type Machine,
} from './site-machines.ts'

const skip = missing('curl')
const scene = new Scene()
let machine: Lan['machine']
let origin: Origin
/** All that was said to everybody. */
let said = ''

before(async () => {
  const made = await lan(scene)
  origin = made.origin
  machine = made.machine
  const ear = await bind(made.packetPort, BROADCAST)
  scene.ending(() => ear.close())
  ear.on('message', (bytes: Buffer) => (said += bytes.toString('latin1')))
})

after(() => scene.close())

test(
  'three machines become a site, share what only a member vouches for, and throw one out',
  { skip },
  async () => {
    const machines = await Promise.all([2, 3, 4].map((number) => machine(number)))
    const [first, second, third] = machines as [Machine, Machine, Machine]
    const token = (await site(first, 'init', 'home', '--name', 'first', '--uses', '2')).token ?? ''
    assert.equal(statSync(join(first.directory, 'authority.json')).mode & 0o777, 0o600)
    assert.equal((await site(second, 'join', token, '--name', 'second')).status?.name, 'home')
    await site(third, 'join', token, '--name', 'third')
    const again = await ihave('site', 'join', token, '--config', first.config)
    assert.equal(again.code, 2, 'a member cannot join')

    const body = uniqueBody(700_000)
    const url = origin.put('/files/tool-1.2.3.bin', { body })
    assert.equal(sourceOf(await curl(first.proxy, url)), 'internet')
    await until('a copy that is whole', () => isSettled(first))
    const copied = await curl(second.proxy, url)
    assert.deepEqual([sourceOf(copied), sha256(copied.body)], ['peer', sha256(body)])
    assert.equal(origin.count(url, 'GET'), 1)

    // V§4 "who lacks which patch is written on the wall": not even the name of the server is.
    assert.match(said, /href="site:1\.[\da-f]{32}"/)
    assert.ok(!said.includes('tool-1.2.3') && !said.includes(origin.authority))

    // While one fetches it, the others read along on its promise to vouch for it.
    const opening = deferred<void>()
    const large = uniqueBody(3_000_000)
    const growing = origin.put('/files/tool-1.2.4.bin', {
      body: large,
      gate: { atByte: 1_000_000, opened: opening.promise },
    })
    const begun = curl(second.proxy, growing)
    await until('the first bytes', () => origin.sentBytes(growing) >= 1_000_000)
    const along = [first, third].map(({ proxy }) => curl(proxy, growing))
    // A download that is silent for long is replaced: it goes on as soon as the others are there.
    for (const each of [first, third]) await until('one that reads along', () => readsAlong(each, growing))
    opening.resolve()
    for (const [got, source] of [
      [await begun, 'internet'],
      [await along[0], 'in-progress'],
      [await along[1], 'in-progress'],
    ] as const)
      assert.deepEqual([got && sourceOf(got), got && sha256(got.body)], [source, sha256(large)])
    assert.deepEqual(origin.asked(growing), ['whole'])

    // The proof goes on with the copy: the one that fetched it from the Internet is gone.
    await first.node.kill('SIGTERM')
    assert.equal(await first.node.exit, 0)
    const passedOn = await curl(third.proxy, url)
    assert.deepEqual([sourceOf(passedOn), sha256(passedOn.body)], ['peer', sha256(body)])
    assert.equal(origin.count(url, 'GET'), 1)

    // Without a node, on its files; the others learn of it when it is back.
    await site(first, 'revoke', 'second')
    const restarted = { ...first, node: scene.ihave(first.config) }
    await restarted.node.ready()
    const knows = async (at: Machine, epoch: number) => (await site(at, 'status')).status?.epoch === epoch
    await until('the deny list and the new secret at the third', () => knows(third, 2), 40_000)
    assert.equal((await site(third, 'status')).status?.denied, 1)
    assert.equal((await site(second, 'status')).status?.epoch, 1)
    assert.ok(((await packets(third))['heard: presence'] ?? 0) > 0)

    await site(third, 'leave')
    assert.equal((await site(third, 'status')).status, null)
    // Its node goes on, and may be another member at once.
    const another = (await site(restarted, 'invite')).token ?? ''
    assert.equal((await site(third, 'join', another, '--name', 'again')).status?.memberName, 'again')
  },
)

test('who was thrown out does not come back by the token that it came by, and is told why', async () => {
  const [first, second] = (await Promise.all([5, 6].map((number) => machine(number)))) as [Machine, Machine]
  const token = (await site(first, 'init', 'office', '--name', 'first', '--uses', '5')).token ?? ''
  await site(second, 'join', token, '--name', 'second')
  const revoke = () => ihave('site', 'revoke', 'second', '--config', first.config)
  const revoked = await revoke()
  assert.match(revoked.stdout, /^revoked second \([\da-f]{32}\)/)
  assert.match(
    revoked.stdout,
    /the open invitations are void as well; make a new one with "ihave site invite" for machines that are still/,
  )
  const again = await revoke()
  assert.equal(again.code, 2)
  assert.match(again.stderr, /second \([\da-f]{32}\) is revoked already/)

  await site(second, 'leave')
  const refused = () => trySite(second, 'join', token, '--name', 'back')
  const why = /the token is void, because a member was revoked after it was made; "ihave site invite" makes/
  assert.match((await refused()).stderr, why)
  // It is in the file.
  await first.node.kill('SIGKILL')
  await scene.ihave(first.config).ready()
  assert.match((await refused()).stderr, why)
  assert.equal((await site(second, 'status')).status, null)

  const another = (await site(first, 'invite')).token ?? ''
  assert.equal((await site(second, 'join', another, '--name', 'new')).status?.memberName, 'new')
  // Nothing was open.
  const quiet = await ihave('site', 'revoke', 'new', '--config', first.config)
  assert.doesNotMatch(quiet.stdout, /invitations/)
})
