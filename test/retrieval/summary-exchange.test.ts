import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { seededRandom } from '../../core/random.ts'
import type { Store, StoredResponse } from '../../core/store.ts'
import { Advertising } from '../../peering/advertising.ts'
import type { NodeId } from '../../peering/packets.ts'
import { resourceKey, type ResourceKey } from '../../peering/summary.ts'
import { summaryExchange } from '../../retrieval/summary-exchange.ts'
import { bytesOf, openDiskStore, put, readAll, temporaryDirectory, turns } from '../cache/store-fixtures.ts'
import { manualClock } from '../manual-clock.ts'
import { FakeUpstream } from './upstreams.ts'

/** More than are looked at in one go. */
const HELD = 450

test('what is used while the summary is made is in it', async (context) => {
  const { store, stored, clock, start, renewals } = await scene(context)
  start()
  await turns()
  const [oldest] = stored
  assert.ok(oldest)
  await readAll(store, oldest)
  assert.equal(at(store, 0)?.id, oldest.id)
  await goOn(clock)
  assert.deepEqual(
    renewals.map((keys) => new Set(keys).size),
    [HELD],
  )
})

test('what is stored while the summary is made is in it, although it was told already', async (context) => {
  const { store, advertising, clock, start, renewals } = await scene(context)
  start()
  await turns()
  await put(store, 'meanwhile', bytesOf(10, 999))
  while (advertising.own.next() !== undefined);
  await goOn(clock)
  assert.ok(renewals[0]?.includes(resourceKey('http://updates.example/meanwhile')))
})

test('names that change while the summary is made are in the one that follows at once', async (context) => {
  const { stored, clock, start, renewals, call, exchange } = await scene(context)
  start()
  await turns()
  call('other')
  exchange.renamed()
  await goOn(clock)
  assert.equal(renewals.length, 1)
  assert.deepEqual(renewals[0]?.toSorted(), stored.map(({ uri }) => resourceKey(`other ${uri}`)).toSorted())
  call('third')
  exchange.renamed()
  await goOn(clock)
  assert.ok(renewals[1]?.includes(resourceKey('third http://updates.example/0')))
})

async function scene(context: TestContext) {
  const { store } = await openDiskStore(context, { directory: temporaryDirectory(context) })
  const stored: StoredResponse[] = []
  for (let held = 0; held < HELD; held++) stored.push(await put(store, String(held), bytesOf(10, held + 1)))
  const clock = manualClock()
  const random = seededRandom(1)
  const sender = { broadcast: () => {} }
  const advertising = new Advertising({ node: 'a' as NodeId }, { clock, random, sender, onStale: () => {} })
  const renewals: (readonly ResourceKey[])[] = []
  let prefix = ''
  const exchange = summaryExchange({
    clock,
    random,
    store,
    peers: new FakeUpstream(() => ({ status: 404, fields: [] })),
    peering: { advertising, summaryRenewed: (keys) => void renewals.push(keys) },
    self: { node: 'a' as NodeId },
    nameOf: (uri) => `${prefix}${uri}`,
    announced: () => [],
  })
  context.after(() => exchange.stop())
  const start = () => {
    advertising.start()
    exchange.start()
  }
  return {
    store,
    stored,
    clock,
    advertising,
    start,
    renewals,
    exchange,
    call: (as: string) => (prefix = `${as} `),
  }
}

function at(store: Store, index: number): StoredResponse | undefined {
  return [...store.list()][index]
}

/** As often as it stops for others to have their turn. */
async function goOn(clock: ReturnType<typeof manualClock>): Promise<void> {
  for (let slice = 0; slice < 10; slice++) {
    clock.advance(0)
    await turns()
  }
}
