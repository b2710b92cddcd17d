import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EpochMs } from '../../core/clock.ts'
import type { Address } from '../../core/transport.ts'
import type { NodeId } from '../../peering/packets.ts'
import { DOUBTED_MS, ONCE_DOUBTED_MS } from '../../providers/doubts.ts'
import { providersDocument } from '../../providers/document.ts'
import { PER_SENDER } from '../../providers/election-limits.ts'
import type { FunctionName, Provider } from '../../providers/functions.ts'
import { MAX_FUNCTIONS, MAX_OF_ONE } from '../../providers/function-table.ts'
import { PASSED_OVER_MS } from '../../providers/providers.ts'
import { CORRECTION } from '../../providers/questions.ts'
import { faultOf, LEASE_MS, signResult, type Result } from '../../providers/result.ts'
import { siteSigning } from '../../providers/site-signing.ts'
import { writeWord } from '../../providers/words.ts'
import { TestSite } from '../site/fixtures.ts'
import { FakeLan, PRINT, STRANGER, TIMING, type FakeNode } from './fake-lan.ts'

/** Members of one site, each offering what its value says; 0: none. */
async function membersOn(lan: FakeLan, ...values: readonly number[]): Promise<FakeNode[]> {
  const site = new TestSite(lan.clock)
  const members = values.map((_, at) => site.member(`m${at}`))
  for (const member of members) for (const other of members) member.learn(other.pass.text)
  const nodes = members.map((membership) => lan.node({ membership }))
  for (const [at, value] of values.entries()) if (value > 0) nodes[at]?.offer(value)
  await lan.passes(3000)
  return nodes
}

async function strangersOn(lan: FakeLan, ...values: readonly number[]): Promise<FakeNode[]> {
  const nodes = values.map(() => lan.node())
  for (const [at, value] of values.entries()) if (value > 0) nodes[at]?.offer(value)
  await lan.passes(3000)
  return nodes
}

const who = (nodes: readonly FakeNode[]) => nodes.map((each) => each.known()?.node.slice(0, 1))

