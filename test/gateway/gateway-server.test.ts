import assert from 'node:assert/strict'
import { test } from 'node:test'
import { request } from 'undici'
import { fieldsToRaw } from '../../core/fields.ts'
import { Fault } from '../../core/fault.ts'
import { GATEWAY_PATH } from '../../gateway/wire.ts'
import { until } from '../clients/harness.ts'
import { gatewayScene, UPDATE } from './gateway-scene.ts'

test('what its asker withdraws before there is an answer is no failure of the gateway', async (t) => {
  const leaving = new AbortController()
  const get = ({ signal }: { readonly signal: AbortSignal }) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new Fault('ABORTED', 'nobody waits for it')), {
        once: true,
      })
      leaving.abort()
    })
  const at = await gatewayScene(t, { address: '127.0.0.75', get })
  const headers = fieldsToRaw(at.fields(UPDATE, [], at.member, 'HEAD'))
  const { signal } = leaving
  await assert.rejects(request(`http://${at.authority}${GATEWAY_PATH}`, { method: 'HEAD', headers, signal }))
  await until('it is noted', () => at.uses.length === 1)
  const { failed, withdrawn } = at.audit.totals()
  assert.deepEqual([at.uses[0]?.outcome, failed, withdrawn], ['withdrawn', 0, 1])
})
