/** With the real apt, where there is one; it sends nothing: it only reads what is on this machine. */
import assert from 'node:assert/strict'
import { accessSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../../core/clock.ts'
import type { Policy } from '../../core/policy.ts'
import { parseTargetUri, type TargetUri } from '../../core/target-uri.ts'
import type { AptListsEvent } from '../../verify/apt-lists.ts'
import { apt } from '../../verify/apt.ts'
import { aptIndexParser } from '../../verify/apt-index.ts'
import { verifierLadder } from '../../verify/ladder.ts'
import { runOnMachine } from '../../verify/run.ts'
import { stanza } from './fake-apt.ts'

const skip = hasApt() ? false : 'no apt on this machine'
const A = 'aa'.repeat(32)
const POLICY: Policy = {
  rule: 'test',
  share: true,
  immutable: true,
  store: true,
  verify: 'auto',
  waitForDownloads: true,
}

test("a signed list's digests count, an unsigned list's never", { skip }, async (t) => {
  const machine = await makeMachine(t)
  await machine.addList('signed', 'InRelease', stanza('pool/f/foo_1+b_amd64.deb', A, 10))
  await machine.addList('unsigned', 'Release', stanza('pool/f/foo_1+b_amd64.deb', A, 10))
  const { verifier, events } = await startVerifier(t, machine.configFile)
  assert.deepEqual(await verifier.expect(uri('signed/pool/f/foo_1%2bb_amd64.deb'), POLICY), {
    kind: 'digest',
    rung: 'V2',
    digest: { algorithm: 'sha-256', hex: A },
    size: 10,
    isSigned: true,
  })
  assert.equal((await verifier.expect(uri('unsigned/pool/f/foo_1%2bb_amd64.deb'), POLICY)).kind, 'none')
  assert.deepEqual(
    events.map((event) => (event.kind === 'apt-lists-read' ? [event.lists, event.digests] : event)),
    [[1, 1]],
  )
  assert.deepEqual(await readdir(machine.cacheDirectory), ['archives'], 'reading writes nothing')
})

test('an update of the lists is known to the very next request', { skip }, async (t) => {
  const machine = await makeMachine(t)
  await machine.addList('signed', 'InRelease', stanza('pool/a_1.deb', A))
  const { verifier } = await startVerifier(t, machine.configFile)
  assert.equal((await verifier.expect(uri('signed/pool/a_2.deb'), POLICY)).kind, 'none')
  await machine.addList('signed', 'InRelease', stanza('pool/a_2.deb', A))
  assert.equal((await verifier.expect(uri('signed/pool/a_2.deb'), POLICY)).kind, 'digest')
  assert.equal((await verifier.expect(uri('signed/pool/a_1.deb'), POLICY)).kind, 'none')
})

test("the machine's own lists are read whole", { skip }, async (t) => {
  const { signal } = new AbortController()
  const targets = await apt(runOnMachine).targets(signal)
  const target = targets.find(({ repository }) => /^https?:\/\/[^@]+$/.test(repository))
  if (!target) return t.skip("apt's lists are empty")
  const parser = aptIndexParser()
  const files = new Set<string>()
  for await (const chunk of apt(runOnMachine).cat(target.file, signal)) {
    for (const { filename } of parser.push(chunk)) files.add(filename)
  }
  const { verifier, events } = await startVerifier(t)
  const wanted = parseTargetUri(target.repository + ([...files].at(-1) ?? ''))
  assert.ok(wanted)
  assert.equal((await verifier.expect(wanted, POLICY)).kind, 'digest')
  const read = events.at(-1)
  assert.ok(read?.kind === 'apt-lists-read' && read.digests >= files.size)
  t.diagnostic(`${read.digests} digests of ${read.lists} lists in ${Math.round(read.elapsedMs)} ms`)
})

function hasApt(): boolean {
  try {
    accessSync('/usr/bin/apt-get')
    accessSync('/usr/lib/apt/apt-helper')
    return true
  } catch {
    return false
  }
}

/** An apt with its own directories and sources; its lists lie there as if they had been downloaded and checked. */
async function makeMachine(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'ihave-apt-'))
  t.after(() => rm(root, { recursive: true }))
  const lists = join(root, 'state/lists')
  for (const each of ['state/lists/partial', 'cache/archives/partial', 'etc']) {
    await mkdir(join(root, each), { recursive: true })
  }
  const configFile = join(root, 'apt.conf')
  await writeFile(configFile, configuration(root))
  await writeFile(join(root, 'status'), '')
  const sources = ['signed', 'unsigned'].map((name) => `deb [arch=amd64] http://127.0.0.1:1/${name} x main\n`)
  await writeFile(join(root, 'etc/sources.list'), sources.join(''))
  const put = async (name: string, text: string) => {
    // As apt does: written elsewhere and moved here.
    await writeFile(join(lists, 'partial', name), text)
    await rename(join(lists, 'partial', name), join(lists, name))
  }
  const addList = async (repository: string, release: 'InRelease' | 'Release', packages: string) => {
    const prefix = `127.0.0.1:1_${repository}_dists_x_`
    await put(`${prefix}main_binary-amd64_Packages`, packages)
    await put(`${prefix}${release}`, 'Suite: x\nCodename: x\nArchitectures: amd64\nComponents: main\n')
  }
  return { configFile, cacheDirectory: join(root, 'cache'), addList }
}

function configuration(root: string): string {
  return `
    Dir "${root}";
    Dir::State "${root}/state";
    Dir::State::status "${root}/status";
    Dir::Cache "${root}/cache";
    Dir::Etc "${root}/etc";
    Dir::Etc::main "/dev/null";
    Dir::Etc::parts "/dev/null";
    APT::Architecture "amd64";
  `
}

async function startVerifier(t: TestContext, configFile = 'auto') {
  const events: AptListsEvent[] = []
  const log = (event: AptListsEvent) => void events.push(event)
  const verifier = verifierLadder({ apt: configFile, maxWaitMs: 60_000 }, { clock: systemClock, log })
  t.after(() => verifier.stop())
  await verifier.start()
  return { verifier, events }
}

function uri(path: string): TargetUri {
  const parsed = parseTargetUri(`http://127.0.0.1:1/${path}`)
  assert.ok(parsed)
  return parsed
}
