/** What a thief of keys, or anybody on the way, makes of the chain of roots, and how a publisher gets over it. */
import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { readCabinet, unpackFile } from '../../signing/cabinet/read.ts'
import { writeCabinet } from '../../signing/cabinet/write.ts'
import { signCabinet } from '../../signing/sign.ts'
import { loadIdentity, loadKey } from '../../update/publisher/key-folder.ts'
import { makeRoot } from '../../update/publisher/root.ts'
import { rotate } from '../../update/publisher/rotate.ts'
import { Refused } from '../../update/refused.ts'
import {
  fileMeta,
  keyId,
  parseMetadata,
  ROLES,
  signMetadata,
  tufKey,
  type Role,
  type Root,
} from '../../update/tuf/metadata.ts'
import { MAX_ROTATIONS, trustedRoot, trustedTargets, type Remembered } from '../../update/tuf/trusted.ts'
import { AT, DAY, outcomeOf, world, type World } from './world.ts'

const LIMITS = { maxFiles: 20, maxUnpackedBytes: 4_000_000 }

function ed25519(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey
}

/** The catalogue with parts in the place of its own, signed by whoever has the online keys. */
function forged(w: World, change: (parts: Map<string, Buffer>) => void): Buffer {
  const cabinet = readCabinet(w.file('myupdate.cab'), LIMITS)
  const parts = new Map<string, Buffer>()
  for (const { name } of cabinet.files) parts.set(name, unpackFile(cabinet, name) ?? Buffer.alloc(0))
  change(parts)
  const files = [...parts].map(([name, bytes]) => ({ name, bytes }))
  return signCabinet(writeCabinet(files, 'mszip', w.now), loadIdentity(w.keys, 'catalog'))
}

function part(parts: Map<string, Buffer>, name: string): Buffer {
  const bytes = parts.get(name)
  assert.ok(bytes, name)
  return bytes
}

test('who has stolen the online keys publishes nothing, not even to a machine that has nothing yet', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'right'] })
  const evil = ed25519()
  let evilRoot: Buffer | undefined
  const pinned = tufKey(createPublicKey(loadKey(w.keys, 'root')))
  const file = forged(w, (parts) => {
    const keys = { root: evil, targets: evil, snapshot: evil, timestamp: evil }
    const root = parseMetadata<Root>(makeRoot(1, w.now, keys, [evil]), 'root').signed
    // It names the key that is trusted; only, that one has not signed it.
    const keyids = [...root.roles.root.keyids, keyId(pinned)]
    const roles = { ...root.roles, root: { keyids, threshold: 1 } }
    evilRoot = signMetadata({ ...root, keys: { ...root.keys, [keyId(pinned)]: pinned }, roles }, [evil])
    parts.set('root.json', evilRoot)
    for (const role of ['targets', 'snapshot', 'timestamp'] as const) resign(parts, role, evil)
  })
  w.tamper = (name) => ({ 'myupdate.cab': file, 'metadata/1.root.json': evilRoot })[name]
  assert.equal(outcomeOf(await w.update()), 'wrong-signer')
  assert.equal(w.installed('vsasap'), undefined)
})

/** Signs what is there anew, so that everything fits together. */
function resign(parts: Map<string, Buffer>, role: Exclude<Role, 'root'>, key: KeyObject): void {
  const { signed } = parseMetadata(part(parts, `${role}.json`), role)
  const below = role === 'timestamp' ? 'snapshot.json' : role === 'snapshot' ? 'targets.json' : undefined
  const meta = below && { [below]: { version: 1, ...fileMeta(part(parts, below)) } }
  const anew = { ...signed, ...(meta ? { meta } : {}) } as unknown as Parameters<typeof signMetadata>[0]
  parts.set(`${role}.json`, signMetadata(anew, [key]))
}