describe('an election among members', () => {
  test('has one winner that all know, with its signed result', async () => {
    const lan = new FakeLan()
    const nodes = await membersOn(lan, 10, 30, 20, 0)
    assert.deepEqual(who(nodes), ['2', '2', '2', '2'])
    assert.deepEqual(
      nodes.map((each) => each.known()?.source),
      ['election', 'self', 'election', 'election'],
    )
    const provider = nodes[3]?.known()
    assert.equal(provider?.member, nodes[1]?.membership?.id)
    assert.equal(provider?.location, 'http://127.0.0.2:8080/')
    assert.equal(provider?.value, 30)
    assert.deepEqual(nodes[1]?.kinds(), ['function-won'])
    assert.deepEqual(nodes[0]?.kinds(), ['function-learnt'])
  })

  test('is held again when the provider takes another ID: it stands by that', async () => {
    const lan = new FakeLan()
    const nodes = await membersOn(lan, 10, 30, 20)
    const [, second] = nodes
    assert.ok(second)
    second.providers.resign()
    await lan.passes(10)
    assert.deepEqual(who(nodes), [undefined, undefined, undefined])
    second.self.node = '9'.repeat(32) as NodeId
    await lan.passes(3000)
    assert.deepEqual(who(nodes), ['9', '9', '9'])
  })

  test('is held again when the provider leaves, and when it is reported', async () => {
    const lan = new FakeLan()
    const [first, second, third] = await membersOn(lan, 10, 30, 20)
    assert.ok(first && second && third)
    lan.leaves(second)
    await lan.passes(1000)
    assert.deepEqual(who([first, third]), ['3', '3'])
    lan.crash(third)
    const known = first.known()
    assert.ok(known)
    first.providers.report(known, 'connection refused')
    const found = first.providers.find(PRINT)
    await lan.passes(1000)
    assert.equal((await found)?.source, 'self')
    assert.ok(first.kinds().includes('function-dead'))
  })

  test('follows the provider that stops in an orderly way within a second', async () => {
    const lan = new FakeLan()
    const [first, second] = await membersOn(lan, 10, 30)
    second?.providers.stop()
    assert.ok(second)
    lan.crash(second)
    await lan.passes(1000)
    assert.deepEqual(who([first as FakeNode]), ['1'])
  })

  test('is held when a provider withdraws its offer', async () => {
    const lan = new FakeLan()
    const site = new TestSite(lan.clock)
    const [one, other] = [site.member('one'), site.member('other')]
    one.learn(other.pass.text)
    other.learn(one.pass.text)
    const [first, second] = [lan.node({ membership: one }), lan.node({ membership: other })]
    first.offer(10)
    const offering = second.offer(30)
    await lan.passes(3000)
    offering.withdraw()
    offering.withdraw()
    await lan.passes(2000)
    assert.deepEqual(who([first, second]), ['1', '1'])
    assert.ok(second.kinds().includes('function-lost'))
  })

  test('can be called by anybody, and makes the term grow', async () => {
    const lan = new FakeLan()
    const nodes = await membersOn(lan, 10, 30, 0)
    const elected = nodes[2]?.providers.elect(PRINT)
    await lan.passes(1000)
    assert.equal((await elected)?.term, 2)
    assert.deepEqual(who(nodes), ['2', '2', '2'])
  })

  test('without candidates ends with nobody', async () => {
    const lan = new FakeLan()
    const [first] = await membersOn(lan, 0, 0)
    const elected = first?.providers.elect(PRINT)
    await lan.passes(1000)
    assert.equal(await elected, undefined)
  })

  test('is called by one node a few times at most', async () => {
    const lan = new FakeLan()
    const [first] = await membersOn(lan, 10, 0)
    for (let times = 0; times < 20; times++) {
      void first?.providers.elect(PRINT)
      await lan.passes(400)
    }
    assert.ok((first?.known()?.term ?? 0) <= 9)
    assert.ok((first?.counted('not called: too often') ?? 0) > 5)
  })
})

