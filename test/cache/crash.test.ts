import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { it } from 'node:test'
import { systemRandom, seededRandom } from '../../core/random.ts'
import { MIB, openDiskStore, readAll, sha256, temporaryDirectory, uriOf } from './store-fixtures.ts'

const ROUNDS = 24

it('whatever the moment of the kill, every listed body is right and what was reported stored last is there', async (test) => {
  const seed = Number(process.env['IHAVE_TEST_SEED'] ?? systemRandom.uint32())
  test.diagnostic(`seed ${seed}: set IHAVE_TEST_SEED to repeat`)
  const random = seededRandom(seed)
  const directory = temporaryDirectory(test)
  let bodies = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const last = await writeAndKill(
      directory,
      random.uint32(),
      random.uint32() % 60,
      random.uint32() % 20_000,
    )
    const { store, events } = await openDiskStore(test, { directory, maxBytes: 12 * MIB })
    assert.ok(store.usage().bytes <= 12 * MIB)
    assert.equal(store.lookup(uriOf(last)).length, 1, `round ${round} lost ${last}`)
    for (const response of store.list()) {
      assert.equal(sha256(await readAll(store, response)), response.digest)
      bodies += 1
    }
    await store.stop()
    const damage = events.filter(({ kind }) => kind !== 'leftovers-removed' && kind !== 'body-lost')
    assert.deepEqual(damage, [])
    assert.deepEqual(
      events.filter(({ kind }) => kind === 'body-lost'),
      [],
    )
  }
  test.diagnostic(`${bodies} bodies were read`)
})

/** Kills the writer after some lines and some more turns of the loop. @returns the name that it reported last. */
async function writeAndKill(directory: string, seed: number, lines: number, spins: number): Promise<string> {
  const writer = join(import.meta.dirname, 'crashing-writer.ts')
  const child = spawn(process.execPath, [writer, directory, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let seen = 0
  let last = ''
  for await (const line of createInterface(child.stdout)) {
    last = line
    seen += 1
    if (seen === lines + 1) void spin(spins).then(() => child.kill('SIGKILL'))
  }
  return last
}

async function spin(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
