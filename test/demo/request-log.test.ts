import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestFields } from '../../service/logging.ts'
import { loggedRequests } from '../../demo/request-log.ts'
import type { RequestLine } from '../../proxy/proxy-server.ts'
import { newReport } from '../../retrieval/source.ts'

const LINE = {
  method: 'GET',
  url: 'http://a.example/x.deb',
  client: '127.0.0.1',
  status: 200,
  ms: 1,
  firstByteMs: 1,
  bytes: 10,
  way: 'resource',
  outcome: 'complete',
  rule: 'apt: packages',
  error: undefined,
  code: undefined,
} as const

function logLine(trace: RequestLine['trace']): string {
  return `${JSON.stringify({ level: 30, ...requestFields({ ...LINE, trace }), msg: 'request' })}\n`
}

test('a request of the log is read as the node wrote it', () => {
  const retrieval = newReport()
  retrieval.bytes.peer = 10
  const trace = { how: 'peer', cacheStatus: { kind: 'hit', ttlMs: 0 }, retrieval } as const
  assert.deepEqual(loggedRequests(logLine(trace)), [
    {
      url: LINE.url,
      status: 200,
      bytes: 10,
      source: 'peer',
      received: { internet: 0, peer: 10, 'in-progress': 0 },
    },
  ])
})

test('a request that went another way has no source and received nothing', () => {
  const [request] = loggedRequests(logLine(undefined))
  assert.equal(request?.source, 'none')
  assert.equal(request?.received, undefined)
})

test('other lines are left out, and a last line that is still being written', () => {
  const other = `${JSON.stringify({ level: 30, msg: 'apt-lists-read' })}\n`
  assert.equal(loggedRequests(other + logLine(undefined) + logLine(undefined).slice(0, 40)).length, 1)
  assert.deepEqual(loggedRequests(''), [])
})