test('numbers that a thief of online keys has driven up count no more once these keys are rotated', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'right'] })
  const file = forged(w, (parts) => {
    for (const role of ['snapshot', 'timestamp'] as const) {
      const below = role === 'timestamp' ? 'snapshot.json' : 'targets.json'
      const { signed } = parseMetadata(part(parts, `${role}.json`), role)
      const version = below === 'snapshot.json' ? 999_999_999 : 1
      const meta = { [below]: { version, ...fileMeta(part(parts, below)) } }
      const anew = { ...signed, version: 999_999_999, meta } as unknown as Parameters<typeof signMetadata>[0]
      parts.set(`${role}.json`, signMetadata(anew, [loadKey(w.keys, role)]))
    }
  })
  w.tamper = (name) => (name === 'myupdate.cab' ? file : undefined)
  assert.equal(outcomeOf(await w.update()), 'updated')
  w.tamper = () => undefined
  w.now += DAY
  w.publish({ vsasap: ['2', 'newer'] })
  assert.equal(outcomeOf(await w.update()), 'replayed')
  for (const what of ['timestamp', 'snapshot', 'catalog'] as const)
    rotate(w.site, what, { keys: w.keys, at: w.now, validDays: 14 })
  assert.equal(outcomeOf(await w.update()), 'updated')
  assert.equal(w.installed('vsasap'), 'newer')
  // And from then on nothing older is believed again.
  const old = w.file('myupdate.cab')
  w.now += DAY
  w.publish({ vsasap: ['3', 'newest'] })
  assert.equal(outcomeOf(await w.update()), 'updated')
  w.tamper = (name) => (name === 'myupdate.cab' ? old : undefined)
  assert.equal(outcomeOf(await w.update()), 'replayed')
})

for (const [what, rotated, expected] of [
  ['the timestamp key', ['timestamp'], [0, 0, 5]],
  ['the snapshot key', ['snapshot'], [0, 0, 5]],
  ['the targets key', ['targets'], [5, 5, 0]],
  ['every online key and the targets key', ['timestamp', 'snapshot', 'targets'], [0, 0, 0]],
  ['the root key', ['root'], [5, 5, 5]],
] as const)
  test(`a rotation of ${what} forgets the numbers that this key can have driven up, and no others`, async () => {
    const before = { root: ed25519(), targets: ed25519(), snapshot: ed25519(), timestamp: ed25519() }
    const after = { ...before, ...Object.fromEntries(rotated.map((role) => [role, ed25519()])) }
    const seen = {
      root: makeRoot(1, AT, before, [before.root]).toString(),
      timestamp: 5,
      snapshot: 5,
      targets: 5,
    }
    const next = makeRoot(2, AT, after, [before.root, after.root])
    const question = { first: [], fetchRoot: async () => assert.fail('no other root is asked for') }
    const trusted = (await trustedRoot(next, seen, question)).seen
    assert.deepEqual([trusted?.timestamp, trusted?.snapshot, trusted?.targets], expected)
  })

test('a machine that was away for 70 rotations, and one that has nothing yet, follow root by root', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  for (let time = 0; time < 69; time++)
    rotate(w.site, 'timestamp', { keys: w.keys, at: w.now, validDays: 14 })
  rotate(w.site, 'root', { keys: w.keys, at: w.now, validDays: 14 })
  w.now += DAY
  w.publish({ vsasap: ['2', 'new'] })
  assert.equal(outcomeOf(await w.update()), 'updated')
  const into = join(w.into, 'fresh')
  assert.equal(outcomeOf(await w.update({ into })), 'updated')
})

