import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'node:test'
import type { Fields } from '../../core/fields.ts'
import { seededRandom } from '../../core/random.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Address } from '../../core/transport.ts'
import type { UpstreamRequest } from '../../core/upstream.ts'
import { permission } from '../../gateway/allowed.ts'
import { CHECKS_AT_ONCE } from '../../gateway/machines/checks.ts'
import { HEED_AGAIN_MS, NEWS, UpdateChecks, type CheckEvent } from '../../gateway/update-checks.ts'
import { CHECKER_FUNCTION, CHECKER_PATH } from '../../gateway/wire.ts'
import type { NodeId } from '../../peering/packets.ts'
import type { SiteWord } from '../../peering/peering.ts'
import type { Signer } from '../../peering/packet-seal.ts'
import type { Provider } from '../../providers/functions.ts'
import { PRESET_NAMES } from '../../retrieval/presets.ts'
import { compileRules } from '../../retrieval/rules.ts'
import { httpSignatures } from '../../site/http-signature.ts'
import { manualClock } from '../manual-clock.ts'
import { TestSite } from '../site/fixtures.ts'
import { resourceOf } from './gateway-scene.ts'

const CATALOGUE = 'http://updates.test/myupdate.cab' as TargetUri
const PACKAGE = 'http://updates.test/vsasap.200101131511.cab' as TargetUri
const PAGE = 'http://updates.test/page.html'
const EVERY_MS = 900_000
const BYTES_PER_HOUR = 10_000

const PROVIDER: Provider = {
  function: CHECKER_FUNCTION,
  node: 'f'.repeat(32) as NodeId,
  member: 'm'.repeat(32),
  location: `http://10.0.0.9:6515${CHECKER_PATH}`,
  value: 1,
  term: 1,
  since: 0 as Provider['since'],
  expires: Infinity as Provider['expires'],
  source: 'election',
}

function scene() {
  const clock = manualClock()
  const site = new TestSite(clock)
  const membership = site.member('this')
  const rules = compileRules([], PRESET_NAMES)
  const content = new Map<string, string>([
    [CATALOGUE, 'one'],
    [PACKAGE, 'package'],
  ])
  const seen = {
    fetched: [] as string[],
    said: [] as (readonly [string, string])[],
    news: [] as string[],
    refused: [] as string[],
    events: [] as CheckEvent[],
    wishes: [] as UpstreamRequest[],
    confined: new Set<string>(),
    found: undefined as Provider | undefined,
  }
  const signatures = httpSignatures({ clock, random: seededRandom(1), membership: () => membership })
  const checks = new UpdateChecks({
    clock,
    random: { ...seededRandom(1), fraction: () => 0 },
    everyMs: EVERY_MS,
    maxBytesPerHour: BYTES_PER_HOUR,
    find: async () => seen.found,
    signatures,
    peers: {
      request(request) {
        seen.wishes.push(request)
        return Promise.reject(new Error('nobody answers in this test'))
      },
    },
    permission: (target, fields) => permission(target, fields, (uri) => rules.policyFor(uri)),
    guard: async () => undefined,
    confine(uri) {
      seen.confined.add(uri)
      return () => seen.confined.delete(uri)
    },
    async get({ uri, mayAskPeers, client }) {
      assert.equal(client, undefined, 'it judges nothing, and asks again when it likes: that is no complaint')
      assert.ok(seen.confined.has(uri), 'addresses of the Internet only')
      seen.fetched.push(`${uri} ${mayAskPeers === false ? 'from the Internet' : 'from anywhere'}`)
      const text = content.get(uri)
      if (text === undefined) throw new Error('not there')
      return resourceOf(Buffer.from(text))
    },
    via: () => ['Via', '1.1 this'],
    namedBy: async (_, bytes) => (bytes.toString() === 'one' ? [] : [PACKAGE, PAGE]),
    nameOf: (uri) => `site:1.${uri.length}`,
    say: (name, extras) => seen.said.push([name, JSON.stringify(extras)]),
    onNews: (uri) => seen.news.push(uri),
    refused: (_, reason) => void seen.refused.push(reason),
    log: (event) => seen.events.push(event),
  })
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await setImmediate()
  }
  const elect = async () => {
    checks.onFunction({ kind: 'function-won', provider: PROVIDER })
    await settle()
  }
  const pass = async (ms: number) => {
    clock.advance(ms)
    await settle()
  }
  return { clock, site, checks, content, seen, settle, elect, pass, signatures }
}

function word(extras: readonly (readonly [string, string])[], signer: Signer): SiteWord {
  const packet = { type: 'application', name: NEWS, id: '1', node: undefined, nonce: undefined, extras }
  return { packet: packet as unknown as SiteWord['packet'], from: '10.0.0.9' as Address, signer, bytes: 500 }
}

const MEMBER: Signer = { kind: 'member', member: 'm'.repeat(32) }
const name = (uri: string) => ['name', `site:1.${uri.length}`] as const

