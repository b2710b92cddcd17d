import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OWN_CALLS } from '../../providers/election-limits.ts'
import { functionName, type FunctionName } from '../../providers/functions.ts'
import { functionOperations } from '../../service/function-operations.ts'
import { FakeLan, PRINT } from '../providers/fake-lan.ts'

test('an election where there is no LAN is refused, and says why in plain words', async () => {
  const alone = functionOperations({
    providers: () => undefined,
    whyNone: () => 'no LAN found: working alone',
  })
  assert.deepEqual(alone.list(), [])
  await assert.rejects(alone.elect({ function: PRINT }), {
    code: 'BAD_REQUEST',
    message: 'there can be no election: no LAN found: working alone',
  })
})

test('an election of what is no function is refused', async () => {
  const { providers } = new FakeLan().node()
  const operations = functionOperations({ providers: () => providers, whyNone: () => '' })
  for (const question of [undefined, {}, { function: 7 }, { function: 'no name' }])
    await assert.rejects(operations.elect(question), { code: 'BAD_REQUEST', message: /expected a function/ })
})

test('elections above the rate limit are not called, and whoever asks is told so', async () => {
  const lan = new FakeLan()
  const node = lan.node()
  node.offer(10)
  await lan.passes(3000)
  const operations = functionOperations({ providers: () => node.providers, whyNone: () => '' })
  const elect = async () => {
    const elected = operations.elect({ function: PRINT })
    elected.catch(() => {})
    await lan.passes(500)
    return elected
  }
  for (let times = 0; times < OWN_CALLS.burst; times++) assert.equal((await elect()).function, PRINT)
  await assert.rejects(elect(), { code: 'OVERLOADED', message: /too many elections of print .*one each 5 s/ })
  assert.equal(node.known()?.source, 'self')
})

test('why nobody performs a function, and how far this node is with one, is told beside it', () => {
  const overview = (name: string) => ({
    name: functionName(name) as FunctionName,
    provider: undefined,
    phase: 'idle',
    heardMsAgo: 0,
    ownValue: undefined,
  })
  const operations = functionOperations({
    providers: () => ({
      overview: () => [overview('update-checker'), overview('print')],
      callElection: () => undefined,
    }),
    whyNone: () => '',
    noteOf: (name) => (name === 'update-checker' ? 'nothing to check yet' : undefined),
  })
  assert.deepEqual(
    operations.list().map((each) => each.note),
    ['nothing to check yet', 'no machine has offered it yet'],
  )
})
