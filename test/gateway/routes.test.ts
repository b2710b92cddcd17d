import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasDefaultRoute, rememberedRoute } from '../../gateway/routes.ts'
import { manualClock } from '../manual-clock.ts'

const HEADING = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n'
const LAN = 'eth0\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n'
const DEFAULT = 'eth0\t00000000\tFE004D0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n'
const REJECTING = 'lo\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n'
const ZERO = '00000000000000000000000000000000'
const IPV6 = `${ZERO} 00 ${ZERO} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n`
const IPV6_NONE = `${ZERO} 00 ${ZERO} 00 ${ZERO} ffffffff 00000001 00000000 00200200       lo\n`

function tables(ipv4: string | undefined, ipv6: string | undefined): (path: string) => string | undefined {
  return (path) => (path.includes('ipv6') ? ipv6 : ipv4)
}

test('a default route of IPv4 or IPv6 that is up is one; a route to the LAN, or that rejects, is none', () => {
  assert.equal(hasDefaultRoute(tables(HEADING + LAN + DEFAULT, undefined)), true)
  assert.equal(hasDefaultRoute(tables(HEADING + LAN, IPV6_NONE)), false)
  assert.equal(hasDefaultRoute(tables(HEADING + LAN + REJECTING, '')), false)
  assert.equal(hasDefaultRoute(tables(HEADING + LAN, IPV6)), true)
})

test('where there is no table to read, only requests tell', () => {
  assert.equal(hasDefaultRoute(tables(undefined, undefined)), true)
})

test('the table is read at most once a second', () => {
  const clock = manualClock()
  let reads = 0
  const hasRoute = rememberedRoute(clock, () => ++reads > 1)
  assert.deepEqual([hasRoute(), hasRoute(), reads], [false, false, 1])
  clock.advance(1000)
  assert.deepEqual([hasRoute(), reads], [true, 2])
})
