import assert from 'node:assert/strict'
import { test } from 'node:test'
import { functionText } from '../../cli/providers.ts'
import type { FunctionStatus, ProviderStatus } from '../../service/function-operations.ts'
import type { NodeId } from '../../peering/packets.ts'

const PROVIDER: ProviderStatus = {
  node: 'abcdef'.repeat(6).slice(0, 32) as NodeId,
  member: '12345678'.repeat(4),
  location: 'http://192.168.1.7:8080/',
  value: 640_000,
  term: 3,
  source: 'election',
  isThisNode: false,
  sinceMs: 3_600_000,
  heardMsAgo: 2000,
}

const text = (provider: ProviderStatus | null, more: Partial<FunctionStatus> = {}) =>
  functionText({ function: 'print', provider, phase: 'following', ownValue: null, note: null, ...more })

test('a provider is shown with why, and since when', () => {
  assert.equal(
    text(PROVIDER),
    'print              abcdefabcdef at http://192.168.1.7:8080/, elected in term 3 with 640000 (member 123456781234), heard 2.0 s ago, for 1 h 0 min\n',
  )
})

test('strangers, third parties, this node and designated ones are told apart', () => {
  assert.match(text({ ...PROVIDER, member: null }), /a stranger: only a hint/)
  assert.match(text({ ...PROVIDER, source: 'third party' }), /told by a third party in term 3/)
  assert.match(text({ ...PROVIDER, source: 'self', isThisNode: true }), /this node at .* for 1 h/)
  const configured = { ...PROVIDER, source: 'configured', sinceMs: null, heardMsAgo: null } as const
  assert.match(text(configured), /a configured one at \S+, designated in the configuration\n$/)
})

test('nobody is shown as nobody, or as being found out', () => {
  assert.equal(text(null, { phase: 'idle' }), 'print              nobody\n')
  assert.equal(
    text(null, { phase: 'idle', note: 'nothing to check yet', ownValue: 5 }),
    'print              nobody: nothing to check yet; this node would stand with 5\n',
  )
  assert.match(text(PROVIDER, { note: 'nothing to check yet' }), /, for 1 h 0 min: nothing to check yet\n$/)
  assert.match(
    text(null, { phase: 'claiming', ownValue: 5 }),
    /found out \(claiming\); this node would stand with 5/,
  )
})
