import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { reportJson, reportText } from '../../demo/report.ts'
import { internetBytes, type DemoResult, type Step } from '../../demo/result.ts'

function step(what: string, internet: number, peer: number, cachedBytes = 0): Step {
  const received = { internet, peer, 'in-progress': 0 }
  return { what, elapsedMs: 1234, received, cachedBytes, deliveredBytes: internet + peer + cachedBytes }
}

const RESULT: DemoResult = {
  kind: 'apt',
  task: 'apt-get update and 12 packages',
  machines: [
    {
      name: 'machine 1',
      address: '127.0.0.2',
      steps: [step('apt-get update', 9_400_000, 0), step('apt-get download', 2_900_000, 0)],
    },
    { name: 'machine 2', address: '127.0.0.3', steps: [step('apt-get update', 0, 9_400_000, 2_900_000)] },
  ],
  checks: [{ name: 'all is well', failure: undefined }],
}

describe('the bytes of the Internet', () => {
  test('are with ihave what came from there, and without it all that applications were given', () => {
    assert.deepEqual(internetBytes(RESULT), { with: 12_300_000, without: 24_600_000 })
  })
})

describe('the report', () => {
  test('is a table, the checks, and the bottom line', () => {
    assert.equal(
      reportText(RESULT),
      `Where the bytes came from (apt-get update and 12 packages):

                             Internet   peers  running download  own cache   time
machine 1  apt-get update      9.4 MB       –                 –          –  1.2 s
           apt-get download    2.9 MB       –                 –          –  1.2 s
machine 2  apt-get update           –  9.4 MB                 –     2.9 MB  1.2 s

ok      all is well

Internet: 12.3 MB with ihave, 24.6 MB without
`,
    )
  })

  test('names a check that failed, and why, after those that hold', () => {
    const failed = { name: 'it is wrong', failure: 'because of this' }
    const text = reportText({ ...RESULT, checks: [failed, ...RESULT.checks] })
    assert.match(text, /ok {6}all is well\nFAILED {2}it is wrong\n {8}because of this\n/)
  })

  test('as JSON says whether all checks hold', () => {
    const passed = (result: DemoResult) => (JSON.parse(reportJson(result)) as { passed: boolean }).passed
    assert.equal(passed(RESULT), true)
    assert.equal(passed({ ...RESULT, checks: [{ name: 'x', failure: 'y' }] }), false)
  })
})
