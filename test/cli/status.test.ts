import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statusText } from '../../cli/status.ts'
import { gatewayStatus, STATUS } from '../service/example-status.ts'

test('what was sent to members as their gateway stands beside what was sent to peers', () => {
  assert.match(statusText(STATUS), /^sent       0 B to peers in 0 transfers$/m)
  const text = statusText(gatewayStatus({ served: 50, bytes: 29_400_000 }))
  assert.match(text, /^sent       0 B to peers in 0 transfers, 29\.4 MB to members as their gateway$/m)
  assert.match(
    text,
    /^gateway    offered to members; 50 requests served, 29\.4 MB, 0 failed; refused: none$/m,
  )
})

test('what askers have withdrawn is said apart from what has failed', () => {
  const text = statusText(gatewayStatus({ served: 50, failed: 1, withdrawn: 10 }))
  assert.match(text, /50 requests served, 0 B, 1 failed, 10 withdrawn; refused: none$/m)
})