describe('a member believes', () => {
  const forged = (nodes: readonly FakeNode[], change: Partial<Result>): Result => {
    const [result] = nodes[1]?.providers.results() ?? []
    assert.ok(result)
    return { ...result.result, ...change }
  }

  test('no stranger, whatever it says', async () => {
    const lan = new FakeLan()
    const nodes = await membersOn(lan, 10, 30)
    const stranger = lan.node()
    stranger.offer(999_999)
    await lan.passes(3000)
    lan.says(stranger, { kind: 'resigned', function: PRINT, term: 1 })
    lan.says(nodes[1] as FakeNode, { kind: 'resigned', function: PRINT, term: 1 }, STRANGER)
    await lan.passes(1000)
    assert.deepEqual(who(nodes), ['2', '2'])
    assert.ok((nodes[0]?.counted('refused: not by a member') ?? 0) > 0)
    assert.ok(nodes[0]?.events.some(({ kind }) => kind === 'function-refused'))
  })

  test('no result that its provider did not sign, from whoever it comes', async () => {
    const lan = new FakeLan()
    const nodes = await membersOn(lan, 10, 30, 0)
    const [victim, , liar] = nodes
    assert.ok(victim && liar?.membership)
    const own = signResult(
      {
        function: PRINT,
        node: liar.id,
        location: liar.location,
        value: 99,
        term: 5,
        since: lan.clock.wall(),
        expires: (lan.clock.wall() + LEASE_MS) as EpochMs,
      },
      siteSigning(() => liar.membership),
    )
    for (const result of [
      forged(nodes, { term: 5 }),
      forged(nodes, { term: 5, value: 99 }),
      forged(nodes, { term: 5, location: liar.location }),
      forged(nodes, { term: 5, node: liar.id, location: liar.location, member: liar.membership.id }),
      forged(nodes, { term: 5, member: undefined }),
      forged(nodes, { term: 5, member: 'f'.repeat(32) }),
      forged(nodes, { term: 5, signature: '' }),
      { ...own, value: 98 },
      { ...own, function: 'scan' as FunctionName },
      { ...own, since: 0 as EpochMs },
    ]) {
      lan.says(liar, { kind: 'result', result })
      lan.says(liar, { kind: 'response', nonce: CORRECTION, result, ageMs: 0, pass: undefined })
    }
    assert.equal(victim.known()?.term, 1)
    // The same in its own name, from its own place, is a result.
    lan.says(liar, { kind: 'result', result: own })
    assert.equal(victim.known()?.term, 5)
  })

  test('no result of another place than its provider’s, nor one for where mail is taken', async () => {
    const lan = new FakeLan()
    const [victim, liar] = await membersOn(lan, 0, 0)
    assert.ok(victim && liar)
    const base = { function: PRINT, node: liar.id, value: 9, term: 5, since: lan.clock.wall() }
    const expires = (lan.clock.wall() + LEASE_MS) as EpochMs
    for (const location of [
      'http://127.0.0.1:8080/',
      'http://127.0.0.2:25/',
      'http://127.0.0.2:0/',
      'http://192.0.2.1:8080/',
      'http://name:8080/',
      'http://user@127.0.0.2:8080/',
      'https://127.0.0.2:8080/',
      `http://127.0.0.2:8080/${'x'.repeat(200)}`,
    ]) {
      const result = signResult(
        { ...base, expires, location },
        siteSigning(() => liar.membership),
      )
      lan.says(liar, { kind: 'result', result })
    }
    assert.equal(victim.known(), undefined)
  })

  test('no member that was revoked, from that moment on', async () => {
    const lan = new FakeLan()
    const site = new TestSite(lan.clock)
    const bad = site.member('bad')
    const good = site.member('good')
    good.learn(bad.pass.text)
    const [victim, provider] = [lan.node({ membership: good }), lan.node({ membership: bad })]
    provider.offer(10)
    await lan.passes(3000)
    assert.deepEqual(who([victim]), ['2'])
    victim.membership = site.member('good', { denied: [bad.id] })
    assert.deepEqual(who([victim]), [undefined])
    assert.equal(JSON.parse(providersDocument(victim.providers.results())).functions.length, 0)
  })

  test('nothing that strangers said before it joined', async () => {
    const lan = new FakeLan()
    const [first, second] = await strangersOn(lan, 0, 10)
    assert.ok(first && second)
    assert.deepEqual(who([first]), ['2'])
    first.membership = new TestSite(lan.clock).member('first')
    assert.deepEqual(who([first]), [undefined])
  })
})

