/** Partial copies on disk, over restarts, crashes and damage; what both stores do is in store-conformance.ts. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { cutAtPieces, joinable } from '../../cache/span-digests.ts'
import { systemRandom, seededRandom } from '../../core/random.ts'
import type { GrowingCopy, Store } from '../../core/store.ts'
import {
  all,
  bytesOf,
  collect,
  fault,
  headOf,
  MIB,
  openDiskStore,
  readAll,
  sha256,
  temporaryDirectory,
  until,
  uriOf,
} from './store-fixtures.ts'

const BYTES = bytesOf(4 * MIB, 9)
const WHOLE = { start: 0, end: Infinity }

/** A store's directory with a partial copy of the first two MiB and some of the last, and the path of its bytes. */
async function leftBehind(test: TestContext): Promise<{ directory: string; path: string }> {
  const directory = temporaryDirectory(test)
  const { store } = await openDiskStore(test, { directory })
  const copy = await store.create()
  copy.setSize(BYTES.length)
  await copy.write(3 * MIB + 7, BYTES.subarray(3 * MIB + 7))
  await copy.write(0, BYTES.subarray(0, 2 * MIB))
  await store.shelve(copy, headOf('a'))
  await store.stop()
  const [name = ''] = readdirSync(join(directory, 'growing'))
  return { directory, path: join(directory, 'growing', name) }
}

function resumed(store: Store): GrowingCopy {
  const [partial] = store.partials(uriOf('a'))
  const copy = partial && store.resume(partial)
  assert.ok(copy, 'no partial copy was left')
  copy.release(Infinity)
  return copy
}

describe('a partial copy after a restart', () => {
  it('is there, counts, and goes on', async (test) => {
    const { directory } = await leftBehind(test)
    const { store } = await openDiskStore(test, { directory })
    assert.equal(store.usage().partialBytes, 3 * MIB)
    const copy = resumed(store)
    assert.equal(copy.heldUntil(0), 0, 'bytes are held that were not checked')
    assert.deepEqual(copy.missing(WHOLE), [{ start: 2 * MIB, end: 3 * MIB + 7 }])
    await copy.recall(WHOLE)
    assert.ok(BYTES.subarray(0, 2 * MIB).equals(await collect(copy.read({ start: 0, end: 2 * MIB }))))
    await copy.write(2 * MIB, BYTES.subarray(2 * MIB))
    const stored = await store.commit(copy, headOf('a'))
    assert.equal(stored.digest, sha256(BYTES))
    assert.ok(BYTES.equals(await readAll(store, stored)))
  })

  it('is still there after the next one, although nobody looked at it', async (test) => {
    const { directory } = await leftBehind(test)
    for (let start = 0; start < 2; start++) await (await openDiskStore(test, { directory })).store.stop()
    const { store } = await openDiskStore(test, { directory })
    const copy = resumed(store)
    await copy.recall(WHOLE)
    assert.equal(copy.heldUntil(0), 2 * MIB)
  })

  for (const at of [0, MIB - 1, MIB, 3 * MIB + 7, 4 * MIB - 1])
    it(`of which byte ${at} was changed on the disk lacks the bytes of that piece, and no others`, async (test) => {
      const { directory, path } = await leftBehind(test)
      const bytes = readFileSync(path)
      bytes[at] = (bytes[at] ?? 0) ^ 1
      writeFileSync(path, bytes)
      const { store } = await openDiskStore(test, { directory })
      const copy = resumed(store)
      await copy.recall(WHOLE)
      const piece = Math.floor(at / MIB)
      const [lost] = copy.missing({ start: at, end: at + 1 })
      assert.deepEqual(lost, { start: at, end: at + 1 })
      assert.equal(copy.heldUntil(0), Math.min(piece, 2) * MIB)
      for (const { start, end } of copy.missing(WHOLE)) await copy.write(start, BYTES.subarray(start, end))
      assert.equal((await store.commit(copy, headOf('a'))).digest, sha256(BYTES))
      assert.equal(store.usage().bytes, BYTES.length)
    })

  it('whose file was cut or has gone lacks what was there', async (test) => {
    const cut = await leftBehind(test)
    truncateSync(cut.path, MIB + 1)
    const { store } = await openDiskStore(test, { directory: cut.directory })
    const copy = resumed(store)
    await copy.recall(WHOLE)
    assert.deepEqual(copy.missing(WHOLE), [{ start: MIB, end: 4 * MIB }])
    const gone = await leftBehind(test)
    rmSync(gone.path)
    const { store: other } = await openDiskStore(test, { directory: gone.directory })
    assert.deepEqual([other.partials(uriOf('a')), other.usage().bytes], [[], 0])
  })

  it('that is removed unseen takes its file with it', async (test) => {
    const { directory } = await leftBehind(test)
    const { store } = await openDiskStore(test, { directory })
    store.remove(uriOf('a'))
    await until(() => store.usage().bytes === 0)
    assert.deepEqual(readdirSync(join(directory, 'growing')), [])
  })

  it('in use at the stop is there as it was recorded, and what was not recorded is gone', async (test) => {
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory })
    const copies = [await store.create(), await store.create()]
    for (const copy of copies) {
      copy.setSize(BYTES.length)
      await copy.write(0, BYTES.subarray(0, MIB))
    }
    const [first] = copies
    assert.ok(first)
    await store.record(first, headOf('a'))
    await first.write(MIB, BYTES.subarray(MIB, 2 * MIB))
    await store.stop()
    const { store: again } = await openDiskStore(test, { directory })
    assert.equal(again.usage().bytes, 2 * MIB)
    const copy = resumed(again)
    await copy.recall(WHOLE)
    assert.equal(copy.heldUntil(0), 2 * MIB)
  })
})

