import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { broadcastOf, isLinkUp, placeOf, type InterfaceAddress } from '../../service/network.ts'

const at = (
  interfaceName: string,
  address: string,
  netmask = '255.255.255.0',
  isInternal = false,
): InterfaceAddress => ({ interfaceName, address, netmask, isInternal })
const LO = at('lo', '127.0.0.1', '255.0.0.0', true)
const AUTO = { address: 'auto', broadcast: 'auto', allowedNetworks: 'auto' } as const

test('a link is up while the machine has its address, and loopback always is', () => {
  const addresses = [LO, at('eth0', '192.168.7.20')]
  assert.equal(isLinkUp('192.168.7.20', addresses), true)
  assert.equal(isLinkUp('192.168.7.20', [LO, at('eth0', '192.168.7.2')]), false)
  assert.equal(isLinkUp('192.168.7.20', []), false)
  assert.equal(isLinkUp('127.0.0.7', []), true)
})

describe('the place on the LAN', () => {
  test('auto: the first interface to a LAN, its broadcast address, its subnet', () => {
    const place = placeOf(AUTO, [LO, at('docker0', '172.17.0.1'), at('eth0', '192.168.7.20')])
    assert.deepEqual([place?.address, place?.broadcast], ['192.168.7.20', '192.168.7.255'])
    assert.equal(place?.isOnLink('192.168.7.99'), true)
    assert.equal(place?.isOnLink('::ffff:192.168.7.99'), true)
    assert.equal(place?.isOnLink('192.168.8.1'), false)
    assert.equal(place?.isOnLink('nonsense'), false)
  })

  for (const name of ['tun0', 'wg0', 'veth12', 'br-abc', 'virbr0', 'tailscale0'])
    test(`${name} is no LAN`, () => assert.equal(placeOf(AUTO, [LO, at(name, '10.9.8.7')]), undefined))

  for (const name of [
    'podman0',
    'lxcbr0',
    'lxdbr0',
    'incusbr0',
    'mpqemubr0',
    'cni0',
    'nerdctl0',
    'flannel.1',
    'vxlan.calico',
    'weave',
    'kube-bridge',
    'cilium_host',
    'vboxnet0',
    'bridge100',
    'vEthernet (WSL (Hyper-V firewall))',
    'vEthernet (Default Switch)',
    'VirtualBox Host-Only Network',
    'VMware Network Adapter VMnet8',
  ])
    test(`${name} is one where there is no other`, () => {
      const [inside, lan] = [at(name, '10.88.0.1'), at('eth0', '192.168.7.20')]
      assert.equal(placeOf(AUTO, [LO, inside, lan])?.address, lan.address)
      assert.equal(placeOf(AUTO, [LO, inside])?.address, inside.address)
    })

  for (const name of ['br0', 'bridge0', 'vEthernet (External)', 'wlan0', 'Ethernet 2'])
    test(`${name} is a LAN like any other`, () =>
      assert.equal(
        placeOf(AUTO, [LO, at(name, '10.9.8.7'), at('eth0', '192.168.7.20')])?.address,
        '10.9.8.7',
      ))

  test('a point-to-point address is no LAN', () =>
    assert.equal(placeOf(AUTO, [at('eth0', '10.0.0.1', '255.255.255.255')]), undefined))

  test('any loopback address is this machine’s', () => {
    const place = placeOf({ ...AUTO, address: '127.0.0.7' }, [LO])
    assert.deepEqual([place?.broadcast, place?.isOnLink('127.0.0.200')], ['127.255.255.255', true])
  })

  test('an address of somebody else is refused, and the message names what there is', () => {
    const wrong = () => placeOf({ ...AUTO, address: '192.168.7.21' }, [LO, at('eth0', '192.168.7.20')])
    assert.throws(
      wrong,
      (error: unknown) =>
        error instanceof Fault && error.code === 'CONFIG_INVALID' && error.message.includes('192.168.7.20'),
    )
  })

  test('allowed networks take the place of the own subnet', () => {
    const network = { address: '10.0.0.0', prefixLength: 8, family: 'ipv4' } as const
    const place = placeOf({ ...AUTO, allowedNetworks: [network] }, [at('eth0', '192.168.7.20')])
    assert.deepEqual([place?.isOnLink('10.1.2.3'), place?.isOnLink('192.168.7.21')], [true, false])
  })

  for (const [address, netmask, broadcast] of [
    ['192.168.7.20', '255.255.255.0', '192.168.7.255'],
    ['10.20.30.40', '255.255.240.0', '10.20.31.255'],
    ['10.0.0.1', '255.0.0.0', '10.255.255.255'],
    ['172.16.5.9', '255.255.255.252', '172.16.5.11'],
  ] as const)
    test(`${address} with ${netmask} broadcasts to ${broadcast}`, () =>
      assert.equal(broadcastOf({ address, netmask }), broadcast))
})
