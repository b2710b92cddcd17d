import assert from 'node:assert/strict'
import { ADDRCONFIG, type LookupAddress, type LookupOptions } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { type AddressClass, canonicalAddress, classify } from '../../proxy/address-class.ts'
import { type GuardSettings, guardedLookup, mayConnect } from '../../proxy/target-guard.ts'

const LOCAL: GuardSettings = {
  loopbackOnly: true,
  allowPorts: 'auto',
  own: [{ address: '127.0.0.1', port: 3128 }],
}
const SHARED: GuardSettings = { ...LOCAL, loopbackOnly: false }

const ADDRESSES: readonly (readonly [written: string, canonical: string | undefined, kind: AddressClass])[] =
  [
    ['8.8.8.8', '8.8.8.8', 'public'],
    ['134744072', '8.8.8.8', 'public'],
    ['169.254.169.254', '169.254.169.254', 'forbidden'],
    ['2852039166', '169.254.169.254', 'forbidden'],
    ['0xa9fea9fe', '169.254.169.254', 'forbidden'],
    ['0251.0376.0251.0376', '169.254.169.254', 'forbidden'],
    ['0xA9.254.43518', '169.254.169.254', 'forbidden'],
    ['169.254.169.254.', '169.254.169.254', 'forbidden'],
    ['0', '0.0.0.0', 'forbidden'],
    ['0.1.2.3', '0.1.2.3', 'forbidden'],
    ['255.255.255.255', '255.255.255.255', 'forbidden'],
    ['239.255.255.250', '239.255.255.250', 'forbidden'],
    ['240.0.0.1', '240.0.0.1', 'forbidden'],
    ['100.100.100.200', '100.100.100.200', 'forbidden'],
    ['168.63.129.16', '168.63.129.16', 'forbidden'],
    ['192.0.0.192', '192.0.0.192', 'forbidden'],
    ['127.1', '127.0.0.1', 'loopback'],
    ['127.255.255.254', '127.255.255.254', 'loopback'],
    ['10.0.0.1', '10.0.0.1', 'private'],
    ['172.31.255.255', '172.31.255.255', 'private'],
    ['172.32.0.0', '172.32.0.0', 'public'],
    ['192.168.1.1', '192.168.1.1', 'private'],
    ['100.64.0.1', '100.64.0.1', 'private'],
    ['::1', '::1', 'loopback'],
    ['[::1]', '::1', 'loopback'],
    ['::', '::', 'forbidden'],
    ['fe80::1', 'fe80::1', 'forbidden'],
    ['fe80::1%eth0', 'fe80::1', 'forbidden'],
    ['febf::1', 'febf::1', 'forbidden'],
    ['fec0::1', 'fec0::1', 'private'],
    ['fd00:ec2::254', 'fd00:ec2::254', 'forbidden'],
    ['FD00:0EC2:0:0:0:0:0:254', 'fd00:ec2::254', 'forbidden'],
    ['fd00:ec2::253', 'fd00:ec2::253', 'private'],
    ['fc00::1', 'fc00::1', 'private'],
    ['ff02::1', 'ff02::1', 'forbidden'],
    ['2001:db8::1', '2001:db8::1', 'public'],
    ['::ffff:169.254.169.254', '169.254.169.254', 'forbidden'],
    ['::ffff:a9fe:a9fe', '169.254.169.254', 'forbidden'],
    ['::169.254.169.254', '169.254.169.254', 'forbidden'],
    ['::ffff:0:169.254.169.254', '169.254.169.254', 'forbidden'],
    ['64:ff9b::169.254.169.254', '169.254.169.254', 'forbidden'],
    ['64:ff9b:1::1', '64:ff9b:1::1', 'private'],
    ['2002:a9fe:a9fe::1', '169.254.169.254', 'forbidden'],
    ['::ffff:127.0.0.1', '127.0.0.1', 'loopback'],
    ['example.org', undefined, 'forbidden'],
    ['abc', undefined, 'forbidden'],
    ['1.2.3.4.5', undefined, 'forbidden'],
    ['fe80::1::2', undefined, 'forbidden'],
    ['', undefined, 'forbidden'],
  ]
for (const [written, canonical, kind] of ADDRESSES) {
  test(`${written || 'nothing'} is ${canonical ?? 'no address'}, ${kind}`, () => {
    assert.equal(canonicalAddress(written), canonical)
    assert.equal(classify(canonical ?? written), kind)
  })
}