/** A store with a copy in use, and the path of its bytes, once there is a file. */
async function growing(test: TestContext) {
  const directory = temporaryDirectory(test)
  const { store } = await openDiskStore(test, { directory })
  const copy = await store.create()
  copy.setSize(BYTES.length)
  copy.release(Infinity)
  const write = (start: number, end: number) => copy.write(start, BYTES.subarray(start, end))
  const path = () => join(directory, 'growing', readdirSync(join(directory, 'growing'))[0] ?? '')
  return { directory, store, copy, write, path }
}

/** What a killed process leaves of a copy whose first MiB was written down: `more` is in its file, and in no record. */
async function killed(test: TestContext, directory: string, more: { start: number; end: number }) {
  const { store } = await openDiskStore(test, { directory })
  const copy = await store.create()
  copy.setSize(BYTES.length)
  await copy.write(0, BYTES.subarray(0, MIB))
  await store.shelve(copy, headOf('a'))
  await store.stop()
  const [name = ''] = readdirSync(join(directory, 'growing'))
  const path = join(directory, 'growing', name)
  writeAt(path, more.start, BYTES.subarray(more.start, more.end))
  return { path, size: statSync(path).size }
}

function writeAt(path: string, offset: number, bytes: Uint8Array): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, offset)
  closeSync(file)
}

function flip(path: string, at: number): void {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, at)
  writeSync(file, Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, at)
  closeSync(file)
}

describe('a partial copy of a process that was killed', () => {
  it('is cut behind what was written down, before anybody has it', async (test) => {
    const directory = temporaryDirectory(test)
    const { path, size } = await killed(test, directory, { start: 2 * MIB, end: 3 * MIB })
    assert.equal(size, 3 * MIB)
    const { store } = await openDiskStore(test, { directory })
    assert.deepEqual([statSync(path).size, store.usage().bytes], [MIB, MIB])
    const copy = resumed(store)
    await copy.recall(WHOLE)
    assert.deepEqual(copy.missing(WHOLE), [{ start: MIB, end: 4 * MIB }])
    await copy.write(MIB, BYTES.subarray(MIB))
    assert.equal((await store.commit(copy, headOf('a'))).digest, sha256(BYTES))
    assert.equal(store.usage().bytes, BYTES.length)
  })

  it('counts what lies unrecorded in between, until it is whole', async (test) => {
    const { directory, path } = await leftBehind(test)
    writeAt(path, 2 * MIB, bytesOf(MIB / 2, 5))
    const { store } = await openDiskStore(test, { directory })
    const taken = 3.5 * MIB
    assert.deepEqual([store.usage().bytes, store.partials()[0]?.heldBytes], [taken, 3 * MIB - 7])
    const copy = resumed(store)
    await copy.recall(WHOLE)
    await copy.write(2 * MIB, BYTES.subarray(2 * MIB, 3 * MIB))
    assert.equal(store.usage().bytes, BYTES.length, 'more than all of it is counted')
    await store.shelve(copy, headOf('a'))
    const again = resumed(store)
    await again.recall(WHOLE)
    await again.write(3 * MIB, BYTES.subarray(3 * MIB))
    assert.equal((await store.commit(again, headOf('a'))).digest, sha256(BYTES))
    assert.equal(store.usage().bytes, BYTES.length)
  })
})

