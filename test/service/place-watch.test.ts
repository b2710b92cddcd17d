import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Monotonic } from '../../core/clock.ts'
import type { InterfaceAddress } from '../../service/network.ts'
import { GONE_MS, PlaceWatch } from '../../service/place-watch.ts'

const AUTO = { address: 'auto', broadcast: 'auto', allowedNetworks: 'auto' } as const

const at = (address: string, interfaceName = 'eth0', netmask = '255.255.255.0'): InterfaceAddress => ({
  interfaceName,
  address,
  netmask,
  isInternal: false,
})

/** What a machine's addresses were, one after the other, each for so long in ms; and where a node was then. */
function stays(
  steps: readonly (readonly [ms: number, ...addresses: InterfaceAddress[]])[],
  settings: ConstructorParameters<typeof PlaceWatch>[0] = AUTO,
): readonly string[] {
  let now = 0
  const [[, ...first] = [0], ...later] = steps
  const watch = new PlaceWatch(settings, first)
  const where = () => watch.place?.address ?? 'nowhere'
  const told = [where()]
  for (const [ms, ...addresses] of later) {
    const before = where()
    const hasMoved =
      watch.look(addresses, now as Monotonic) || watch.look(addresses, (now += ms) as Monotonic)
    assert.equal(hasMoved, before !== where())
    told.push(where())
  }
  return told
}

/** Where a node is behind each look, of one every 2 s. */
function looks(first: readonly InterfaceAddress[], ...later: (readonly InterfaceAddress[])[]): string[] {
  const watch = new PlaceWatch(AUTO, first)
  return later.map((addresses, count) => {
    watch.look(addresses, (count * 2000) as Monotonic)
    return watch.place?.address ?? 'nowhere'
  })
}

const times = <T>(count: number, what: T): T[] => Array<T>(count).fill(what)

describe('the place of a node', () => {
  test('is another one as soon as the machine has another address', () =>
    assert.deepEqual(
      stays([
        [0, at('10.0.0.2')],
        [0, at('10.0.0.9')],
      ]),
      ['10.0.0.2', '10.0.0.9'],
    ))

  test('is renewed where its interface has another address instead, and only then', () => {
    const watch = new PlaceWatch(AUTO, [at('10.0.0.2')])
    assert.equal(watch.isRenewed([at('10.0.0.2'), at('10.0.0.9')]), false)
    assert.equal(watch.isRenewed([]), false)
    assert.equal(watch.isRenewed([at('10.0.1.3', 'eth1')]), false)
    assert.equal(watch.isRenewed([at('10.0.0.9')]), true)
    watch.look([at('10.0.0.9')], 0 as Monotonic)
    assert.equal(watch.isRenewed([at('10.0.0.9')]), false)
    assert.equal(new PlaceWatch(AUTO, []).isRenewed([at('10.0.0.9')]), false)
  })

  test('is there as soon as an address comes', () =>
    assert.deepEqual(stays([[0], [5000], [0, at('10.0.0.2')]]), ['nowhere', 'nowhere', '10.0.0.2']))

  test('stays the same whatever other interfaces come', () => {
    const own = at('10.0.0.2', 'wlan0')
    assert.deepEqual(
      stays([
        [0, own],
        [99_999, at('10.9.9.9'), own],
      ]),
      ['10.0.0.2', '10.0.0.2'],
    )
  })

  for (const other of ['wlan0', 'podman0'])
    test(`is kept for a while when its cable is out, though ${other} is there`, () => {
      const [own, instead] = [at('10.0.0.2'), at('10.88.0.1', other)]
      assert.deepEqual(
        stays([
          [0, own, instead],
          [3000, instead],
          [99_999, own, instead],
          [GONE_MS - 1, instead],
          [99_999, own, instead],
        ]),
        ['10.0.0.2', '10.0.0.2', '10.0.0.2', '10.0.0.2', '10.0.0.2'],
      )
    })

  for (const other of ['wlan0', 'podman0'])
    test(`is ${other} when the cable is out for longer, goes back once when two looks have found it, and stays`, () => {
      const [instead, again] = [at('10.88.0.1', other), at('10.0.0.9')]
      const [out, both] = [[instead], [instead, again]]
      const seen = looks([at('10.0.0.2'), instead], ...times(7, out), both, out, ...times(4, both), out, both)
      assert.deepEqual(seen, [...times(5, '10.0.0.2'), ...times(5, '10.88.0.1'), ...times(5, '10.0.0.9')])
    })

  test('is an interface to a LAN as soon as two looks have found one, instead of one inside the machine', () => {
    const [inside, lan] = [at('10.88.0.1', 'podman0'), at('10.0.0.2')]
    assert.deepEqual(looks([inside], [inside, lan], [inside, lan], [inside, lan]), [
      '10.88.0.1',
      '10.0.0.2',
      '10.0.0.2',
    ])
  })

  test('is the one that it would rather be at, of several that were lost', () => {
    const [first, second, third] = [at('10.0.0.2'), at('10.0.1.2', 'wlan0'), at('10.0.2.2', 'usb0')]
    const long = (...addresses: InterfaceAddress[]) => [GONE_MS, ...addresses] as const
    assert.deepEqual(
      stays([
        [0, first, second, third],
        long(second, third),
        long(third),
        long(third, second),
        long(third),
        long(second, third, first),
        long(second, third, first),
      ]),
      ['10.0.0.2', '10.0.1.2', '10.0.2.2', '10.0.1.2', '10.0.2.2', '10.0.0.2', '10.0.0.2'],
    )
  })

  test('is another one at once where the same interface has another address, whatever else is there', () => {
    const other = at('10.88.0.1', 'podman0')
    assert.deepEqual(looks([at('10.0.0.2'), other], [other, at('10.0.0.9')], [other, at('10.0.0.9')]), [
      '10.0.0.9',
      '10.0.0.9',
    ])
  })

  test('is another one in another subnet', () => {
    const watch = new PlaceWatch(AUTO, [at('10.0.0.2')])
    assert.equal(watch.look([at('10.0.0.2', 'eth0', '255.0.0.0')], 0 as Monotonic), true)
    assert.equal(watch.place?.broadcast, '10.255.255.255')
  })

  test('is kept for a while when its cable is out: then it is nowhere', () => {
    assert.deepEqual(stays([[0, at('10.0.0.2')], [GONE_MS - 1], [GONE_MS, at('10.0.0.2')], [GONE_MS - 1]]), [
      '10.0.0.2',
      '10.0.0.2',
      '10.0.0.2',
      '10.0.0.2',
    ])
    assert.deepEqual(stays([[0, at('10.0.0.2')], [GONE_MS], [0, at('10.0.0.2')]]), [
      '10.0.0.2',
      'nowhere',
      '10.0.0.2',
    ])
  })

  test('is nowhere but at the configured address, which is waited for', () => {
    const configured = { ...AUTO, address: '10.0.0.2' }
    const [own, other] = [at('10.0.0.2'), at('10.0.0.9')]
    assert.deepEqual(
      stays(
        [
          [0, own],
          [GONE_MS, other],
          [0, own, other],
        ],
        configured,
      ),
      ['10.0.0.2', 'nowhere', '10.0.0.2'],
    )
  })

  test('is looked for again where the node could not work', () => {
    const watch = new PlaceWatch(AUTO, [at('10.0.0.2')])
    assert.equal(watch.look([at('10.0.0.2')], 0 as Monotonic), false)
    watch.leave()
    assert.equal(watch.look([at('10.0.0.2')], 0 as Monotonic), true)
  })
})
