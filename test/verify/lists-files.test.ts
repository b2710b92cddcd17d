import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { machineFiles } from '../../verify/lists-files.ts'

test('a new file changes the stamp of its directory, and the watcher hears of it', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'ihave-lists-'))
  t.after(() => rm(directory, { recursive: true }))
  const before = await machineFiles.stamp(directory)
  const { promise: changed, resolve } = Promise.withResolvers<void>()
  const unwatch = machineFiles.watch(directory, resolve)
  t.after(unwatch)
  await writeFile(join(directory, 'new_Packages'), 'x')
  await changed
  assert.notEqual(before, undefined)
  assert.notEqual(await machineFiles.stamp(directory), before)
})

test('a file that is replaced has another stamp, an untouched one the same', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'ihave-lists-'))
  t.after(() => rm(directory, { recursive: true }))
  const file = join(directory, 'a_Packages')
  await writeFile(file, 'x')
  const before = await machineFiles.stamp(file)
  assert.equal(await machineFiles.stamp(file), before)
  await writeFile(file, 'longer')
  assert.notEqual(await machineFiles.stamp(file), before)
})

test('what is not there has no stamp, and watching it neither throws nor calls', () => {
  const missing = join(tmpdir(), 'ihave-no-such-directory')
  assert.doesNotThrow(() => machineFiles.watch(missing, () => assert.fail('called'))())
  return assert.doesNotReject(async () => assert.equal(await machineFiles.stamp(missing), undefined))
})
