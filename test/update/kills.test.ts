/** Whatever the moment of a kill: the old set or the new one, whole; and the next run completes (issue 6, "must hold"). */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededRandom, systemRandom, type Random } from '../../core/random.ts'
import { patterned } from '../signing/fixtures.ts'
import { world, type World } from './world.ts'

const UPDATER = join(import.meta.dirname, 'killed-updater.ts')
const COMPONENTS = ['vsasap', 'engine', 'data'] as const
/** As many as fit into this time, unless `IHAVE_TEST_ROUNDS` says how many. */
const LASTS_MS = 30_000
const LEAST_ROUNDS = 10
/** How much later the next kill may come after one that met the old set; as much earlier after the new one. */
const LATER = 1.25

test('every kill leaves the old set or the new one, whole, and the next run completes', async (t) => {
  const seed = Number(process.env['IHAVE_TEST_SEED'] ?? systemRandom.uint32())
  const rounds = Number(process.env['IHAVE_TEST_ROUNDS'] ?? Infinity)
  t.diagnostic(`seed ${seed}: set IHAVE_TEST_SEED to repeat; IHAVE_TEST_ROUNDS for more or fewer rounds`)
  const random = seededRandom(seed)
  const w = world(t)
  const began = performance.now()
  const isOver = (round: number) =>
    rounds === Infinity
      ? round > LEAST_ROUNDS + 1 && performance.now() - began > LASTS_MS
      : round > rounds + 1
  const aim = new Aim(await measured(w), random)
  const left: Record<string, number> = { old: 0, new: 0, nothing: 0 }
  for (let round = 2; !isOver(round); round++) {
    publishRound(w, round)
    await killedRun(w, aim.waitMs())
    const there = wholeSet(w)
    aim.met(there)
    left[there] = (left[there] ?? 0) + 1
    // Every third time it is killed once more before it may complete.
    if (round % 3 === 0) await killedRun(w, aim.waitMs())
    wholeSet(w)
    if (round % 5 !== 0) continue
    assert.match(await run(w), /"outcome":"(?:updated|up-to-date)"/)
    assert.equal(wholeSet(w), 'new')
    checkTidy(w)
  }
  t.diagnostic(`after a kill: ${JSON.stringify(left)}`)
  assert.ok((left['old'] ?? 0) > 0 && (left['new'] ?? 0) > 0, 'kills met only one side of the switch')
})

/** Each file of a release says which one it belongs to. */
function content(component: string, round: number): string {
  return `${round}\n${patterned(30_000, round * 10 + component.length).toString('latin1')}`
}

function publishRound(w: World, round: number): void {
  // One component stays as it is in most rounds, so that sets are put together from both.
  const components = COMPONENTS.filter((_, at) => round === 1 || at !== round % 4)
  w.publish(Object.fromEntries(components.map((each) => [each, [`1.${round}`, content(each, round)]])))
  w.now += 60_000
}

/** What applications see must be one release, with every file as it was published. */
function wholeSet(w: World): 'old' | 'new' | 'nothing' {
  const id = w.installation.currentId()
  if (id === undefined) return 'nothing'
  const set = w.installation.current()
  assert.ok(set, `current points to ${id}, which is no whole set`)
  const folder = w.installation.set(id)
  for (const { files, component, version } of set.components)
    for (const { name, sha256 } of files) {
      const bytes = readFileSync(join(folder, name))
      assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256, `${id}: ${name}`)
      assert.equal(
        bytes.toString('latin1').split('\n')[0],
        version.slice(2),
        `${id}: ${component} is of another release`,
      )
    }
  const latest = JSON.parse(readFileSync(join(w.site, '.publish/site.json'), 'utf8'))
  const isNew = latest.packages.every(({ component, sha256 }: { component: string; sha256: string }) =>
    set.components.some((each) => each.component === component && each.sha256 === sha256),
  )
  return isNew ? 'new' : 'old'
}

/** Nothing of interrupted runs stays. */
function checkTidy(w: World): void {
  const { versions, downloads } = w.installation
  assert.ok(readdirSync(versions).length <= 3 && readdirSync(versions).every((name) => !name.startsWith('.')))
  assert.deepEqual(readdirSync(downloads), [])
  assert.ok(!existsSync(join(w.into, '.current.new')) && !existsSync(join(w.into, '.ihave/journal.json')))
}

/**
 * When the next kill comes: at a random moment of a run, whose length follows what kills have met. A machine that became
 * faster or slower since the first run would otherwise have all of them fall on one side of the switch.
 */
class Aim {
  #tookMs: number
  readonly #random: Random

  constructor(tookMs: number, random: Random) {
    this.#tookMs = tookMs
    this.#random = random
  }

  /** In ms after a run's first word; or later than its end, which is no kill. */
  waitMs(): number {
    return this.#random.fraction() * this.#tookMs * 1.1
  }

  met(set: 'old' | 'new' | 'nothing'): void {
    this.#tookMs *= set === 'new' ? 1 / LATER : LATER
  }
}

/** From the first word of a run to its end, in ms: kills are spread over that. */
async function measured(w: World): Promise<number> {
  publishRound(w, 1)
  const began = performance.now()
  let startedAt = began
  await run(w, (child) => child.stdout.once('data', () => (startedAt = performance.now())))
  return performance.now() - startedAt
}

function run(w: World, watch: (child: ReturnType<typeof start>) => void = () => {}): Promise<string> {
  const child = start(w)
  watch(child)
  let said = ''
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
  return new Promise((resolve) => child.once('close', () => resolve(said)))
}

function start(w: World) {
  return spawn(process.execPath, [UPDATER, w.site, join(w.keys, 'publisher.pem'), w.into, String(w.now)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Killed so long after its first word. */
async function killedRun(w: World, waitMs: number): Promise<void> {
  await run(w, (child) => {
    child.stdout.once('data', () => {
      const end = performance.now() + waitMs
      const look = () => (performance.now() >= end ? child.kill('SIGKILL') : setImmediate(look))
      look()
    })
  })
}
