/** The machine that made a site is lost, with everything on it (docs/site.md, "When the authority's machine is lost"). */
import assert from 'node:assert/strict'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { missing, Scene, until } from './harness.ts'
import { sha256, uniqueBody } from './origin.ts'
import { curl, sourceOf } from './programs.ts'
import { lan, site, trySite, type Lan, type Machine } from './site-machines.ts'

const skip = missing('curl')
const scene = new Scene()
let there: Lan

before(async () => (there = await lan(scene)))
after(() => scene.close())

/** What is said between machines by themselves takes up to so long, in ms. */
const HEARD_MS = 45_000

let files = 0

/** One machine fetches a file that nobody has. @returns where the other one has it from. */
async function shares(one: Machine, other: Machine): Promise<string> {
  const body = uniqueBody(100_000)
  const url = there.origin.put(`/files/tool-1.0.${++files}.bin`, { body })
  assert.equal(sourceOf(await curl(one.proxy, url)), 'internet')
  const copied = await curl(other.proxy, url)
  assert.equal(sha256(copied.body), sha256(body))
  return sourceOf(copied)
}

test(
  'a site outlives the machine that made it: another member goes on with it from the backup',
  { skip },
  async () => {
    const [lost, heir, revoked, late, fresh] = (await Promise.all(
      [2, 3, 4, 5, 6].map((number) => there.machine(number)),
    )) as [Machine, Machine, Machine, Machine, Machine]
    const backup = join(scene.directory(), 'home-site.json')
    const token = (await site(lost, 'init', 'home', '--name', 'lost', '--uses', '4')).token ?? ''
    await site(heir, 'join', token, '--name', 'heir')
    await site(revoked, 'join', token, '--name', 'revoked')
    await site(lost, 'backup', backup)
    assert.equal(statSync(backup).mode & 0o777, 0o600)
    const again = await trySite(lost, 'backup', backup)
    assert.match(again.stderr, /home-site\.json is there already: expected the name of a new file/)
    assert.doesNotMatch(again.stderr, /EEXIST/)
    // What comes now is not in the backup: one more member, and one fewer.
    await site(late, 'join', token, '--name', 'late')
    await site(lost, 'revoke', 'revoked')
    const epochOf = async (at: Machine) => (await site(at, 'status')).status?.epoch
    const knowIt = async () => (await epochOf(heir)) === 2 && (await epochOf(late)) === 2
    await until('the revocation at both', knowIt, HEARD_MS)

    await lost.node.kill('SIGKILL')
    rmSync(lost.directory, { recursive: true })

    // Nothing stops, and the one that was thrown out stays out; but nobody can be let in.
    assert.equal(await shares(late, heir), 'peer')
    assert.equal(await shares(heir, revoked), 'internet')
    assert.equal((await trySite(heir, 'invite')).code, 2)

    const { status } = await site(heir, 'restore', backup)
    assert.deepEqual([status?.isAuthority, status?.memberName, status?.name], [true, 'heir', 'home'])
    assert.equal(statSync(join(heir.directory, 'authority.json')).mode & 0o777, 0o600)
    // Revoked after the backup was made, and known to be: the number of the deny list and the secret are not those of before.
    assert.deepEqual([status?.denied, (status?.denyList ?? 0) >= 1, status?.epoch], [1, true, 2])
    assert.ok(status?.members.some(({ name, isRevoked }) => name === 'revoked' && isRevoked))
    assert.equal(await shares(late, heir), 'peer')
    assert.equal(await shares(heir, revoked), 'internet')
    assert.equal(await shares(revoked, late), 'internet')

    // The token from before had uses left; its secret may be anywhere by now.
    const refused = await trySite(fresh, 'join', token, '--name', 'fresh')
    assert.notEqual(refused.code, 0)
    assert.equal((await site(fresh, 'status')).status, null)
    const another = (await site(heir, 'invite')).token ?? ''
    await site(fresh, 'join', another, '--name', 'fresh')
    assert.equal(await shares(late, fresh), 'peer')

    // Who was let in after the backup is listed when it has been heard, and can be thrown out by its name.
    const isListed = async () =>
      (await site(heir, 'status')).status?.members.some(({ name }) => name === 'late')
    await until('the member that is not in the backup', isListed, HEARD_MS)
    await site(heir, 'revoke', 'late')
    await until('the revocation at the newest', async () => (await epochOf(fresh)) === 3, HEARD_MS)
    assert.equal((await site(fresh, 'status')).status?.denied, 2)
    assert.equal(await shares(fresh, late), 'internet')
    assert.equal(await shares(fresh, heir), 'peer')
  },
)
