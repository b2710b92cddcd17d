import assert from 'node:assert/strict'
import { test } from 'node:test'
import { untakenBytes } from '../../core/untaken.ts'
import { manualClock } from '../manual-clock.ts'

const LIST = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1973 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:1973 0800007F:C350 01 00012A00:00000000 01:00000014 00000000     0        0 2
`
const ENDS = { localAddress: '127.0.0.1', localPort: 6515, remoteAddress: '127.0.0.8', remotePort: 50_000 }

test('what the other side has not taken is as the system counts it', () => {
  const untaken = untakenBytes(manualClock(), () => LIST)
  assert.equal(untaken(ENDS), 0x12a00)
  assert.equal(untaken({ ...ENDS, localAddress: '::ffff:127.0.0.1' }), 0x12a00)
  assert.equal(untaken({ ...ENDS, remotePort: 50_001 }), 0)
  assert.equal(untaken({ localAddress: '::1', localPort: 6515, remoteAddress: '::1', remotePort: 50_000 }), 0)
})

test('it is read once for all who look at the same moment', () => {
  const clock = manualClock()
  let reads = 0
  const untaken = untakenBytes(clock, () => {
    reads += 1
    return LIST
  })
  for (let time = 0; time < 10; time++) untaken(ENDS)
  assert.equal(reads, 1)
  clock.advance(100)
  untaken(ENDS)
  assert.equal(reads, 2)
})

test('where the system tells nothing, nothing is known', () => {
  const untaken = untakenBytes(manualClock(), () => {
    throw new Error('ENOENT')
  })
  assert.equal(untaken(ENDS), 0)
})
