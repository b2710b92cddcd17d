/** What two members must vouch for (V§1, V4, `site.quorum`), between machines that are processes of their own. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { missing, Scene } from './harness.ts'
import { sha256, uniqueBody } from './origin.ts'
import { curl, sourceOf } from './programs.ts'
import { lan, site, type Lan, type Machine } from './site-machines.ts'

const skip = missing('curl')
const scene = new Scene()
let there: Lan

before(async () => (there = await lan(scene)))
after(() => scene.close())

test(
  'two words prove a file, and one member that vouches for wrong bytes harms nobody who asks for two',
  {
    skip,
  },
  async () => {
    const [first, second, third, liar] = (await Promise.all(
      [2, 3, 4, 5].map((number) => there.machine(number, { quorum: 2 })),
    )) as [Machine, Machine, Machine, Machine]
    const credulous = await there.machine(6)
    const token = (await site(first, 'init', 'home', '--uses', '4')).token ?? ''
    for (const each of [second, third, liar, credulous]) await site(each, 'join', token)
    const told = async (at: Machine, url: string) => {
      const reply = await curl(at.proxy, url)
      return [sourceOf(reply), sha256(reply.body)]
    }

    const body = uniqueBody(600_000)
    const url = there.origin.put('/files/tool-1.2.3.bin', { body })
    assert.deepEqual(await told(first, url), ['internet', sha256(body)])
    assert.deepEqual(await told(second, url), ['internet', sha256(body)], 'one word is not enough')
    assert.deepEqual(await told(third, url), ['peer', sha256(body)])
    assert.equal(there.origin.count(url, 'GET'), 2)

    // This one was broken into: what it has fetched, and signs, is not what the origin server has.
    const [wrong, right] = [uniqueBody(600_000), uniqueBody(600_000)]
    const other = there.origin.put('/files/tool-1.2.4.bin', { body: wrong })
    assert.deepEqual(await told(liar, other), ['internet', sha256(wrong)])
    there.origin.put('/files/tool-1.2.4.bin', { body: right })
    assert.deepEqual(await told(credulous, other), ['peer', sha256(wrong)], 'with a quorum of one')
    // Two machines offer the wrong bytes, on the word of one.
    assert.deepEqual(await told(first, other), ['internet', sha256(right)])
    assert.deepEqual(await told(second, other), ['internet', sha256(right)])
    // Whoever answers first: what two vouch for is right.
    assert.equal((await told(third, other))[1], sha256(right))
  },
)