describe('what a partial copy takes', () => {
  it('is the blocks of the disk that its bytes lie in', async (test) => {
    const { directory, store, copy, path } = await growing(test)
    for (const at of [0, 100, 4095, 4097, 2 * MIB - 1, 2 * MIB, 4 * MIB - 1])
      await copy.write(at, BYTES.subarray(at, at + 1))
    await store.shelve(copy, headOf('a'))
    assert.deepEqual([store.usage().bytes, store.partials()[0]?.heldBytes], [5 * 4096, 7])
    assert.ok(statSync(path()).blocks * 512 <= store.usage().bytes)
    await store.stop()
    const { store: again } = await openDiskStore(test, { directory })
    assert.equal(again.usage().bytes, 5 * 4096)
  })

  it('is little of the disk where it is the end of a small file', async (test) => {
    const { store, path } = await growing(test)
    const small = BYTES.subarray(0, 250_000)
    const copy = await store.create(1000, small.length)
    copy.setSize(small.length)
    await copy.write(249_000, small.subarray(249_000))
    assert.equal(store.usage().bytes, 1000)
    await store.shelve(copy, headOf('a'))
    assert.equal(store.usage().bytes, 2 * 4096)
    assert.ok(statSync(path()).blocks * 512 <= 2 * 4096)
    const again = resumed(store)
    await again.write(0, small.subarray(0, 249_000))
    await again.recall(WHOLE)
    assert.equal((await store.commit(again, headOf('a'))).digest, sha256(small))
    assert.equal(store.usage().bytes, small.length)
  })

  it('is never more than the body, which may be as large as the quota', async (test) => {
    const body = BYTES.subarray(0, 2 * MIB + 5)
    const directory = temporaryDirectory(test)
    const { store } = await openDiskStore(test, { directory, maxBytes: body.length })
    const copy = await store.create(body.length)
    copy.setSize(body.length)
    for (const [start, end] of [
      [2 * MIB + 4, 2 * MIB + 5],
      [MIB + 1, 2 * MIB],
      [0, MIB + 1],
      [2 * MIB, 2 * MIB + 4],
    ] as const)
      await copy.write(start, body.subarray(start, end))
    assert.equal((await store.commit(copy, headOf('a'))).digest, sha256(body))
    assert.equal(store.usage().bytes, body.length)
  })
})

describe('a partial copy that nobody used for a while', () => {
  for (const [how, damage, lost] of [
    [
      'of which a bit was flipped',
      (path: string) => flip(path, 3 * MIB + 9),
      { start: 3 * MIB, end: 4 * MIB },
    ],
    ['whose file was cut', (path: string) => truncateSync(path, MIB + 5), { start: MIB, end: 4 * MIB }],
    [
      'whose file was cut and is as long again',
      (path: string) => {
        truncateSync(path, MIB + 5)
        truncateSync(path, BYTES.length)
      },
      { start: MIB, end: 4 * MIB },
    ],
  ] as const)
    it(`${how} lacks what is wrong, and is stored with what came`, async (test) => {
      const { store, copy, write, path } = await growing(test)
      await write(0, 2 * MIB)
      await write(3 * MIB, 4 * MIB)
      await write(2 * MIB, 3 * MIB - 1)
      await store.shelve(copy, headOf('a'))
      damage(path())
      const again = resumed(store)
      assert.equal(again.heldUntil(0), 0, 'bytes are held that were not checked')
      await again.recall(WHOLE)
      const missing = again.missing(WHOLE)
      assert.equal(missing.at(-1)?.end, lost.end)
      assert.ok(missing.some(({ start }) => start <= lost.start))
      for (const { start, end } of missing) await again.write(start, BYTES.subarray(start, end))
      const stored = await store.commit(again, headOf('a'))
      assert.equal(stored.digest, sha256(BYTES))
      assert.ok(BYTES.equals(await readAll(store, stored)))
      assert.equal(store.usage().bytes, BYTES.length)
    })

  it('is stored with what came, after any number of uses', async (test) => {
    const { store, copy, write } = await growing(test)
    await write(MIB, MIB + 100)
    let last = copy
    for (const [start, end] of [
      [0, 100],
      [100, MIB],
      [MIB + 100, 3 * MIB],
      [3 * MIB + 5, 4 * MIB],
    ] as const) {
      await store.shelve(last, headOf('a'))
      last = resumed(store)
      await last.write(start, BYTES.subarray(start, end))
    }
    await last.recall(WHOLE)
    assert.deepEqual(last.missing(WHOLE), [{ start: 3 * MIB, end: 3 * MIB + 5 }])
    await last.write(3 * MIB, BYTES.subarray(3 * MIB, 3 * MIB + 5))
    const stored = await store.commit(last, headOf('a'))
    assert.equal(stored.digest, sha256(BYTES))
    assert.ok(BYTES.equals(await readAll(store, stored)))
  })

  it('that was filled in many small pieces has few digests', async (test) => {
    const { store, copy } = await growing(test)
    let last = copy
    for (let at = 0; at < MIB; at += MIB / 32) {
      await last.write(at, BYTES.subarray(at, at + MIB / 32))
      await store.shelve(last, headOf('a'))
      last = resumed(store)
    }
    await store.shelve(last, headOf('a'))
    const findings = await all(store.verify())
    assert.deepEqual(findings, [{ kind: 'read', bytes: MIB }, { kind: 'right-part' }])
  })

  it('gives who still reads it what is right', async (test) => {
    const { store, copy, write } = await growing(test)
    await write(0, 4 * MIB - 1)
    const reader = copy.read({ start: 0, end: 4 * MIB - 1 })[Symbol.asyncIterator]()
    const chunks = [(await reader.next()).value as Uint8Array]
    await store.shelve(copy, headOf('a'))
    for (let step = await reader.next(); step.done !== true; step = await reader.next())
      chunks.push(step.value)
    assert.ok(BYTES.subarray(0, -1).equals(Buffer.concat(chunks)))
  })
})