describe('the machine that checks for all', () => {
  test('fetches ahead what a new catalogue names and the rules allow, and then tells the others', async () => {
    const { checks, content, seen, elect, pass } = scene()
    checks.use(CATALOGUE)
    await elect()
    assert.deepEqual(seen.fetched, [`${CATALOGUE} from the Internet`])
    assert.deepEqual(seen.said, [], 'the first look is no news')
    content.set(CATALOGUE, 'two')
    await pass(EVERY_MS)
    assert.deepEqual(seen.fetched.slice(1), [`${CATALOGUE} from the Internet`, `${PACKAGE} from anywhere`])
    assert.deepEqual(seen.said, [[NEWS, JSON.stringify([name(CATALOGUE)])]])
    assert.deepEqual(seen.news, [CATALOGUE], 'its own programs are told too')
    const { aheadBytes, news, isChecking } = checks.status()
    assert.deepEqual([aheadBytes, news, isChecking], [7, 1, true])
  })

  test('checks for members who wish it, and for nobody else', async () => {
    const { checks, site, seen, elect, settle, clock } = scene()
    await elect()
    const member = site.member('asker')
    const asker = httpSignatures({ clock, random: seededRandom(2), membership: () => member })
    const ask = async (target: string, sign: boolean) => {
      const head = { method: 'GET', authority: '10.0.0.9:6515', path: CHECKER_PATH }
      const plain: Fields = [['Ihave-Target', target]]
      const fields = sign ? (asker.signRequest({ ...head, fields: plain }) ?? []) : plain
      const request = { peer: '10.0.0.5' as Address, method: 'GET', target: CHECKER_PATH, fields }
      const answer = await checks.answer({ ...request, signal: new AbortController().signal }, head.authority)
      await settle()
      return answer.status
    }
    assert.deepEqual([await ask(CATALOGUE, false), await ask(PAGE, true)], [401, 403])
    assert.deepEqual(seen.refused, ['unsigned'])
    assert.deepEqual(seen.fetched, [])
    assert.equal(await ask(CATALOGUE, true), 204)
    assert.deepEqual(seen.fetched, [`${CATALOGUE} from the Internet`])
  })

  test('reads so much in an hour and no more, whatever is wished', async () => {
    const { checks, content, seen, elect, pass } = scene()
    const large = 'x'.repeat(BYTES_PER_HOUR / 10)
    for (let each = 0; each < 30; each++) {
      const url = `http://updates.test/${each}/myupdate.cab`
      content.set(url, large)
      checks.use(url)
    }
    const checked = () => seen.fetched.filter((each) => each.endsWith('from the Internet')).length
    await elect()
    for (let turn = 0; turn < 20; turn++) await pass(0)
    assert.ok(checked() >= 10 && checked() < 10 + CHECKS_AT_ONCE, `${checked()}`)
    await pass(3_600_000)
    for (let turn = 0; turn < 20; turn++) await pass(1_000_000)
    assert.ok(checked() >= 20, 'an hour later there is room')
  })

  test('stops when another one is elected', async () => {
    const { checks, seen, elect, pass } = scene()
    checks.use(CATALOGUE)
    await elect()
    checks.onFunction({ kind: 'function-lost', function: CHECKER_FUNCTION, reason: 'another one' })
    await pass(2 * EVERY_MS)
    assert.equal(seen.fetched.length, 1)
  })
})

describe('a machine for which another one checks', () => {
  test('tells it what it uses, as far as the rules call that an update', async () => {
    const { checks, seen, pass } = scene()
    checks.use(CATALOGUE)
    checks.use(PAGE)
    checks.onFunction({ kind: 'function-learnt', provider: PROVIDER })
    await pass(0)
    assert.deepEqual(
      seen.wishes.map(({ uri, fields }) => [uri, fields.find(([each]) => each === 'Ihave-Target')?.[1]]),
      [[PROVIDER.location, CATALOGUE]],
    )
  })

  test('looks for one when it uses something, and tells no stranger', async () => {
    const { checks, seen, pass } = scene()
    checks.start()
    seen.found = { ...PROVIDER, member: undefined }
    checks.use(CATALOGUE)
    await pass(0)
    await pass(0)
    assert.deepEqual(seen.wishes, [])
    seen.found = PROVIDER
    checks.onFunction({ kind: 'function-dead', provider: PROVIDER, reason: 'gone' })
    await pass(0)
    await pass(0)
    assert.equal(seen.wishes.length, 1)
  })

  test('looks for itself when it hears of news, from members only and not at every word', async () => {
    const { checks, seen, pass } = scene()
    checks.use(CATALOGUE)
    checks.hear(word([name(CATALOGUE)], { kind: 'stranger', reason: 'unsigned' }))
    checks.hear(word([name(PACKAGE)], MEMBER))
    await pass(0)
    assert.deepEqual(seen.news, [])
    for (let each = 0; each < 5; each++) checks.hear(word([name(CATALOGUE)], MEMBER))
    await pass(0)
    assert.deepEqual(seen.news, [CATALOGUE])
    await pass(HEED_AGAIN_MS)
    checks.hear(word([name(CATALOGUE)], MEMBER))
    await pass(0)
    assert.equal(seen.news.length, 2)
  })
})
