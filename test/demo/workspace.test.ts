import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { inWorkspace } from '../../demo/workspace.ts'

const { signal } = new AbortController()

describe('a workspace', () => {
  test('is gone with all that is in it when the work is done', async () => {
    const directory = await inWorkspace(signal, async (workspace) => {
      writeFileSync(join(workspace.directory, 'x'), 'x')
      return workspace.directory
    })
    assert.equal(existsSync(directory), false)
  })

  test('is gone when the work fails, whose error is told', async () => {
    let directory = ''
    const work = inWorkspace(signal, async (workspace) => {
      directory = workspace.directory
      throw new Error('broken')
    })
    await assert.rejects(work, /broken/)
    assert.notEqual(directory, '')
    assert.equal(existsSync(directory), false)
  })

  test('ends the last first, while the directory is still there', async () => {
    const ended: string[] = []
    await inWorkspace(signal, async (workspace) => {
      for (const name of ['first', 'second'])
        workspace.atEnd(async () => void ended.push(`${name} ${existsSync(workspace.directory)}`))
    })
    assert.deepEqual(ended, ['second true', 'first true'])
  })

  test('gives every ending its turn, and tells of those that failed', async () => {
    let directory = ''
    const work = inWorkspace(signal, async (workspace) => {
      directory = workspace.directory
      workspace.atEnd(() => Promise.reject(new Error('stuck')))
    })
    await assert.rejects(work, /left something behind/)
    assert.equal(existsSync(directory), false)
  })
})
