import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import type { Address } from '../../core/transport.ts'
import type { NodeId } from '../../peering/packets.ts'
import { MAX_RESOURCES, MAX_RIVALS, Rivals, type Rival } from '../../peering/rivals.ts'

const at = (ms: number) => ms as Monotonic
const node = (number: number): Rival => ({
  peer: `10.0.0.${number}` as Address,
  node: number.toString(16).padStart(32, '0') as NodeId,
})

/** What each of `count` nodes knows when all have heard each other ask for `resource` at time 0. */
function everybody(count: number, resource: string) {
  const nodes = Array.from({ length: count }, (_, each) => node(each + 1))
  return nodes.map((self) => {
    const rivals = new Rivals(self)
    for (const other of nodes) if (other !== self) rivals.heard(resource, other, at(0))
    return { self, rivals }
  })
}

test('all that heard the same questions name the same fetcher, and exactly one fetches', () => {
  const all = everybody(20, 'http://example.org/a')
  const first = all.map(
    ({ self, rivals }) => rivals.ahead('http://example.org/a', at(0))[0]?.peer ?? self.peer,
  )
  assert.equal(new Set(first).size, 1)
  assert.equal(all.filter(({ rivals }) => rivals.ahead('http://example.org/a', at(0)).length === 0).length, 1)
})

test('whoever is ahead of one has that one behind it', () => {
  const all = everybody(6, 'r')
  for (const { self, rivals } of all)
    for (const { peer } of rivals.ahead('r', at(0))) {
      const other = all.find((each) => each.self.peer === peer)
      assert.ok(other?.rivals.behind('r', at(0)).includes(self.peer))
    }
})

test('different resources have different fetchers', () => {
  const fetchers = new Set<string>()
  for (let each = 0; each < 40; each++) {
    const resource = `http://example.org/${each}`
    const fetcher = everybody(8, resource).find(({ rivals }) => rivals.ahead(resource, at(0)).length === 0)
    fetchers.add(fetcher?.self.peer ?? '')
  }
  assert.ok(fetchers.size >= 6, `${fetchers.size} of 8 nodes fetch`)
})

test('a question long ago is no rival', () => {
  const rivals = new Rivals(node(1))
  for (let each = 2; each < 20; each++) rivals.heard('r', node(each), at(0))
  assert.notEqual(rivals.ahead('r', at(60)).length, 0)
  assert.equal(rivals.ahead('r', at(61)).length, 0)
})

test(`of more than ${MAX_RIVALS} askers those that come first are remembered: all name the same fetcher, whatever the order`, () => {
  const nodes = Array.from({ length: 250 }, (_, each) => node(each + 1))
  const fetchers = nodes.map((self, turn) => {
    const rivals = new Rivals(self)
    const inOtherOrder = [...nodes.slice(turn), ...nodes.slice(0, turn)]
    for (const other of inOtherOrder) if (other !== self) rivals.heard('r', other, at(0))
    return rivals.ahead('r', at(0))[0]?.peer ?? self.peer
  })
  assert.equal(new Set(fetchers).size, 1)
})

test('askers of long ago make room for those of now', () => {
  const rivals = new Rivals(node(1000))
  for (let each = 1; each <= 200; each++) rivals.heard('r', node(each), at(0))
  for (let each = 201; each <= 210; each++) rivals.heard('r', node(each), at(200))
  assert.equal(rivals.ahead('r', at(200)).length + rivals.behind('r', at(200)).length, 10)
})

test('resources and askers are forgotten beyond their bounds', () => {
  const rivals = new Rivals(node(0))
  for (let each = 1; each <= MAX_RIVALS + 10; each++) rivals.heard('r', node(each), at(0))
  const known = rivals.ahead('r', at(0)).length + rivals.behind('r', at(0)).length
  assert.equal(known, MAX_RIVALS)
  for (let each = 0; each < MAX_RESOURCES; each++) rivals.heard(`r${each}`, node(1), at(0))
  assert.equal(rivals.ahead('r', at(0)).length + rivals.behind('r', at(0)).length, 0)
})

/** How often each of four nodes fetches one of many resources; the abilities are theirs. */
function shares(abilities: readonly number[], resources = 2000): number[] {
  const nodes = abilities.map((ability, each) => ({ ...node(each + 1), ability }))
  const counts = nodes.map(() => 0)
  for (let number = 0; number < resources; number++) {
    const resource = `http://example.org/${number}`
    const first = nodes.filter((self) => {
      const rivals = new Rivals(self)
      rivals.asks(resource, self.ability)
      for (const other of nodes) if (other !== self) rivals.heard(resource, other, at(0))
      return rivals.ahead(resource, at(0)).length === 0
    })
    assert.equal(first.length, 1, 'all name the same fetcher')
    for (const [each, self] of nodes.entries()) if (self === first[0]) counts[each] = (counts[each] ?? 0) + 1
  }
  return counts.map((count) => count / resources)
}

test('who can do a quarter as much fetches a quarter as often, and who does not reach the Internet never', () => {
  const [full = 0, other = 0, quarter = 0, none = 0] = shares([100, 100, 25, 0])
  for (const each of [full, other]) assert.ok(Math.abs(each - 100 / 225) < 0.04, String(each))
  assert.ok(Math.abs(quarter - 25 / 225) < 0.03, String(quarter))
  assert.equal(none, 0)
})

test('where nobody reaches the Internet there is one all the same who tries', () => {
  const each = shares([0, 0, 0], 300)
  assert.ok(
    each.every((share) => share > 0.2),
    String(each),
  )
})

test('who says of itself that it fetches is held against this node by what it says of its ability', () => {
  const resources = Array.from({ length: 50 }, (_, each) => `http://example.org/${each}`)
  const rivals = new Rivals(node(1))
  const aheadAs = (ability?: number) =>
    resources.filter((resource) => rivals.standing({ resource, ...node(2), ability }).isAhead).length
  assert.ok(aheadAs(1) < aheadAs(25) && aheadAs(25) < aheadAs(100))
  assert.equal(aheadAs(), aheadAs(100))
  for (const resource of resources) rivals.asks(resource, 1)
  assert.ok(aheadAs(100) >= 45)
})

test('what a node has said of itself holds for that resource, and is not said where it is what everybody expects', () => {
  const rivals = new Rivals(node(1))
  rivals.asks('a', 100)
  rivals.asks('b', 25)
  assert.deepEqual([rivals.saidOf('a'), rivals.saidOf('b'), rivals.saidOf('c')], [undefined, 25, undefined])
})