describe('what is read back to be digested', () => {
  it('is compared with what came: a copy that was damaged meanwhile is not stored', async (test) => {
    const { store, copy, write, path } = await growing(test)
    await write(2 * MIB, 3 * MIB)
    flip(path(), 2 * MIB + 7)
    await write(0, 2 * MIB).catch(() => {})
    await write(3 * MIB, 4 * MIB).catch(() => {})
    await assert.rejects(store.commit(copy, headOf('a')), fault('STORE_CORRUPT'))
    assert.ok(copy.hasFailed)
    assert.deepEqual([store.lookup(uriOf('a')), store.usage().bytes], [[], 0])
  })

  it('is not what lay in memory before there was a file', async (test) => {
    const { store, copy, write, path } = await growing(test)
    await write(0, 200_000)
    await write(2 * MIB, 4 * MIB)
    flip(path(), 100)
    await write(200_000, 2 * MIB)
    const stored = await store.commit(copy, headOf('a'))
    assert.equal(stored.digest, sha256(BYTES))
    await assert.rejects(readAll(store, stored), fault('STORE_CORRUPT'))
  })

  it('ends the copy for its readers when it cannot be read', async (test) => {
    const { copy, write, path } = await growing(test)
    await write(0, 4 * MIB - 1)
    truncateSync(path(), MIB)
    await assert.rejects(collect(copy.read({ start: 0, end: 3 * MIB })), fault('STORE_FAILED'))
    assert.ok(copy.hasFailed)
  })
})

describe('verifying a partial copy at rest', () => {
  it('finds it right, drops what is damaged, and leaves it at rest', async (test) => {
    const { directory, store, copy, write, path } = await growing(test)
    await write(2 * MIB, 4 * MIB)
    await write(0, MIB)
    await store.shelve(copy, headOf('a'))
    const pieces = [1, 2, 3].map(() => ({ kind: 'read', bytes: MIB }))
    assert.deepEqual(await all(store.verify()), [...pieces, { kind: 'right-part' }])
    flip(path(), 3 * MIB)
    const found = (await all(store.verify())).at(-1)
    assert.ok(found?.kind === 'lost')
    assert.deepEqual(
      found.responses.map(({ uri }) => uri),
      [uriOf('a')],
    )
    assert.match(found.reason, /^1\.0 MB of what is here/)
    assert.deepEqual(await all(store.verify()), [...pieces.slice(1), { kind: 'right-part' }])
    assert.deepEqual([store.usage().partialBytes, store.partials()[0]?.heldBytes], [2 * MIB, 2 * MIB])
    await store.stop()
    const { store: again } = await openDiskStore(test, { directory })
    assert.equal(again.usage().partialBytes, 2 * MIB)
    const left = resumed(again)
    await left.recall(WHOLE)
    assert.deepEqual(left.missing(WHOLE), [
      { start: MIB, end: 2 * MIB },
      { start: 3 * MIB, end: 4 * MIB },
    ])
  })

  it('removes one of which nothing is right, also what a former process left', async (test) => {
    const { directory, path } = await leftBehind(test)
    writeFileSync(path, Buffer.alloc(BYTES.length))
    const { store } = await openDiskStore(test, { directory })
    const findings = await all(store.verify())
    assert.deepEqual(
      findings.map(({ kind }) => kind),
      ['lost'],
    )
    assert.deepEqual([store.partials(), store.usage().bytes], [[], 0])
    assert.deepEqual(await all(store.verify()), [])
  })

  it('removes one whose file has gone, also where nobody has looked at it', async (test) => {
    const { directory, path } = await leftBehind(test)
    const { store } = await openDiskStore(test, { directory })
    rmSync(path)
    const [finding] = await all(store.verify())
    assert.ok(finding?.kind === 'lost')
    assert.equal(finding.reason, 'its file is missing')
    assert.deepEqual([store.partials(), store.usage().bytes], [[], 0])
  })

  it('leaves in peace one that is taken into use meanwhile', async (test) => {
    const { store, copy, write } = await growing(test)
    await write(0, 4 * MIB - 1)
    await store.shelve(copy, headOf('a'))
    for await (const finding of store.verify()) {
      assert.notEqual(finding.kind, 'lost')
      const [partial] = store.partials()
      const taken = partial && store.resume(partial)
      await taken?.recall(WHOLE)
      await taken?.discard()
    }
    assert.equal(store.usage().bytes, 0)
  })
})

