/** What follows when this node itself is why a source fails. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault, type FaultCode } from '../../core/fault.ts'
import { BY_UPDATER, offer, world } from './world.ts'

/** More than once would be without end: nothing is waited for between two times. */
const MOST = 3

describe('an origin server that this node cannot ask', () => {
  for (const [code, why] of [
    ['STOPPING', 'it is stopping'],
    ['OVERLOADED', 'too many requests wait for that server'],
  ] as [FaultCode, string][])
    test(`because ${why} is asked once, and the application is told`, async () => {
      let asked = 0
      const node = world({
        rule: { share: true },
        expectation: BY_UPDATER,
        origin() {
          asked += 1
          return asked > MOST ? new Promise<never>(() => {}) : Promise.reject(new Fault(code, 'test'))
        },
      })
      const settled = await Promise.allSettled([node.get(), node.get()])
      for (const each of settled) {
        const fault: unknown = each.status === 'rejected' ? each.reason : undefined
        assert.equal(fault instanceof Fault && fault.code, code)
      }
      assert.deepEqual([asked, node.told.filter(({ kind }) => kind === 'warning')], [1, []])
    })

  test('is not asked again for what a peer has: that one’s copy is whole', async () => {
    const node = world({
      rule: { share: true },
      expectation: BY_UPDATER,
      offers: [offer(3)],
      peers: () => ({ status: 200, fields: [['Content-Length', '3']], body: 'abc' }),
      origin: () => Promise.reject(new Fault('OVERLOADED', 'test')),
    })
    assert.equal((await node.get()).text, 'abc')
  })
})
