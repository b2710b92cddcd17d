import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { seededRandom } from '../../core/random.ts'
import { parseConfig } from '../../service/config.ts'
import { ProductUpdates, type ProductEvent, type UpdateProduct } from '../../service/product-updates.ts'
import type { RunResult } from '../../update/installer/events.ts'
import { manualClock } from '../manual-clock.ts'

const NOTHING = { catalogue: 0, internet: 0, peer: 0, cache: 0, kept: 0 }
const DONE: RunResult = { outcome: 'up-to-date', detail: 'everything is up to date', received: NOTHING }
const HOUR = 3_600_000

function product(
  t: TestContext,
  update: UpdateProduct,
  folder = mkdtempSync(join(tmpdir(), 'ihave-product-')),
) {
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const text = `updates:\n  - { catalog: http://x/myupdate.cab, trust: pem, into: ${folder}, jitterMs: 0 }`
  const parsed = parseConfig(text, 'x', '/')
  assert.ok(parsed.kind === 'ok' && parsed.config.updates[0])
  const clock = manualClock()
  const events: ProductEvent[] = []
  const machine = { id: 'boot', upMs: () => 60_000, utcOffsetMinutes: () => 0 }
  const tools = {
    clock,
    random: seededRandom(1),
    machine,
    update,
    emit: (event: ProductEvent) => void events.push(event),
  }
  return { updates: new ProductUpdates(parsed.config.updates[0], tools), clock, events, folder }
}

/** Lets what follows from a promise happen. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

test('a product is checked 5 minutes after the machine’s start, and 12 hours after that', async (t) => {
  let checks = 0
  const { updates, clock } = product(t, async () => {
    checks++
    return DONE
  })
  updates.start()
  clock.advance(4 * 60_000 - 1)
  assert.equal(checks, 0)
  clock.advance(1)
  await settled()
  assert.equal(checks, 1)
  assert.equal(updates.status().nextCheck, clock.wall() + 12 * HOUR)
  clock.advance(12 * HOUR)
  await settled()
  assert.equal(checks, 2)
})

test('an update that fails in any way is tried again after 6 hours, and never disturbs the node', async (t) => {
  const { updates, clock, events } = product(t, async () => {
    throw new Error('out of memory')
  })
  updates.start()
  assert.equal(await updates.checkNow(), undefined)
  assert.equal(updates.status().nextCheck, clock.wall() + 4 * 60_000)
  clock.advance(4 * 60_000)
  await settled()
  assert.equal(updates.status().nextCheck, clock.wall() + 6 * HOUR)
  assert.match(JSON.stringify(events[0]), /asked: out of memory/)
})

test('asking twice at once is one check', async (t) => {
  let checks = 0
  const { updates } = product(t, async () => {
    checks++
    await settled()
    return DONE
  })
  updates.start()
  assert.deepEqual(await Promise.all([updates.checkNow(), updates.checkNow()]), [DONE, DONE])
  assert.equal(checks, 1)
})

test('the schedule outlives the daemon', async (t) => {
  const first = product(t, async () => DONE)
  first.updates.start()
  await first.updates.checkNow()
  await first.updates.stop(0)
  assert.ok(existsSync(join(first.folder, '.ihave/schedule.json')))
  const second = product(t, async () => DONE, first.folder)
  second.updates.start()
  assert.equal(second.updates.status().nextCheck, second.clock.wall() + 4 * 60_000)
})

test('stopping gives an update its time, then ends it', async (t) => {
  const begun = deferred<AbortSignal>()
  const { updates, clock } = product(t, async (_, __, signal) => {
    begun.resolve(signal)
    const ended = deferred<void>()
    signal.addEventListener('abort', () => ended.resolve())
    await ended.promise
    throw new Error('ended')
  })
  updates.start()
  void updates.checkNow()
  const signal = await begun.promise
  const stopped = updates.stop(10_000)
  clock.advance(9_999)
  assert.equal(signal.aborted, false)
  clock.advance(1)
  await stopped
  assert.equal(signal.aborted, true)
})

test('a place that is not trusted is in the status although nothing is written there, and in the log by its reason', async (t) => {
  const detail = 'a link lies there'
  const { updates, events, folder } = product(t, async () => {
    return { outcome: 'refused', reason: 'unsafe-place', detail, received: NOTHING }
  })
  updates.start()
  symlinkSync(tmpdir(), join(folder, '.ihave'))
  await updates.checkNow()
  assert.equal(updates.status().lastCheck?.detail, detail)
  assert.equal(updates.status().lastCheck?.reason, 'unsafe-place')
  const refused = events.find(({ event }) => event === 'refused')
  assert.ok(refused?.event === 'refused' && refused.reason === 'unsafe-place', JSON.stringify(events))
})
