/** The demo itself: the machine's real apt through three real nodes. The only test that uses the Internet, if it is there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aptDemo, whyNoApt } from '../../demo/apt-demo.ts'
import { systemSources } from '../../demo/apt-sources.ts'
import { isInstalled } from '../../demo/programs.ts'
import { failedChecks, internetBytes } from '../../demo/result.ts'
import { noStage } from '../../demo/stage.ts'
import { inWorkspace } from '../../demo/workspace.ts'

const NO_SOURCES = { list: '', stanzas: '', baseUris: [] }

test(
  'a machine that cannot show it says why',
  { skip: isInstalled('apt-get') ? false : 'apt is not installed here' },
  async () => {
    assert.match((await whyNoApt(NO_SOURCES)) ?? '', /reached by http:/)
    const silent = 'http://127.0.0.1:1/debian'
    assert.equal(await whyNoApt({ ...NO_SOURCES, baseUris: [silent] }), `no answer from ${silent}`)
  },
)

const skip = await whyNoApt(await systemSources())

test(
  'apt on three machines downloads packages and indexes from the Internet once',
  { skip, timeout: 120_000 },
  async (t) => {
    const result = await inWorkspace(t.signal, (workspace) => aptDemo(workspace, noStage))
    assert.deepEqual(failedChecks(result), [])
    const bytes = internetBytes(result)
    const first = result.machines[0]?.steps.reduce((sum, { deliveredBytes }) => sum + deliveredBytes, 0) ?? 0
    assert.ok(first > 0)
    // Everything once, and for each other machine the small signed files that say what is current.
    assert.ok(bytes.with < first * 1.5, `${bytes.with} bytes from the Internet, ${first} for one machine`)
    assert.ok(bytes.without > first * 2.9, `${bytes.without} bytes without, ${first} for one machine`)
  },
)
