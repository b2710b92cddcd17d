/** The demo itself, without apt: three real nodes, the real curl, and an origin server on loopback. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { curlDemo, whyNoCurl } from '../../demo/curl-demo.ts'
import { failedChecks, internetBytes } from '../../demo/result.ts'
import { noStage } from '../../demo/stage.ts'
import { inWorkspace } from '../../demo/workspace.ts'

const settings = { fileBytes: 6_000_000, bytesPerSecond: 4_000_000 }

test(
  'curl on three machines downloads a file from the Internet once',
  { skip: whyNoCurl(), timeout: 60_000 },
  async (t) => {
    const result = await inWorkspace(t.signal, (workspace) => curlDemo(workspace, noStage, settings))
    assert.deepEqual(failedChecks(result), [])
    assert.deepEqual(internetBytes(result), { with: 6_000_000, without: 18_000_000 })
  },
)
