import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { describe, test } from 'node:test'
import { isInstalled, plainEnvironment, runProgram } from '../../demo/programs.ts'

const OPTIONS = { directory: tmpdir(), signal: new AbortController().signal }

function node(script: string, signal: AbortSignal = OPTIONS.signal): Promise<string> {
  return runProgram(process.execPath, ['-e', script], { ...OPTIONS, signal })
}

describe('a program', () => {
  test('gives what it prints', async () => assert.equal(await node('console.log(1)'), '1\n'))

  test('that fails is an error with what it said', async () => {
    await assert.rejects(node('console.error("so not"); process.exit(3)'), /so not/)
  })

  test('that is not there is an error', async () => {
    await assert.rejects(runProgram('ihave-no-such-program', [], OPTIONS), /ihave-no-such-program/)
    assert.equal(isInstalled('ihave-no-such-program'), false)
    assert.equal(isInstalled(process.execPath), true)
  })

  test('that is aborted ends, and the reason is told', async () => {
    const enough = new AbortController()
    const running = node('setInterval(() => {}, 1000)', enough.signal)
    enough.abort(new Error('enough'))
    await assert.rejects(running, /^Error: enough$/)
    await assert.rejects(node('0', enough.signal), /^Error: enough$/)
  })

  test('sees no proxy of ours and no configuration of anybody', () => {
    assert.deepEqual(Object.keys(plainEnvironment({ APT_CONFIG: 'x' })).toSorted(), [
      'APT_CONFIG',
      'HOME',
      'LC_ALL',
      'PATH',
      'TMPDIR',
    ])
  })
})