describe('discovery (FIG. 9)', () => {
  test('a third party answers for a provider that is not heard, with its signed result', async () => {
    const lan = new FakeLan()
    const [first, second] = await membersOn(lan, 30, 0)
    assert.ok(first && second?.membership && first.membership)
    const newcomer = lan.node({ membership: first.membership })
    newcomer.membership = second.membership
    lan.mute(first)
    const found = newcomer.providers.find(PRINT)
    await lan.passes(500)
    const provider = await found
    assert.equal(provider?.source, 'third party')
    assert.equal(provider?.member, first.membership.id)
    assert.deepEqual(newcomer.contacted, [first.location])
    assert.ok(lan.sent.some(({ name, from }) => name === 'function-found' && from === newcomer))
  })

  test('“I found” spares the others their answers', async () => {
    const lan = new FakeLan()
    const nodes = await membersOn(lan, 30, 0, 0, 0, 0, 0)
    const newcomer = lan.node(nodes[1]?.membership === undefined ? {} : { membership: nodes[1].membership })
    const found = newcomer.providers.find(PRINT)
    await lan.passes(500)
    assert.equal((await found)?.node, nodes[0]?.id)
    const answers = lan.sent.filter(({ name }) => name === 'function-response')
    assert.deepEqual(
      answers.map(({ from }) => from.id.slice(0, 1)),
      ['1'],
    )
  })

  test('a dead provider that a third party names is found out, told to all, and replaced', async () => {
    const lan = new FakeLan()
    const [first, second, third] = await membersOn(lan, 30, 20, 0)
    assert.ok(first && second && third?.membership)
    lan.crash(first)
    const newcomer = lan.node({ membership: third.membership })
    const found = newcomer.providers.find(PRINT)
    await lan.passes(3000)
    assert.equal((await found)?.node, second.id)
    assert.deepEqual(newcomer.contacted, [first.location])
    assert.deepEqual(who([second, third, newcomer]), ['2', '2', '2'])
  })

  test('nobody is nobody, and is not looked for again for some seconds', async () => {
    const lan = new FakeLan()
    const [first] = await membersOn(lan, 0, 0)
    const found = first?.providers.find(PRINT)
    await lan.passes(3000)
    assert.equal(await found, undefined)
    const before = lan.sent.length
    assert.equal(await first?.providers.find(PRINT), undefined)
    assert.equal(lan.sent.length, before)
  })

  test('whoever gives up looking gets nobody at once', async () => {
    const lan = new FakeLan()
    const [first] = await membersOn(lan, 0)
    const end = new AbortController()
    const found = first?.providers.find(PRINT, { signal: end.signal })
    end.abort()
    assert.equal(await found, undefined)
  })

  test('`fresh` contacts a provider that is known', async () => {
    const lan = new FakeLan()
    const [first, second] = await membersOn(lan, 30, 0)
    await second?.providers.find(PRINT)
    assert.deepEqual(second?.contacted, [])
    const provider = await second?.providers.find(PRINT, { fresh: true })
    assert.deepEqual(second?.contacted, [first?.location])
    assert.equal(provider?.node, first?.id)
  })

  test('an answer that nobody asked for is refused', async () => {
    const lan = new FakeLan()
    const [first, second] = await membersOn(lan, 30, 0)
    const [known] = first?.providers.results() ?? []
    assert.ok(first && second && known)
    const nonce = 'a'.repeat(16)
    lan.says(first, { kind: 'response', nonce, result: known.result, ageMs: 0, pass: undefined })
    assert.equal(second.counted('refused: no answer to a question'), 1)
  })
})

