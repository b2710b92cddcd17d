/** What must be so after curl went through three nodes. */
import { formatBytes } from '../core/units.ts'
import type { Machine } from './machine.ts'
import type { Check, Step } from './result.ts'

/** What one machine did and got. */
export interface CurlEvidence {
  readonly machine: Pick<Machine, 'name' | 'address'>
  readonly step: Step
  readonly sha256: string
}

export interface ExpectedFile {
  readonly bytes: number
  readonly sha256: string
}

/**
 * @param sentBytes what the origin server says that it has sent.
 * @param evidence of the machine that downloads, of the one that joins, and of the one that comes later.
 */
export function curlChecks(
  expected: ExpectedFile,
  sentBytes: number,
  evidence: readonly CurlEvidence[],
): Check[] {
  const [, joining, later] = evidence
  return [
    ...evidence.map(({ machine, sha256 }) => digestCheck(machine.name, expected.sha256, sha256)),
    bytesCheck('the origin server sent the file once', expected.bytes, sentBytes),
    bytesCheck('machine 1 took it from the Internet', expected.bytes, evidence[0]?.step.received.internet),
    bytesCheck(
      'machine 2 took it from the running download',
      expected.bytes,
      joining?.step.received['in-progress'],
    ),
    bytesCheck('machine 3 took it from its peers', expected.bytes, later?.step.received.peer),
  ]
}

function digestCheck(machine: string, expected: string, actual: string): Check {
  const failure = actual === expected ? undefined : `expected ${expected}, got ${actual}`
  return { name: `${machine}: the file has the SHA-256 that the origin server's has`, failure }
}

function bytesCheck(name: string, expected: number, actual: number = 0): Check {
  const failure =
    actual === expected ? undefined : `expected ${expected} bytes, got ${actual} (${formatBytes(actual)})`
  return { name, failure }
}
