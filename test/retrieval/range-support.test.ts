import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'node:test'
import type { Fields } from '../../core/fields.ts'
import { MAX_KNOWN, RangeSupport } from '../../retrieval/range-support.ts'
import { SOUNDING_MS } from '../../retrieval/sounding.ts'
import { manualClock } from '../manual-clock.ts'
import { requestFor } from './request-for.ts'
import { FakeUpstream, type Answering, type Reply } from './upstreams.ts'

const FILE = 'http://updates.test/a'

function setting(answering: Answering) {
  const clock = manualClock()
  const origin = new FakeUpstream(answering)
  const support = new RangeSupport({ clock, origin })
  const settle = async () => {
    for (let turn = 0; turn < 10; turn += 1) await setImmediate()
  }
  const get = async (fields: Fields) => {
    const { signal } = new AbortController()
    await support.of(origin).request({ method: 'GET', uri: FILE, fields, signal })
    return support.known(requestFor(FILE))
  }
  return { clock, origin, support, settle, get }
}

describe('whether an origin server knows ranges', () => {
  for (const [status, range, condition, known] of [
    [206, 'bytes=100-', undefined, true],
    [206, 'bytes=100-', '"1"', true],
    [416, 'bytes=100-', undefined, true],
    [200, 'bytes=100-', undefined, false],
    [200, 'bytes=100-', '"1"', undefined],
    [200, 'bytes=0-', undefined, undefined],
    [200, undefined, undefined, undefined],
    [503, 'bytes=100-', undefined, undefined],
  ] as const)
    test(`is ${known ?? 'not known'} after ${status} to ${range ?? 'no range'}${condition === undefined ? '' : ' with If-Range'}`, async () => {
      const { get } = setting(() => ({ status, fields: [] }))
      const fields: [string, string][] = []
      if (range !== undefined) fields.push(['Range', range])
      if (condition !== undefined) fields.push(['If-Range', condition])
      assert.equal(await get(fields), known)
    })

  for (const [reply, known] of [
    [{ status: 200, fields: [['Accept-Ranges', 'bytes']] }, true],
    [{ status: 200, fields: [['accept-ranges', 'Bytes']] }, true],
    [{ status: 200, fields: [['Accept-Ranges', 'none']] }, false],
    [{ status: 200, fields: [] }, false],
    [{ status: 405, fields: [] }, undefined],
  ] as const satisfies [Reply, boolean | undefined][])
    test(`is ${known ?? 'not known'} after a head with ${JSON.stringify(reply)}`, async () => {
      const { support, origin, settle } = setting(() => reply)
      support.ask(requestFor(FILE))
      support.ask(requestFor(FILE))
      assert.equal(support.known(requestFor(FILE)), undefined)
      await settle()
      assert.equal(support.known(requestFor(FILE)), known)
      assert.deepEqual(
        origin.requests.map(({ method }) => method),
        ['HEAD'],
      )
    })

  test('is asked again after silence, and not of more files at once than are remembered', async () => {
    const { support, origin, settle, clock } = setting(() => new Promise<never>(() => {}))
    for (let file = 0; file <= MAX_KNOWN; file += 1) support.ask(requestFor(`${FILE}${file}`))
    assert.equal(origin.requests.length, MAX_KNOWN)
    clock.advance(SOUNDING_MS)
    await settle()
    support.ask(requestFor(FILE))
    assert.equal(origin.requests.length, MAX_KNOWN + 1)
  })

  test('is remembered of so many files', async () => {
    const { support, settle } = setting(() => ({ status: 200, fields: [['Accept-Ranges', 'bytes']] }))
    const files = Array.from({ length: MAX_KNOWN + 1 }, (_, at) => requestFor(`${FILE}${at}`))
    for (const file of files) {
      support.ask(file)
      await settle()
    }
    assert.deepEqual(
      files.filter((file) => support.known(file) === undefined),
      files.slice(0, 1),
    )
  })
})