describe('a provider whose node lives while it does not perform', () => {
  const reportedBy = async (lan: FakeLan, node: FakeNode) => {
    const known = node.known()
    assert.ok(known)
    node.providers.report(known, 'status 500')
    await lan.passes(1500)
  }

  test('is found out by whoever contacts it, and the next one is found in its place; all know it', async () => {
    const lan = new FakeLan()
    const [first, second, third, fourth] = await membersOn(lan, 20, 30, 0, 10)
    assert.ok(first && second && third && fourth)
    lan.failService(second)
    const found = third.providers.find(PRINT, { fresh: true })
    await lan.passes(3000)
    assert.equal((await found)?.node, first.id)
    assert.deepEqual(who([first, second, third, fourth]), ['1', '1', '1', '1'])
    assert.ok(second.kinds().includes('function-doubted'))
    assert.ok(third.kinds().includes('function-dead'))
  })

  test('is not elected again while its own place does not answer, however long; then it is', async () => {
    const lan = new FakeLan()
    const [first, second, third] = await membersOn(lan, 20, 30, 0)
    assert.ok(first && second && third)
    lan.failService(second)
    await reportedBy(lan, third)
    for (let times = 0; times < 3; times++) {
      await lan.passes(2 * DOUBTED_MS)
      assert.deepEqual(who([first, second, third]), ['1', '1', '1'])
    }
    lan.failService(second, false)
    await lan.passes(DOUBTED_MS + TIMING.doubtMs + 20_000)
    assert.deepEqual(who([first, second, third]), ['2', '2', '2'])
  })

  test('stands behind all others where its place does answer, and after a while as before', async () => {
    const lan = new FakeLan()
    const [first, second, third] = await membersOn(lan, 2, 300, 0)
    assert.ok(first && second && third)
    await reportedBy(lan, third)
    assert.deepEqual(who([first, second, third]), ['1', '1', '1'])
    assert.equal(second.providers.overview()[0]?.ownValue, 1)
    void third.providers.elect(PRINT)
    await lan.passes(3000)
    assert.deepEqual(who([first, second, third]), ['1', '1', '1'])
    await lan.passes(ONCE_DOUBTED_MS)
    assert.equal(second.providers.overview()[0]?.ownValue, 300)
    // Two reports are no mistake.
    void third.providers.elect(PRINT)
    await lan.passes(3000)
    assert.deepEqual(who([first, second, third]), ['2', '2', '2'])
    await reportedBy(lan, third)
    await lan.passes(2 * ONCE_DOUBTED_MS)
    assert.equal(second.providers.overview()[0]?.ownValue, 1)
    await lan.passes(DOUBTED_MS)
    assert.equal(second.providers.overview()[0]?.ownValue, 300)
  })

  test('is not reported by a node that is cut off itself, nor later when that is heard again', async () => {
    const lan = new FakeLan()
    const [first, second, third] = await membersOn(lan, 20, 30, 0)
    assert.ok(first && second && third)
    lan.unplug(third)
    await reportedBy(lan, third)
    assert.equal(third.counted('not reported: this node is cut off'), 1)
    lan.unplug(third, false)
    await lan.passes(3000)
    assert.deepEqual(who([first, second, third]), ['2', '2', '2'])
    assert.ok(!second.kinds().includes('function-doubted'))
    await reportedBy(lan, third)
    assert.ok(second.kinds().includes('function-doubted'))
  })

  test('is taken again where nobody else stands and it answers, and is nobody where it does not', async () => {
    for (const isDead of [false, true]) {
      const lan = new FakeLan()
      const [first, second] = await membersOn(lan, 30, 0)
      assert.ok(first && second)
      lan.failService(first, isDead)
      await reportedBy(lan, second)
      assert.deepEqual(who([first, second]), isDead ? [undefined, undefined] : ['1', '1'])
    }
  })

  test('hears it even if the first words of the report are lost', async () => {
    const lan = new FakeLan()
    const [first, second, third] = await membersOn(lan, 20, 30, 0)
    assert.ok(first && second && third)
    lan.deafen(second, true)
    const known = third.known()
    assert.ok(known)
    third.providers.report(known, 'status 500')
    await lan.passes(160)
    lan.deafen(second, false)
    await lan.passes(1500)
    assert.deepEqual(who([first, second, third]), ['1', '1', '1'])
    assert.ok(second.kinds().includes('function-doubted'))
  })

  test('may be this node itself', async () => {
    const lan = new FakeLan()
    const [first, second] = await membersOn(lan, 20, 30)
    assert.ok(first && second)
    await reportedBy(lan, second)
    assert.deepEqual(who([first, second]), ['1', '1'])
  })

  test('is not doubted for a stranger’s word, nor for an election that exceeds the limits', async () => {
    const lan = new FakeLan()
    const [first, second, third] = await membersOn(lan, 20, 30, 0)
    assert.ok(first && second && third)
    const without = second.id
    const report = (term: number) =>
      ({ kind: 'election', function: PRINT, term, delayMs: 50, value: undefined, without }) as const
    lan.says(third, report(2), STRANGER)
    await lan.passes(1000)
    assert.deepEqual(who([first, second, third]), ['2', '2', '2'])
    for (let term = 2; term < 20; term++) lan.says(third, report(term))
    const doubted = second.kinds().filter((kind) => kind === 'function-doubted').length
    assert.ok(doubted <= PER_SENDER.burst, `${doubted} times`)
  })
})

