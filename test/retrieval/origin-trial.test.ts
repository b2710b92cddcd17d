import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { contentName } from '../../core/content-name.ts'
import { fieldValue } from '../../core/fields.ts'
import {
  FRESH_TRIAL_MS,
  FULL_MS,
  MAX_SERVERS,
  OriginTrials,
  TRIAL_BYTES,
  TRIAL_MS,
  type TrialBytes,
} from '../../retrieval/origin-trial.ts'
import { manualClock } from '../manual-clock.ts'
import { requestFor } from './request-for.ts'
import { FakeUpstream, Flow, type Answering } from './upstreams.ts'
import { sha256 } from './world.ts'

const KB = 1024

function setting(answering: Answering) {
  const clock = manualClock()
  const origin = new FakeUpstream(answering)
  const trials = new OriginTrials({ clock, origin })
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 10) {
      for (let turn = 0; turn < 5; turn++) await setImmediate()
      clock.advance(10)
    }
    for (let turn = 0; turn < 5; turn++) await setImmediate()
  }
  const tried = async (
    target: string,
    missing = { start: 100 * KB, end: 1000 * KB },
    bytes: TrialBytes = TRIAL_BYTES.whole,
  ) => {
    const running = trials.run(requestFor(target), missing, bytes)
    await pass(TRIAL_MS)
    return running
  }
  return { clock, origin, trials, pass, tried }
}

const FILE = 'http://updates.test/a'