const spellings = (value: number, d: readonly number[]) => [
  String(value),
  `0x${value.toString(16)}`,
  d.map((each) => `0${each.toString(8)}`).join('.'),
  `${d[0]}.${value & 0xffffff}`,
  `::ffff:${d.join('.')}`,
  `64:ff9b::${d.join('.')}`,
  `[::ffff:${d.join('.')}]`,
]

test('every spelling of an IPv4 address, inside IPv6 or not, is one address of one class', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), (value) => {
      const dots = [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
      for (const spelling of spellings(value, dots)) assert.equal(canonicalAddress(spelling), dots.join('.'))
    }),
  )
})

test('every IPv6 address is classified, and its canonical form stays as it is', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const canonical = canonicalAddress(address)
      assert.ok(canonical !== undefined)
      assert.equal(canonicalAddress(canonical), canonical)
      classify(canonical)
    }),
  )
})

const TARGETS: readonly (readonly [
  host: string,
  port: number,
  settings: GuardSettings,
  code: string | undefined,
])[] = [
  ['8.8.8.8', 80, LOCAL, undefined],
  ['8.8.8.8', 22, LOCAL, undefined],
  ['8.8.8.8', 0, LOCAL, 'FORBIDDEN_TARGET'],
  ['8.8.8.8', 65_536, LOCAL, 'FORBIDDEN_TARGET'],
  ['8.8.8.8', 80, SHARED, undefined],
  ['8.8.8.8', 443, SHARED, undefined],
  ['8.8.8.8', 22, SHARED, 'FORBIDDEN_TARGET'],
  ['8.8.8.8', 8080, { ...SHARED, allowPorts: [8080] }, undefined],
  ['8.8.8.8', 80, { ...SHARED, allowPorts: [8080] }, 'FORBIDDEN_TARGET'],
  ['8.8.8.8', 80, { ...LOCAL, allowPorts: [443] }, 'FORBIDDEN_TARGET'],
  ['example.org', 80, SHARED, undefined],
  ['example.org', 25, SHARED, 'FORBIDDEN_TARGET'],
  ['127.0.0.1', 80, LOCAL, undefined],
  ['127.0.0.1', 80, SHARED, 'FORBIDDEN_TARGET'],
  ['192.168.1.9', 80, LOCAL, undefined],
  ['192.168.1.9', 80, SHARED, 'FORBIDDEN_TARGET'],
  ['[fc00::1]', 80, SHARED, 'FORBIDDEN_TARGET'],
  ['169.254.1.1', 80, LOCAL, 'FORBIDDEN_TARGET'],
  ['[fe80::1]', 80, LOCAL, 'FORBIDDEN_TARGET'],
  ['127.0.0.1', 3128, LOCAL, 'LOOP_DETECTED'],
  ['127.1', 3128, LOCAL, 'LOOP_DETECTED'],
  ['[::ffff:127.0.0.1]', 3128, LOCAL, 'LOOP_DETECTED'],
  ['127.0.0.2', 3128, LOCAL, undefined],
]
for (const [host, port, settings, code] of TARGETS) {
  const who = settings.loopbackOnly ? 'this machine' : 'others'
  test(`${host} port ${port} with ${JSON.stringify(settings.allowPorts)}, for ${who}: ${code ?? 'allowed'}`, () => {
    assert.equal(mayConnect(host, port, settings)?.code, code)
  })
}

test('a socket that listens on all addresses is this node under each address of the machine', () => {
  for (const address of ['0.0.0.0', '::']) {
    const settings: GuardSettings = {
      ...LOCAL,
      own: [{ address, port: 6515 }],
      machineAddresses: () => ['192.168.1.7', '2001:db8::7'],
    }
    for (const host of ['127.0.0.5', '::1', '192.168.1.7', '2001:db8::7', '0.0.0.0', '::']) {
      assert.equal(mayConnect(host, 6515, settings)?.code, 'LOOP_DETECTED', host)
    }
    assert.equal(mayConnect('192.168.1.8', 6515, settings), undefined)
    assert.equal(mayConnect('192.168.1.7', 80, settings), undefined)
  }
})

test("without injected addresses the machine's own are asked for", () => {
  assert.equal(
    mayConnect('127.0.0.9', 6515, { ...LOCAL, own: [{ address: '0.0.0.0', port: 6515 }] })?.code,
    'LOOP_DETECTED',
  )
})

const resolvesTo =
  (...addresses: string[]): LookupFunction =>
  (_name, options, callback) => {
    assert.equal(options.all, true)
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }

interface Found {
  readonly error: NodeJS.ErrnoException | null
  readonly addresses: string | LookupAddress[]
}

function look(lookup: LookupFunction, all: boolean): Promise<Found> {
  return new Promise((resolve) =>
    lookup('name.test', { all }, (error, addresses) => resolve({ error, addresses })),
  )
}

