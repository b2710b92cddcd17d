import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fields } from '../../core/fields.ts'
import { originUpstream } from '../../proxy/http-upstream.ts'
import { answering, OK, startOrigin } from './edge-server.ts'

test('interim responses are told with their fields as they came, before the final one', async (t) => {
  const interim =
    'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\nX: \xe4\r\n\r\n'
  const origin = await startOrigin(t, answering(interim + OK))
  const upstream = originUpstream({ loopbackOnly: true, allowPorts: 'auto', own: [] })
  t.after(() => upstream.stop())
  const told: (readonly [number, Fields])[] = []
  const { status } = await upstream.request({
    method: 'GET',
    uri: `http://127.0.0.1:${origin.port}/`,
    fields: [],
    signal: new AbortController().signal,
    onInformation: (...information) => told.push(information),
  })
  assert.deepEqual(told, [
    [102, []],
    [
      103,
      [
        ['Link', '</a>'],
        ['Link', '</b>'],
        ['X', '\xe4'],
      ],
    ],
  ])
  assert.equal(status, 200)
})
