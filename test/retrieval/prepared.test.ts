/** The handshake with the origin server goes on while the LAN is asked. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BY_UPDATER, URL_A, world, type Scene } from './world.ts'

const BODY = Buffer.alloc(1000, 'x')

async function asked(scene: Partial<Scene>) {
  const node = world({
    expectation: BY_UPDATER,
    origin: () => ({ status: 200, fields: [['Content-Length', `${BODY.length}`]], body: BODY }),
    ...scene,
  })
  const given = await node.get()
  assert.equal(given.text.length, BODY.length)
  return node.origin.prepared
}

describe('the connection to the origin server', () => {
  test('is opened while peers are asked for what none of them is known to have', async () => {
    assert.deepEqual(await asked({ mayBeFound: false }), [URL_A])
  })

  test('is not opened where a peer may have it', async () => {
    assert.deepEqual(await asked({ mayBeFound: true }), [])
  })

  test('is opened by the request itself where nobody is waited for', async () => {
    assert.deepEqual(await asked({ mayBeFound: false, isAlone: true }), [])
  })
})