const LOOKUPS: readonly (readonly [
  found: string[],
  settings: GuardSettings,
  port: number | undefined,
  expected: string[] | string,
])[] = [
  [['8.8.8.8'], SHARED, 80, ['8.8.8.8']],
  [['169.254.169.254'], LOCAL, 80, 'FORBIDDEN_TARGET'],
  [['169.254.169.254', '8.8.8.8'], LOCAL, 80, ['8.8.8.8']],
  [['::ffff:169.254.169.254'], LOCAL, 80, 'FORBIDDEN_TARGET'],
  [['fe80::1%eth0', '192.168.1.9'], LOCAL, 80, ['192.168.1.9']],
  [['192.168.1.9'], SHARED, 80, 'FORBIDDEN_TARGET'],
  [['127.0.0.1'], LOCAL, 3128, 'LOOP_DETECTED'],
  [['127.0.0.1'], LOCAL, 3129, ['127.0.0.1']],
  [['127.0.0.1'], LOCAL, undefined, ['127.0.0.1']],
  [['nonsense'], LOCAL, 80, 'FORBIDDEN_TARGET'],
  [[], LOCAL, 80, 'DNS_FAILED'],
]
for (const [found, settings, port, expected] of LOOKUPS) {
  test(`a name at [${found.join(', ')}], port ${port}: ${String(expected)}`, async () => {
    const lookup = guardedLookup(settings, port, resolvesTo(...found))
    const { error, addresses } = await look(lookup, true)
    if (typeof expected === 'string')
      return assert.equal(error && 'code' in error ? error.code : '', expected)
    assert.equal(error, null)
    assert.deepEqual(Array.isArray(addresses) && addresses.map(({ address }) => address), expected)
    assert.equal((await look(lookup, false)).addresses, expected[0])
  })
}

test("the resolver's own errors pass, and a resolver that gives one address is judged too", async () => {
  const error = Object.assign(new Error('no'), { code: 'ENOTFOUND' })
  assert.equal(
    (
      await look(
        guardedLookup(LOCAL, 80, (_n, _o, callback) => callback(error, '')),
        true,
      )
    ).error,
    error,
  )
  const single = guardedLookup(LOCAL, 80, (_n, _o, callback) => callback(null, '169.254.169.254', 4))
  assert.ok((await look(single, false)).error)
})

describe('a name that is found at IPv4 alone, where the machine', () => {
  const NOTHING = Object.assign(new Error('no'), { code: 'EAI_AGAIN' })

  /** Leaves out IPv4 where it is asked to, as the system does without any. `asked` is what it was asked for. */
  function withoutIPv4(found: LookupAddress[]) {
    const asked: LookupOptions[] = []
    const resolve: LookupFunction = (_name, options, callback) => {
      asked.push(options)
      const isHidden = ((options.hints ?? 0) & ADDRCONFIG) !== 0
      const left = isHidden ? found.filter(({ family }) => family === 6) : found
      if (left.length === 0) callback(NOTHING, '')
      else callback(null, left)
    }
    return { asked, resolve }
  }

  const IPV4 = [{ address: '127.0.0.1', family: 4 }]
  const BOTH = [...IPV4, { address: '2001:db8::1', family: 6 }]

  for (const [machine, own, hints, found, expected, times] of [
    ['has IPv6 alone', ['127.0.0.1', '::1', '2001:db8::7'], ADDRCONFIG, IPV4, IPV4, 2],
    ['has nothing but loopback', ['127.0.0.1', '::1'], ADDRCONFIG, IPV4, IPV4, 2],
    ['has IPv6 alone, and so has nobody else', ['2001:db8::7'], ADDRCONFIG, [], NOTHING, 2],
    ['has IPv6 alone, and was asked for all', ['2001:db8::7'], 0, [], NOTHING, 1],
    ['has IPv6 alone, and the name has too', ['2001:db8::7'], ADDRCONFIG, BOTH, BOTH.slice(1), 1],
    ['has IPv4', ['127.0.0.1', '192.0.2.7'], ADDRCONFIG, [], NOTHING, 1],
  ] as const)
    test(machine, async () => {
      const { asked, resolve } = withoutIPv4([...found])
      const guard = { ...LOCAL, machineAddresses: () => own }
      const result = await new Promise((done) =>
        guardedLookup(guard, 80, resolve)('name.test', { all: true, hints }, (error, addresses) =>
          done(error ?? addresses),
        ),
      )
      assert.deepEqual(result, expected)
      assert.equal(asked.length, times)
    })
})