it('spans are joined where they follow within a piece, and are many or fill it', () => {
  const spans = (...starts: number[]) =>
    starts.slice(1).map((end, n) => ({ start: starts[n] ?? 0, end, sha256: new Uint8Array() }))
  const ends = (groups: ReturnType<typeof joinable>) =>
    groups.map((group) => [group[0]?.start, group.at(-1)?.end])
  const many = [MIB + 1, ...[2, 3, 4, 5, 6, 7, 8, 9].map((n) => MIB + n)]
  assert.deepEqual(ends(joinable(spans(0, 5, MIB))), [[0, MIB]])
  assert.deepEqual(ends(joinable(spans(0, 5, MIB - 1))), [])
  assert.deepEqual(ends(joinable(spans(...many))), [[MIB + 1, MIB + 9]])
  assert.deepEqual(ends(joinable(spans(...many.slice(1)))), [])
  assert.deepEqual(ends(joinable([...spans(MIB, 2 * MIB), ...spans(0, MIB)])), [])
})

it('whatever the moment of the kill, no wrong byte of a partial copy is held, and what was recorded is', async (test) => {
  const seed = Number(process.env['IHAVE_TEST_SEED'] ?? systemRandom.uint32())
  test.diagnostic(`seed ${seed}: set IHAVE_TEST_SEED to repeat`)
  const random = seededRandom(seed)
  const directory = temporaryDirectory(test)
  let recalled = 0
  for (let round = 0; round < 8; round++) {
    const recorded = await fillAndKill(directory, random.uint32(), random.uint32() % 12)
    const { store, events } = await openDiskStore(test, { directory })
    const copy = resumed(store)
    await copy.recall(WHOLE)
    for (const { start, end } of recorded)
      assert.deepEqual(copy.missing({ start, end }), [], `round ${round}`)
    for (let at = 0; at < BYTES.length; at = Math.max(copy.heldUntil(at), at + 1000)) {
      const held = { start: at, end: copy.heldUntil(at) }
      assert.ok(BYTES.subarray(held.start, held.end).equals(await collect(copy.read(held))))
      recalled += held.end - held.start
    }
    assert.deepEqual(
      events.filter(({ kind }) => kind !== 'leftovers-removed'),
      [],
    )
    store.remove(uriOf('a'))
    await store.shelve(copy, headOf('a'))
    await store.stop()
  }
  test.diagnostic(`${recalled} bytes were recalled`)
})

/** Lets a process write spans until it has reported some more. @returns the spans that were recorded. */
async function fillAndKill(directory: string, seed: number, more: number) {
  const writer = join(import.meta.dirname, 'crashing-writer.ts')
  const child = spawn(process.execPath, [writer, directory, String(seed), 'partial'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (output.split('\n').length > more + 1) child.kill('SIGKILL')
  })
  await once(child, 'close')
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' ').map(Number))
    .map(([start = 0, end = 0]) => ({ start, end }))
}

it('held spans are cut at the borders of pieces', () => {
  const spans = [
    { start: 5, end: 6 },
    { start: MIB - 1, end: 3 * MIB + 1 },
  ]
  assert.deepEqual(cutAtPieces(spans), [
    { start: 5, end: 6 },
    { start: MIB - 1, end: MIB },
    { start: MIB, end: 2 * MIB },
    { start: 2 * MIB, end: 3 * MIB },
    { start: 3 * MIB, end: 3 * MIB + 1 },
  ])
})
