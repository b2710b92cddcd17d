import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Address } from '../../core/transport.ts'
import type { NodeId } from '../../peering/packets.ts'
import { QUIET_LOOK_MS, SharedId } from '../../service/shared-id.ts'
import { manualClock } from '../manual-clock.ts'

const [OWN, OTHER, THIRD] = ['10.0.0.2', '10.0.0.7', '10.0.0.8'] as Address[] as [Address, Address, Address]

function scene(rename = async () => 'new' as NodeId) {
  const clock = manualClock()
  const lines: string[] = []
  const now = { isQuiet: true, renamed: 0 }
  const say = (line: string) => void lines.push(line)
  const shared = new SharedId({
    clock,
    isOwn: (address) => address === OWN,
    isQuiet: () => now.isQuiet,
    rename: () => {
      now.renamed++
      return rename()
    },
    log: { info: say, warn: say },
  })
  return { clock, lines, now, shared, settle: () => new Promise(setImmediate) }
}

describe('a node that hears its own ID from elsewhere', () => {
  test('takes another one at once, and says so in one line', async () => {
    const { now, lines, shared, settle } = scene()
    shared.heard(OTHER)
    shared.heard(OTHER)
    await settle()
    assert.equal(now.renamed, 1)
    assert.equal(lines.length, 1)
    assert.match(lines[0] ?? '', /^10\.0\.0\.7 has this node's ID, .*: this node is new now$/)
  })

  test('does so once, whoever goes on speaking by its name; that is told once', async () => {
    const { now, lines, shared, settle } = scene()
    for (const from of [OTHER, THIRD, OTHER, THIRD]) {
      shared.heard(from)
      await settle()
    }
    assert.equal(now.renamed, 1)
    assert.equal(lines.length, 2)
    assert.match(lines[1] ?? '', /^10\.0\.0\.8 speaks by this node's new ID/)
  })

  test('waits while something is on its way, which others know by its ID', async () => {
    const { clock, now, shared, settle } = scene()
    now.isQuiet = false
    shared.heard(OTHER)
    clock.advance(10 * QUIET_LOOK_MS)
    assert.equal(now.renamed, 0)
    now.isQuiet = true
    clock.advance(QUIET_LOOK_MS)
    await settle()
    assert.equal(now.renamed, 1)
  })

  test('keeps it where it hears itself at another address of its own', () => {
    const { now, lines, shared } = scene()
    shared.heard(OWN)
    assert.deepEqual([now.renamed, lines], [0, []])
  })

  test('says why it could take no other', async () => {
    const { lines, shared, settle } = scene(() => Promise.reject(new Error('read-only')))
    shared.heard(OTHER)
    await settle()
    assert.match(lines[0] ?? '', /no other one could be taken: read-only$/)
  })

  test('takes no other once it stops', () => {
    const { clock, now, shared } = scene()
    now.isQuiet = false
    shared.heard(OTHER)
    shared.stop()
    now.isQuiet = true
    clock.advance(10 * QUIET_LOOK_MS)
    shared.heard(THIRD)
    assert.equal(now.renamed, 0)
  })
})
