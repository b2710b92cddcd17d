import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RequestLine } from '../../proxy/proxy-server.ts'
import { newReport, type SourceKind } from '../../retrieval/source.ts'
import { tally } from '../../service/totals.ts'

const LINE: RequestLine = {
  method: 'GET',
  url: 'http://updates.test/a',
  client: '127.0.0.1',
  status: 200,
  ms: 1,
  firstByteMs: 1,
  bytes: 10,
  way: 'resource',
  trace: undefined,
  rule: undefined,
  outcome: 'complete',
  error: undefined,
  code: undefined,
}

function traced(how: 'hit' | 'validated' | SourceKind): RequestLine {
  return { ...LINE, trace: { how, cacheStatus: { kind: 'hit' } } }
}

function report(bytes: Partial<Record<SourceKind, number>>) {
  return { ...newReport(), bytes: { ...newReport().bytes, ...bytes } }
}

describe('the totals', () => {
  test('count requests by how they were answered', () => {
    const counted = tally()
    for (const line of [traced('hit'), traced('hit'), traced('peer'), traced('internet')])
      counted.request(line)
    for (const way of ['tunnel', 'pass-through', 'own-page'] as const) counted.request({ ...LINE, way })
    counted.request({ ...LINE, outcome: 'fault' })
    counted.request({ ...LINE, way: 'refused', outcome: 'fault' })
    assert.deepEqual(counted.totals().requests, {
      hit: 2,
      peer: 1,
      internet: 1,
      tunnel: 1,
      'pass-through': 1,
      'own-page': 1,
      failed: 1,
      refused: 1,
    })
  })

  test('tell what was refused from what failed: an application that asks for what it may not is no fault of the Internet', () => {
    const counted = tally()
    const fault = { ...LINE, outcome: 'fault' } as const
    counted.request({ ...fault, way: 'tunnel', code: 'FORBIDDEN_TARGET' })
    counted.request({ ...fault, way: 'pass-through', code: 'NOT_ALLOWED' })
    counted.request({ ...fault, way: 'tunnel', code: 'CONNECT_REFUSED' })
    counted.request({ ...fault, code: 'ABORTED' })
    assert.deepEqual(counted.totals().requests, { refused: 2, failed: 2 })
  })

  test('add up what applications were given, the part of a broken body included', () => {
    const counted = tally()
    counted.request(LINE)
    counted.request({ ...traced('internet'), outcome: 'broken', bytes: 5 })
    assert.equal(counted.totals().deliveredBytes, 15)
  })

  test('are about what a cache can save: neither what passed through nor a page of this node is in them', () => {
    const counted = tally()
    for (const way of ['pass-through', 'own-page'] as const) counted.request({ ...LINE, way })
    assert.equal(counted.totals().deliveredBytes, 0)
  })

  test('count what was received once, by source, however many applications it went to', () => {
    const counted = tally()
    for (let n = 0; n < 3; n++) counted.request(traced('peer'))
    counted.retrieved(report({ peer: 7, internet: 3 }))
    counted.retrieved(report({ 'in-progress': 2 }))
    assert.deepEqual(counted.totals().receivedBytes, { peer: 7, internet: 3, 'in-progress': 2 })
    assert.equal(counted.totals().deliveredBytes, 30)
  })

  test('count what peers were given', () => {
    const counted = tally()
    counted.uploaded(5)
    counted.uploaded(6)
    const { uploads, uploadedBytes } = counted.totals()
    assert.deepEqual([uploads, uploadedBytes], [2, 11])
  })

  test('begin at nothing, and once told do not change afterwards', () => {
    const counted = tally()
    const before = counted.totals()
    counted.request(traced('hit'))
    counted.retrieved(report({ internet: 3 }))
    assert.deepEqual(before, {
      requests: {},
      deliveredBytes: 0,
      receivedBytes: { peer: 0, 'in-progress': 0, internet: 0 },
      uploadedBytes: 0,
      uploads: 0,
    })
  })
})