test('who is further behind than one check follows goes on with the next', async () => {
  const keys = { root: ed25519(), targets: ed25519(), snapshot: ed25519(), timestamp: ed25519() }
  const last = MAX_ROTATIONS + 10
  const roots = Array.from({ length: last + 1 }, (_, version) => makeRoot(version, AT, keys, [keys.root]))
  const current = roots[last]
  assert.ok(current)
  let seen: Remembered | undefined
  let fetched = 0
  const question = {
    first: [
      tufKey(createPublicKey(ed25519())).keyval.public,
      tufKey(createPublicKey(keys.root)).keyval.public,
    ],
    async fetchRoot(version: number) {
      fetched++
      return roots[version] ?? assert.fail(`root ${version}`)
    },
    onRoot: (remembered: Remembered) => void (seen = remembered),
  }
  const start = { root: roots[1]?.toString() ?? '', timestamp: 5, snapshot: 5, targets: 5 }
  await assert.rejects(trustedRoot(current, start, question), (error: unknown) => {
    assert.ok(error instanceof Refused && error.reason === 'oversized')
    assert.match(error.message, /256 new roots were followed, and there are 9 more: the next check goes on/)
    return true
  })
  assert.equal(fetched, MAX_ROTATIONS)
  assert.ok(seen)
  const { root, seen: now } = await trustedRoot(current, seen, question)
  assert.deepEqual([root.version, now?.timestamp, now?.targets], [last, 5, 5])
})

test('when the catalogue’s certificate and the root have expired, one rotation renews both', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'old'] })
  await w.update()
  w.now += 4 * 365 * DAY
  assert.throws(() => w.refresh(), /rotate --key/)
  assert.throws(
    () => rotate(w.site, 'root', { keys: w.keys, at: w.now, validDays: 14 }),
    /rotate --key catalog/,
  )
  rotate(w.site, 'catalog', { keys: w.keys, at: w.now, validDays: 14 })
  assert.equal(outcomeOf(await w.update()), 'up-to-date')
  rotate(w.site, 'packages', { keys: w.keys, at: w.now, validDays: 14 })
  w.publish({ vsasap: ['2', 'new'] })
  assert.equal(outcomeOf(await w.update()), 'updated')
})

/** Any JSON in any place of metadata that is right otherwise. */
function spoilt(value: unknown, at: number, by: unknown): unknown {
  let left = at
  const visit = (each: unknown): unknown => {
    if (left-- === 0) return by
    if (Array.isArray(each)) return each.map((one) => visit(one))
    if (typeof each !== 'object' || each === null) return each
    return Object.fromEntries(Object.entries(each).map(([key, one]) => [key, visit(one)]))
  }
  return visit(value)
}

test('metadata of any other shape is refused, and nothing else happens', async (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'right'] })
  const file = (role: Role) => w.file(`metadata/${role}.json`)
  const first = [tufKey(createPublicKey(loadKey(w.keys, 'root'))).keyval.public]
  const fetchRoot = async () => file('root')
  let read = 0
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...ROLES), fc.nat(60), fc.jsonValue(), async (role, at, by) => {
      const bytes = (each: Role): Buffer =>
        each === role
          ? Buffer.from(JSON.stringify(spoilt(JSON.parse(file(each).toString()), at, by)))
          : file(each)
      try {
        const root = await trustedRoot(bytes('root'), undefined, { first, fetchRoot })
        const files = {
          timestamp: bytes('timestamp'),
          snapshot: bytes('snapshot'),
          targets: bytes('targets'),
        }
        trustedTargets(files, root, w.now)
        read++
      } catch (error) {
        assert.ok(error instanceof Refused, String(error))
      }
    }),
  )
  t.diagnostic(`${read} of them were as before`)
})

for (const [what, text] of [
  ['a signature that is nothing', '{"signatures":[null],"signed":{"_type":"root"}}'],
  ['lists without end', '['.repeat(100_000) + ']'.repeat(100_000)],
  ['no object', '5'],
  ['nothing', 'null'],
] as const)
  test(`a root on the way that is ${what} is a refusal like any other: told, counted, remembered`, async (t) => {
    const w = world(t)
    w.publish({ vsasap: ['1', 'old'] })
    await w.update()
    for (const _ of [1, 2]) rotate(w.site, 'timestamp', { keys: w.keys, at: w.now, validDays: 14 })
    w.tamper = (name) => (name === 'metadata/2.root.json' ? Buffer.from(text) : undefined)
    w.events.length = 0
    assert.equal(outcomeOf(await w.update()), 'malformed')
    assert.equal(w.installation.state().refused.malformed, 1)
    assert.deepEqual(w.events.map(({ event }) => event).slice(-2), ['refused', 'done'])
  })