describe('a member that is thrown out while it provides', () => {
  test('says of itself no longer that it does, answers nobody, and another one is elected', async () => {
    const lan = new FakeLan()
    const site = new TestSite(lan.clock)
    const members = ['one', 'two', 'three'].map((name) => site.member(name))
    for (const member of members) for (const other of members) member.learn(other.pass.text)
    const nodes = members.map((membership) => lan.node({ membership }))
    const [first, second, third] = nodes
    assert.ok(first && second?.membership && third)
    first.offer(10)
    second.offer(30)
    await lan.passes(3000)
    assert.deepEqual(who(nodes), ['2', '2', '2'])
    const thrownOut = second.membership.id
    for (const node of nodes) node.membership = node.membership && site.denying(node.membership, thrownOut)
    assert.deepEqual(who(nodes), [undefined, undefined, undefined])
    assert.deepEqual(second.providers.results(), [])
    assert.equal(second.providers.overview()[0]?.ownValue, undefined)
    const found = third.providers.find(PRINT)
    await lan.passes(6000)
    assert.equal((await found)?.node, first.id)
    assert.deepEqual(who(nodes).slice(0, 1), ['1'])
    assert.ok(second.kinds().includes('function-lost'))
  })
})

describe('a designated provider', () => {
  const configured: Provider = {
    function: PRINT,
    node: '0'.repeat(32) as Provider['node'],
    member: undefined,
    location: 'http://127.0.0.9:8080/',
    value: 0,
    term: 0,
    since: 0 as EpochMs,
    expires: Infinity as EpochMs,
    source: 'configured',
  }

  test('comes before the elected one, while it is not reported', async () => {
    const lan = new FakeLan()
    const node = lan.node({ configured: [configured] })
    node.offer(10)
    await lan.passes(3000)
    assert.equal((await node.providers.find(PRINT))?.source, 'configured')
    node.providers.report(configured, 'connection refused')
    assert.equal((await node.providers.find(PRINT))?.source, 'self')
    await lan.passes(PASSED_OVER_MS)
    assert.equal((await node.providers.find(PRINT))?.source, 'configured')
  })
})

describe('what is known', () => {
  test('is kept over a restart: the provider, to be contacted first, and the term', async () => {
    const lan = new FakeLan()
    const [first, second] = await membersOn(lan, 30, 0)
    assert.ok(first && second?.membership)
    const again = lan.node({ membership: second.membership, book: second.book })
    assert.deepEqual(who([again]), ['1'])
    assert.equal((await again.providers.find(PRINT))?.node, first.id)
    assert.deepEqual(again.contacted, [first.location])
    const elected = again.providers.elect(PRINT)
    await lan.passes(1000)
    assert.equal((await elected)?.term, 2)
  })

  test('is kept anew while the provider goes on signing', async () => {
    const lan = new FakeLan()
    const [first, second] = await membersOn(lan, 30, 0)
    assert.ok(first && second?.membership)
    await lan.passes(2 * LEASE_MS)
    lan.crash(first)
    const again = lan.node({ membership: second.membership, book: second.book })
    assert.deepEqual(who([again]), ['1'])
  })

  test('is not believed any more when it has run out', async () => {
    const lan = new FakeLan()
    const [first, second] = await membersOn(lan, 30, 0)
    assert.ok(first && second?.membership)
    lan.crash(first)
    await lan.passes(LEASE_MS + 130_000)
    const again = lan.node({ membership: second.membership, book: second.book })
    assert.equal(again.known(), undefined)
  })

  test('is offered as it was signed, with passes, so that a third party can verify it', async () => {
    const lan = new FakeLan()
    const [first, second] = await membersOn(lan, 30, 0)
    assert.ok(first?.membership && second)
    const { functions } = JSON.parse(providersDocument(second.providers.results()))
    const [{ pass, ...result }] = functions
    assert.equal(pass, first.membership.pass.text)
    const signing = siteSigning(() => second.membership)
    assert.equal(faultOf(result, signing, lan.clock.wall()), undefined)
    assert.equal(faultOf({ ...result, value: 31 }, signing, lan.clock.wall()), 'a wrong signature')
  })

  test('is bounded, because strangers can invent names; what this node needs stays', async () => {
    const lan = new FakeLan()
    const [victim, flooder] = await strangersOn(lan, 10, 0)
    assert.ok(victim && flooder)
    const since = lan.clock.wall()
    const expires = (since + LEASE_MS) as EpochMs
    // An address may have some of them only.
    const fill = (from: Pick<FakeNode, 'id' | 'address'>) => {
      for (let count = 0; count < 2 * MAX_OF_ONE; count++) {
        const name = `f${from.address}.${count}` as FunctionName
        const told = { function: name, node: from.id, member: undefined, signature: '' }
        const location = `http://${from.address}:8080/`
        const result = { ...told, location, value: 1, term: 1, since, expires }
        lan.deliver(from, STRANGER, ...writeWord({ kind: 'result', result }))
      }
    }
    fill(flooder)
    assert.equal(victim.providers.known().length, 1 + MAX_OF_ONE)
    for (let at = 10; at < 20; at++) fill({ id: flooder.id, address: `127.0.0.${at}` as Address })
    assert.equal(victim.providers.known().length, MAX_FUNCTIONS)
    assert.equal(victim.known()?.source, 'self')
    assert.equal(victim.providers.offer('mine' as FunctionName, OFFER).withdraw(), undefined)
    assert.ok(victim.providers.overview().some(({ name }) => name === 'mine'))
  })

  test('has places for the product’s own that nothing else takes', async () => {
    const lan = new FakeLan()
    const node = lan.node({ reserved: [PRINT] })
    for (let count = 0; count < MAX_OF_ONE; count++)
      node.providers.offer(`own${count}` as FunctionName, OFFER)
    const tooMany = () => node.providers.offer('one-more' as FunctionName, OFFER)
    assert.throws(tooMany, { code: 'OVERLOADED' })
    for (let count = 0; count < 2 * MAX_FUNCTIONS; count++)
      void node.providers.find(`asked${count}` as FunctionName)
    assert.equal(node.providers.overview().length, MAX_FUNCTIONS)
    node.offer(10)
    await lan.passes(3000)
    assert.equal(node.known()?.source, 'self')
  })

  test('lists nobody who was merely asked for, and takes their places for others', async () => {
    const lan = new FakeLan()
    const node = lan.node()
    for (let count = 0; count < MAX_FUNCTIONS; count++)
      void node.providers.find(`asked${count}` as FunctionName)
    await lan.passes(5000)
    assert.deepEqual(node.providers.overview(), [])
    lan.node().offer(10)
    await lan.passes(3000)
    assert.equal(node.known()?.location, 'http://127.0.0.2:8080/')
  })
})

