import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { type Random, seededRandom, systemRandom } from '../../core/random.ts'
import type { StoredResponse } from '../../core/store.ts'
import { fieldValue } from '../../core/fields.ts'
import {
  BODY_FIELD,
  MIB,
  openDiskStore,
  readAll,
  sha256,
  temporaryDirectory,
  unwantedFiles,
  until,
  uriOf,
} from './store-fixtures.ts'

/** As many rounds as fit into this time, unless `IHAVE_TEST_ROUNDS` says how many. */
const LASTS_MS = 20_000
const LEAST_ROUNDS = 10
const WRITER = join(import.meta.dirname, 'crashing-writer.ts')

it('whatever the moment of the kill, every listed body is right and what was reported stored last is there', async (test) => {
  const seed = Number(process.env['IHAVE_TEST_SEED'] ?? systemRandom.uint32())
  const rounds = Number(process.env['IHAVE_TEST_ROUNDS'] ?? Infinity)
  test.diagnostic(`seed ${seed}: set IHAVE_TEST_SEED to repeat; IHAVE_TEST_ROUNDS for more or fewer rounds`)
  const random = seededRandom(seed)
  const directories = [temporaryDirectory(test), temporaryDirectory(test)]
  const begun = performance.now()
  let [round, bodies] = [0, 0]
  const isOver = () =>
    rounds === Infinity ? round >= LEAST_ROUNDS && performance.now() - begun > LASTS_MS : round >= rounds
  for (; !isOver(); round += 1) {
    // With the larger one small bodies lie in segments, with the smaller one much is evicted.
    const maxBytes = (round % 2 === 0 ? 12 : 64) * MIB
    const directory = directories[round % 2] ?? ''
    const said = await writeAndKill(directory, random, maxBytes)
    bodies += await checkFiles(test, directory, said, maxBytes, `round ${round}`)
  }
  test.diagnostic(`${round} kills, ${bodies} bodies were read`)
})

/** Kills the writer while it starts, or after some lines; and some more turns of the loop. @returns its lines. */
async function writeAndKill(directory: string, random: Random, maxBytes: number): Promise<string[]> {
  const child = spawn(process.execPath, [WRITER, directory, String(random.uint32()), '', String(maxBytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = random.fraction() < 0.3 ? 0 : random.uint32() % 60
  const spins = random.uint32() % (lines === 0 ? 2000 : 20_000)
  const said: string[] = []
  for await (const line of createInterface(child.stdout)) {
    said.push(line)
    if (said.length === lines + 1) void spin(spins).then(() => child.kill('SIGKILL'))
  }
  return said
}

async function spin(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Everything that a killed process left must be right or gone. @returns how many bodies were read. */
async function checkFiles(
  test: TestContext,
  directory: string,
  said: readonly string[],
  maxBytes: number,
  round: string,
): Promise<number> {
  assert.equal(said[0], 'start', round)
  assert.deepEqual(
    said.slice(1).filter((line) => !/^[+-]/.test(line)),
    [],
    round,
  )
  const { store, events } = await openDiskStore(test, { directory, maxBytes })
  const last = lastStored(said)
  if (last !== undefined) assert.equal(store.lookup(uriOf(last)).length, 1, `${round} lost ${last}`)
  const responses = [...store.list()]
  for (const response of responses) {
    assert.equal(sha256(await readAll(store, response)), response.digest, round)
    assert.equal(fieldValue(response.fields, BODY_FIELD), response.digest, round)
  }
  await until(() => unwantedFiles(directory, responses).length === 0)
  assert.deepEqual(store.usage(), { ...totalsOf(responses), partialBytes: 0, maxBytes }, round)
  assert.ok(store.usage().bytes <= maxBytes, round)
  await store.stop()
  assert.deepEqual(
    events.filter(({ kind }) => kind !== 'leftovers-removed'),
    [],
    round,
  )
  return responses.length
}

/** The name in the last `+` line, unless it was about to be removed afterwards. */
function lastStored(said: readonly string[]): string | undefined {
  const at = said.findLastIndex((line) => line.startsWith('+'))
  const name = said[at]?.slice(1)
  return name === undefined || said.slice(at).includes(`-${name}`) ? undefined : name
}

function totalsOf(responses: readonly StoredResponse[]): { bytes: number; responses: number } {
  const bodies = new Map(responses.map(({ digest, size }) => [digest, size]))
  return { bytes: [...bodies.values()].reduce((sum, size) => sum + size, 0), responses: responses.length }
}
