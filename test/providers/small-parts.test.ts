/** The small parts of providers/, each by itself. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import type { EpochMs, Monotonic } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import { seededRandom } from '../../core/random.ts'
import type { Address } from '../../core/transport.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { NodeId } from '../../peering/packets.ts'
import { answers, CONTACT_MS } from '../../providers/contact.ts'
import { criterionValue, machineCriteria, WEIGHTS, type MachineState } from '../../providers/criteria.ts'
import { DiscoveryAnswers, MAX_DISCOVERY_ANSWERS, type Question } from '../../providers/discovery-answers.ts'
import { electionLimit, MAX_SENDERS } from '../../providers/election-limits.ts'
import type { FunctionName } from '../../providers/functions.ts'
import { machineFacts } from '../../providers/machine-state.ts'
import { News } from '../../providers/news.ts'
import { providerBook, providerMemory, type ProviderBook } from '../../providers/provider-book.ts'
import { CORRECTION, MAX_QUESTIONS, Questions } from '../../providers/questions.ts'
import { MAX_KEYS, Recollection } from '../../providers/recollection.ts'
import type { Result } from '../../providers/result.ts'
import { MEASURED_BYTES, SpeedMeter } from '../../providers/speed-meter.ts'
import { manualClock } from '../manual-clock.ts'

const PRINT = 'print' as FunctionName

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ihave-providers-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

describe('the criterion’s value', () => {
  const machine: MachineState = {
    reach: 1,
    bytesPerSecond: 1e8,
    isWired: true,
    isOnMains: true,
    upSeconds: 86_400,
    freeBytes: 50e9,
    preference: 100,
  }
  const valueOf = (state: Partial<MachineState>, weights = WEIGHTS) =>
    criterionValue(
      machineCriteria(() => ({ ...machine, ...state })),
      weights,
    )

  test('of the best machine is a million, of the worst 1, of the unknown the half', () => {
    assert.equal(valueOf({}), 1_000_000)
    const worst = {
      reach: 0,
      bytesPerSecond: 0,
      isWired: false,
      isOnMains: false,
      upSeconds: 0,
      freeBytes: 0,
    }
    assert.equal(valueOf({ ...worst, preference: 0 }), 1)
    const unknown = {
      reach: undefined,
      bytesPerSecond: undefined,
      isWired: undefined,
      isOnMains: undefined,
      upSeconds: undefined,
      freeBytes: undefined,
    }
    assert.equal(valueOf({ ...unknown, preference: 50 }), 500_000)
  })

  test('falls with each criterion by what it counts', () => {
    for (const state of [
      { reach: 0 },
      { bytesPerSecond: 1e6 },
      { isWired: false },
      { isOnMains: false },
      { upSeconds: 60 },
      { freeBytes: 1e9 },
      { preference: 20 },
    ])
      assert.ok(valueOf(state) < 1_000_000, JSON.stringify(state))
    assert.equal(valueOf({ isWired: false }, { wired: 1, mains: 3 }), 750_000)
    assert.equal(valueOf({ isWired: false }, { mains: 3 }), 1_000_000)
    assert.equal(valueOf({}, {}), 500_000)
  })

  test('takes criteria of others, and no nonsense from them', () => {
    const mine = (measure: () => number | undefined) =>
      criterionValue([{ name: 'mine', measure }], { mine: 1 })
    assert.equal(
      mine(() => 0.25),
      250_000,
    )
    assert.equal(
      mine(() => 7),
      1_000_000,
    )
    assert.equal(
      mine(() => NaN),
      500_000,
    )
  })
})

describe('the machine’s facts', () => {
  test('are read from /sys', async (t) => {
    const sys = folder(t)
    const write = (path: string, text: string) => {
      mkdirSync(join(sys, path, '..'), { recursive: true })
      writeFileSync(join(sys, path), text)
    }
    write('class/net/lo/address', '')
    write('class/net/eth0/address', '')
    write('class/net/wlan0/wireless/x', '')
    write('class/power_supply/AC/type', 'Mains\n')
    write('class/power_supply/AC/online', '1\n')
    write('class/power_supply/BAT0/type', 'Battery\n')
    const facts = (interfaceName: string | undefined) => machineFacts({ sys, interfaceName, directory: sys })
    assert.equal((await facts('eth0')).isWired, true)
    assert.equal((await facts('wlan0')).isWired, false)
    assert.equal((await facts(undefined)).isWired, true)
    assert.equal((await facts('eth0')).isOnMains, true)
    assert.ok(((await facts('eth0')).freeBytes ?? 0) > 0)
    write('class/power_supply/AC/online', '0\n')
    assert.equal((await facts('eth0')).isOnMains, false)
  })

  test('are unknown where there is nothing to read', async (t) => {
    const sys = join(folder(t), 'nothing')
    const { upSeconds, ...facts } = await machineFacts({ sys, interfaceName: 'eth0', directory: sys })
    assert.deepEqual(facts, { isWired: undefined, isOnMains: undefined, freeBytes: undefined })
    assert.ok(upSeconds > 0)
  })
})

describe('the book of providers', () => {
  const result: Result = {
    function: PRINT,
    node: 'a'.repeat(32) as NodeId,
    member: 'b'.repeat(32),
    location: 'http://127.0.0.1:8080/',
    value: 1,
    term: 3,
    since: 1 as EpochMs,
    expires: 2 as EpochMs,
    signature: '',
  }
  const keeps = (book: ProviderBook) => {
    book.save({ name: PRINT, seen: 5, result })
    book.save({ name: 'scan' as FunctionName, seen: 1, result: undefined })
    assert.deepEqual(book.load(), [
      { name: PRINT, seen: 5, result },
      { name: 'scan', seen: 1, result: undefined },
    ])
    book.save({ name: PRINT, seen: 6, result: undefined })
    assert.deepEqual(book.load()[0], { name: PRINT, seen: 6, result: undefined })
  }

  test('keeps terms and results', (t) => {
    const book = providerBook(join(folder(t), 'functions.sqlite'))
    keeps(book)
    book.close()
    keeps(providerMemory())
  })

  test('never lets a term become smaller, and has it after a restart', (t) => {
    const path = join(folder(t), 'functions.sqlite')
    const book = providerBook(path)
    book.save({ name: PRINT, seen: 5, result })
    book.save({ name: PRINT, seen: 4, result: undefined })
    book.close()
    const again = providerBook(path)
    assert.equal(again.load()[0]?.seen, 5)
    again.close()
  })
})

describe('limits of elections', () => {
  test('let a burst through, then one from time to time, each key by itself', () => {
    const may = electionLimit({ burst: 3, refillMs: 1000 })
    const at = (ms: number) => ms as Monotonic
    assert.deepEqual(
      [1, 2, 3, 4].map(() => may('a', at(0))),
      [true, true, true, false],
    )
    assert.equal(may('b', at(0)), true)
    assert.equal(may('a', at(900)), false)
    assert.deepEqual([may('a', at(2000)), may('a', at(2000)), may('a', at(2000))], [true, true, false])
  })

  test('remember so many senders and no more', () => {
    const may = electionLimit({ burst: 1, refillMs: 1e9 })
    assert.equal(may('first', 0 as Monotonic), true)
    assert.equal(may('first', 0 as Monotonic), false)
    for (let count = 0; count < MAX_SENDERS; count++) may(`other ${count}`, 0 as Monotonic)
    assert.equal(may('first', 0 as Monotonic), true)
  })
})

test('a recollection holds for its time, and so many keys and no more', () => {
  const clock = manualClock()
  const recollection = new Recollection(clock)
  recollection.note('a', 1000)
  assert.equal(recollection.holds('a'), true)
  clock.advance(1000)
  assert.equal(recollection.holds('a'), false)
  for (let count = 0; count <= MAX_KEYS; count++) recollection.note(`k${count}`, 1000)
  assert.equal(recollection.holds('k0'), false)
  assert.equal(recollection.holds('k1'), true)
  recollection.forget('k1')
  assert.equal(recollection.holds('k1'), false)
})

test('a refusal is counted each time, and told once a minute for each sender and reason', () => {
  const clock = manualClock()
  const news = new News(clock)
  const told: string[] = []
  const end = news.subscribe(({ kind }) => told.push(kind))
  for (let times = 0; times < 5; times++) news.refuse(PRINT, '127.0.0.2', 'why')
  news.refuse(PRINT, '127.0.0.3', 'why')
  assert.deepEqual([told.length, news.counters.get('refused: why')], [2, 6])
  clock.advance(60_000)
  news.refuse(PRINT, '127.0.0.2', 'why')
  assert.equal(told.length, 3)
  end()
  news.refuse(PRINT, '127.0.0.4', 'why')
  assert.equal(told.length, 3)
})

test('questions take answers to what was asked, and corrections; so many and no more', () => {
  const clock = manualClock()
  const questions = new Questions(clock, seededRandom(1))
  const nonce = questions.ask(PRINT)
  assert.equal(questions.isAnswer(nonce, PRINT), true)
  assert.equal(questions.isAnswer(nonce, 'scan' as FunctionName), false)
  assert.equal(questions.isAnswer('f'.repeat(16), PRINT), false)
  assert.equal(questions.isAnswer(CORRECTION, PRINT), true)
  assert.deepEqual([questions.found(nonce), questions.found(nonce)], [true, false])
  clock.advance(20)
  assert.equal(questions.found(nonce), true)
  for (let count = 0; count < MAX_QUESTIONS; count++) questions.ask(PRINT)
  assert.equal(questions.isAnswer(nonce, PRINT), false)
})

describe('answers to questions for functions', () => {
  const question = (nonce: string): Question => {
    const from = '127.0.0.2' as Address
    return { function: PRINT, nonce, from, delayMs: 100, term: undefined, heardMs: undefined, bytes: 1000 }
  }
  const scene = (known: 'nobody' | 'self' | 'other') => {
    const clock = manualClock()
    const answered: string[] = []
    const knows = { is: known }
    const server = new DiscoveryAnswers({
      clock,
      random: seededRandom(3),
      known: () => knows.is,
      answer: ({ nonce }) => answered.push(nonce),
    })
    return { clock, server, answered, knows }
  }

  test('the provider’s comes at once, a third party’s after its delay', () => {
    const own = scene('self')
    own.server.request(question('a'))
    own.clock.advance(0)
    assert.deepEqual(own.answered, ['a'])
    const other = scene('other')
    other.server.request(question('a'))
    other.clock.advance(19)
    assert.deepEqual(other.answered, [])
    other.clock.advance(81)
    assert.deepEqual(other.answered, ['a'])
  })

  test('“I found” cancels it, and so does a result that all have heard', () => {
    const { clock, server, answered } = scene('other')
    server.request(question('a'))
    server.request(question('b'))
    server.found('a', '127.0.0.3' as Address)
    server.found('a', '127.0.0.2' as Address)
    server.told('scan' as FunctionName)
    clock.advance(100)
    assert.deepEqual(answered, ['b'])
    server.request(question('c'))
    server.told(PRINT)
    clock.advance(100)
    assert.deepEqual(answered, ['b'])
  })

  test('nothing known is not answered, nor what is forgotten during the delay', () => {
    const { clock, server, answered, knows } = scene('nobody')
    server.request(question('a'))
    knows.is = 'other'
    server.request(question('b'))
    knows.is = 'nobody'
    clock.advance(100)
    assert.deepEqual(answered, [])
  })

  test('so many at once and no more', () => {
    const { clock, server } = scene('other')
    for (let count = 0; count < MAX_DISCOVERY_ANSWERS; count++)
      assert.equal(server.request(question(`q${count}`)), true)
    assert.equal(server.request(question('one more')), false)
    assert.equal(server.request(question('q0')), true)
    server.stop()
    assert.equal(clock.pending(), 0)
  })
})

describe('contacting a provider', () => {
  const peers = (status: number | 'fault' | 'silence'): Upstream => ({
    request: ({ signal }) =>
      new Promise((resolve, reject) => {
        if (status === 'fault') return reject(new Fault('CONNECT_REFUSED', 'refused'))
        if (status === 'silence') return signal.addEventListener('abort', () => reject(new Error('aborted')))
        resolve({ status, reason: '', fields: [], body: (async function* () {})() })
      }),
  })
  const place = 'http://127.0.0.2:8080/'

  test('any answer but a failure of its own is one', async () => {
    const clock = manualClock()
    for (const [status, isThere] of [
      [200, true],
      [404, true],
      [405, true],
      [503, false],
      ['fault', false],
    ] as const)
      assert.equal(await answers(peers(status), place, 'me', clock), isThere, String(status))
    assert.equal(clock.pending(), 0)
  })

  test('silence is none, after its time', async () => {
    const clock = manualClock()
    const asked = answers(peers('silence'), place, 'me', clock)
    clock.advance(CONTACT_MS)
    assert.equal(await asked, false)
  })

  test('nobody is sent where no provider can be', async () => {
    for (const location of ['http://127.0.0.2:25/', 'ftp://127.0.0.2/', 'http://name/'])
      assert.equal(await answers(peers(200), location, 'me', manualClock()), false)
  })
})

test('the speed of the Internet is that of large bodies, and a slow server does not make it slow', async () => {
  const clock = manualClock()
  const meter = new SpeedMeter(clock)
  const read = async (bytes: number, ms: number) => {
    const upstream: Upstream = {
      request: async () => ({
        status: 200,
        reason: '',
        fields: [['Content-Length', String(bytes)]],
        body: (async function* () {
          yield new Uint8Array(bytes / 2)
          clock.advance(ms)
          yield new Uint8Array(bytes / 2)
        })(),
      }),
    }
    const { signal } = new AbortController()
    const { body } = await meter.of(upstream).request({ method: 'GET', uri: 'http://x/', fields: [], signal })
    let length = 0
    for await (const chunk of body) length += chunk.length
    assert.equal(length, bytes)
  }
  await read(MEASURED_BYTES - 2, 1)
  assert.equal(meter.bytesPerSecond, undefined)
  await read(1_000_000, 1000)
  assert.equal(meter.bytesPerSecond, 1_000_000)
  await read(1_000_000, 10_000)
  assert.equal(meter.bytesPerSecond, 800_000)
})
