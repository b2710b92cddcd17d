import assert from 'node:assert/strict'
import type { TargetUri } from '../../core/target-uri.ts'
import type { Scenario } from '../../sim/scenario.ts'
import type { Got } from '../../sim/virtual-application.ts'

/** The application got the one right answer, and no error. */
export function assertRight(scenario: Scenario, uri: TargetUri, got: Got): void {
  assert.equal(got.outcome, 'complete', `${got.outcome} after ${got.bytes} bytes: ${String(got.error)}`)
  assert.equal(got.status, 200)
  assert.equal(got.sha256, scenario.sha256(uri))
}

export function assertAtMost(actual: number, limit: number, what: string): void {
  assert.ok(actual <= limit, `${what}: ${actual}, expected at most ${limit}`)
}
