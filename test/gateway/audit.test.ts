import assert from 'node:assert/strict'
import { test } from 'node:test'
import { audit, MAX_MEMBERS_SHOWN, type GatewayUse } from '../../gateway/audit.ts'
import { manualClock } from '../manual-clock.ts'

const USE: GatewayUse = {
  member: 'attic',
  from: '10.0.0.5',
  method: 'GET',
  url: 'http://updates.test/a',
  outcome: 'served',
  status: 200,
  bytes: 10,
  ms: 1,
}

test('every use is counted by outcome, reason and member, and told', () => {
  const told: GatewayUse[] = []
  const notes = audit(manualClock(), (use) => told.push(use))
  const { member: _, ...stranger } = USE
  notes.note(USE)
  notes.note({ ...USE, outcome: 'failed', reason: 'DNS_FAILED', bytes: 0 })
  notes.note({ ...USE, outcome: 'withdrawn', status: 499, bytes: 0 })
  notes.note({ ...USE, outcome: 'refused', reason: 'port', bytes: 0 })
  notes.note({ ...stranger, outcome: 'refused', reason: 'unsigned', bytes: 0 })
  const { lastRefused, ...totals } = notes.totals()
  assert.deepEqual(totals, {
    served: 1,
    failed: 1,
    withdrawn: 1,
    bytes: 10,
    refused: { port: 1, unsigned: 1 },
    members: [{ name: 'attic', requests: 4, bytes: 10, refused: 1 }],
  })
  assert.deepEqual(
    lastRefused.map(({ reason, member }) => [reason, member]),
    [
      ['unsigned', undefined],
      ['port', 'attic'],
    ],
  )
  assert.equal(told.length, 5)
})

test('many refusals and many members take no more room than a few', () => {
  const notes = audit(manualClock(), () => {})
  for (let each = 0; each < 1000; each++)
    notes.note({ ...USE, member: `member${each}`, outcome: 'refused', reason: 'port' })
  const { members, lastRefused, refused } = notes.totals()
  assert.equal(lastRefused.length, 10)
  assert.equal(members.length, MAX_MEMBERS_SHOWN + 1)
  assert.equal(refused['port'], 1000)
  assert.equal(
    members.reduce((sum, { requests }) => sum + requests, 0),
    1000,
  )
})
