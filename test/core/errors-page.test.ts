import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { FAULTS } from '../../core/fault.ts'

test('docs/errors.md explains every fault, with its status and error type', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const rows = page.split('\n').filter((line) => /^\| [A-Z_]+ \|/.test(line))
  const documented = rows.map((row) =>
    row
      .split('|')
      .map((cell) => cell.trim())
      .slice(1, 5),
  )
  const whose = {
    'user-agent': 'application',
    'origin-server': 'origin server',
    peer: 'peer',
    node: 'node',
    daemon: 'daemon',
    configuration: 'configuration',
  }
  const expected = Object.entries(FAULTS).map(([code, fault]) => [
    code,
    whose[fault.blame],
    String(fault.status),
    fault.proxyStatus,
  ])
  const lines = (all: string[][]) => all.map((row) => row.join(' ')).toSorted()
  assert.deepEqual(lines(documented), lines(expected))
})