describe('a trial of the origin server', () => {
  test('asks for an eighth of what is missing, at least one flight of packets and at most a quarter of a megabyte, and for what many read less', async () => {
    const { origin, tried } = setting(() => ({ status: 206, fields: [], body: '' }))
    for (const [start, end] of [
      [100 * KB, 1100 * KB],
      [0, 10_000 * KB],
      [90 * KB, 100 * KB],
      [0, 20 * KB],
    ] as const)
      await tried(FILE, { start, end })
    await tried(FILE, { start: 0, end: 10_000 * KB }, TRIAL_BYTES.growing)
    assert.deepEqual(
      origin.requests.flatMap(({ method, fields }) =>
        method === 'GET' ? [fieldValue(fields, 'range')] : [],
      ),
      [
        `bytes=${100 * KB}-${225 * KB - 1}`,
        `bytes=0-${256 * KB - 1}`,
        `bytes=${90 * KB}-${100 * KB - 1}`,
        `bytes=0-${16 * KB - 1}`,
        `bytes=0-${128 * KB - 1}`,
      ],
    )
    assert.equal(fieldValue(origin.requests[0]?.fields ?? [], 'if-none-match'), undefined)
  })

  test('ends after 250 ms, and counts what came', async () => {
    const body = new Flow()
    const { trials, pass, origin } = setting(() => ({ status: 206, fields: [], body }))
    const running = trials.run(requestFor(FILE), { start: 0, end: 1000 * KB }, TRIAL_BYTES.whole)
    await pass(100)
    body.push(Buffer.alloc(10 * KB))
    await pass(TRIAL_MS - 100)
    const { bytesPerSecond } = await running
    assert.equal(bytesPerSecond, (10 * KB * 1000) / TRIAL_MS)
    assert.equal(origin.openBodies, 0)
  })

  for (const [said, status, field, size] of [
    ['of a part', 206, ['Content-Range', 'bytes 0-99/7654321'], 7654321],
    ['of the whole', 200, ['Content-Length', '1234'], 1234],
    ['of nothing', 206, ['Content-Range', 'bytes 0-99/*'], undefined],
  ] as const)
    test(`tells which file it was, and its size by the fields ${said}`, async () => {
      const { tried } = setting(() => ({ status, fields: [field], body: 'x'.repeat(100) }))
      const trial = await tried(FILE)
      assert.deepEqual([trial.uri, trial.size], [FILE, size])
    })

  test('tells the speed without the way where enough came', async () => {
    const body = new Flow()
    const { trials, pass } = setting(() => ({ status: 206, fields: [], body }))
    const running = trials.run(requestFor(FILE), { start: 0, end: 1000 * KB }, TRIAL_BYTES.whole)
    await pass(150)
    for (let time = 0; time < 8; time++) {
      body.push(Buffer.alloc(20 * KB))
      await pass(10)
    }
    const { bytesPerSecond } = await running
    assert.ok(bytesPerSecond > 1700 * KB, `${bytesPerSecond} bytes per second`)
  })

  for (const [what, answering] of [
    ['an error', () => ({ status: 404, fields: [], body: 'x'.repeat(100 * KB) })],
    ['silence', () => new Promise<never>(() => {})],
    ['a broken connection', () => Promise.reject(new Error('it is down'))],
  ] as const)
    test(`counts ${what} as no speed at all`, async () => {
      const { tried } = setting(answering)
      assert.equal((await tried(FILE)).bytesPerSecond, 0)
    })

  test('asks nobody for what is asked for by a name alone', async () => {
    const { origin, tried } = setting(() => ({ status: 206, fields: [], body: 'x' }))
    const { bytesPerSecond } = await tried(contentName(sha256('x')))
    assert.deepEqual([bytesPerSecond, origin.requests.length], [0, 0])
  })

  describe('where several files share the line', () => {
    const growing = (trials: OriginTrials) =>
      trials.run(requestFor(FILE), { start: 0, end: 1000 * KB }, { ...TRIAL_BYTES.growing, isSounded: true })

    for (const [what, head] of [
      ['nobody answers HEAD', () => new Promise<never>(() => {})],
      ['the origin server is out of reach', () => Promise.reject(new Error('it is down'))],
    ] as const)
      test(`asks for no bytes when ${what}`, async () => {
        const { trials, origin, pass } = setting(({ method }) =>
          method === 'HEAD' ? head() : { status: 206, fields: [], body: 'x' },
        )
        const running = growing(trials)
        await pass(TRIAL_MS)
        assert.deepEqual(
          [(await running).bytesPerSecond, origin.requests.map(({ method }) => method)],
          [0, ['HEAD']],
        )
      })

    test('asks for bytes once a head has come, whatever it says of HEAD, and measures those', async () => {
      const { trials, origin, pass } = setting(({ method }) =>
        method === 'HEAD'
          ? { status: 405, fields: [] }
          : { status: 206, fields: [], body: 'x'.repeat(125 * KB) },
      )
      const running = growing(trials)
      await pass(10)
      const { bytesPerSecond } = await running
      assert.deepEqual(
        origin.requests.map(({ method }) => method),
        ['HEAD', 'GET'],
      )
      assert.ok(bytesPerSecond >= 12_500 * KB, `${bytesPerSecond} bytes per second`)
    })
  })

  describe('of the line alone', () => {
    test('is free where a head comes in time, for all files of a server, and for a second', async () => {
      const { trials, origin, pass, clock } = setting(() => ({ status: 503, fields: [] }))
      const [one, other] = [requestFor(FILE), requestFor('http://updates.test/b')]
      assert.deepEqual([trials.isFree(one), trials.isFree(other)], [undefined, undefined])
      await pass(10)
      assert.deepEqual([trials.isFree(one), trials.isFree(other)], [true, true])
      assert.deepEqual(
        origin.requests.map(({ method }) => method),
        ['HEAD'],
      )
      clock.advance(FRESH_TRIAL_MS + 1)
      assert.equal(trials.isFree(one), undefined)
      assert.equal(origin.requests.length, 2)
    })

    test('is full where none does, and for four seconds', async () => {
      const { trials, pass, clock } = setting(() => new Promise<never>(() => {}))
      assert.equal(trials.isFree(requestFor(FILE)), undefined)
      await pass(TRIAL_MS)
      clock.advance(FULL_MS)
      assert.equal(trials.isFree(requestFor(FILE)), false)
      clock.advance(1)
      assert.equal(trials.isFree(requestFor(FILE)), undefined)
    })

    test('is asked of no more servers at once than are remembered', () => {
      const { trials, origin } = setting(() => new Promise<never>(() => {}))
      for (let at = 0; at <= MAX_SERVERS; at += 1) trials.isFree(requestFor(`http://${at}.test/`))
      assert.equal(origin.requests.length, MAX_SERVERS)
    })
  })

  test('is one for all who fetch from a server, and counts for a second', async () => {
    const { trials, origin, pass, tried, clock } = setting(() => ({ status: 206, fields: [], body: 'x' }))
    const both = [FILE, 'http://updates.test/b'].map((each) =>
      trials.run(requestFor(each), { start: 0, end: 1000 }, TRIAL_BYTES.whole),
    )
    await pass(TRIAL_MS)
    const [one, other] = await Promise.all(both)
    assert.equal(one, other)
    assert.equal(origin.requests.length, 1)
    assert.equal(trials.recent(requestFor(FILE)), one)
    assert.equal(trials.recent(requestFor('http://other.test/a')), undefined)
    clock.advance(FRESH_TRIAL_MS + 1)
    assert.equal(trials.recent(requestFor(FILE)), undefined)
    await tried(FILE)
    assert.equal(origin.requests.length, 2)
  })

  test('of more than 64 servers forgets the eldest', async () => {
    const { trials, pass } = setting(() => ({ status: 206, fields: [], body: 'x' }))
    const servers = Array.from({ length: MAX_SERVERS + 1 }, (_, at) => requestFor(`http://${at}.test/`))
    const all = servers.map((each) => trials.run(each, { start: 0, end: 1 }, TRIAL_BYTES.whole))
    await pass(10)
    await Promise.all(all)
    const known = servers.filter((each) => trials.recent(each) !== undefined)
    assert.deepEqual(known, servers.slice(1))
  })
})