const OFFER = { location: () => 'http://127.0.0.1:8080/', value: () => 1 }

describe('without a site', () => {
  test('a result is a hint: from the provider’s own address, and no member’s', async () => {
    const lan = new FakeLan()
    const [first, second, third] = await strangersOn(lan, 0, 10, 0)
    assert.ok(first && second && third)
    assert.equal(first.known()?.member, undefined)
    assert.deepEqual(who([first, third]), ['2', '2'])
    const [known] = second.providers.results()
    assert.ok(known)
    lan.says(third, { kind: 'result', result: { ...known.result, node: third.id, term: 9 } })
    assert.equal(first.known()?.term, 1)
  })

  test('a stranger that resigns for others again and again brings about a few elections only', async () => {
    const lan = new FakeLan()
    const [first, second] = await strangersOn(lan, 0, 10)
    assert.ok(first && second)
    for (let times = 0; times < 40; times++) {
      const term = first.known()?.term ?? 0
      lan.says(second, { kind: 'resigned', function: PRINT, term })
      await lan.passes(500)
    }
    assert.ok((second.known()?.term ?? 0) <= 10, `${second.known()?.term}`)
    assert.ok(first.counted('refused: too many elections') > 10)
  })

  test('terms cannot be used up', async () => {
    const lan = new FakeLan()
    const [first, second] = await strangersOn(lan, 10, 0)
    assert.ok(first && second)
    const term = Number.MAX_SAFE_INTEGER
    lan.says(second, { kind: 'election', function: PRINT, term, delayMs: TIMING.delayMs, value: 5 })
    await lan.passes(1000)
    assert.equal(first.known()?.term, 1)
    assert.equal(first.counted('refused: a term that cannot be'), 1)
  })
})
