import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import test from 'node:test'
import {
  boolean,
  duration,
  either,
  integer,
  ipv4Address,
  listenAddress,
  listOf,
  network,
  oneOf,
  path,
  port,
  size,
  text,
  urlGlob,
} from '../../service/setting-types.ts'
import type { SettingType } from '../../service/setting-types.ts'

/** For each type what is accepted, with its value, and what is refused. */
const CASES: readonly {
  readonly name: string
  readonly type: SettingType<unknown>
  readonly accepted: readonly (readonly [written: unknown, value: unknown])[]
  readonly refused: readonly unknown[]
}[] = [
  {
    name: 'boolean',
    type: boolean,
    accepted: [
      [true, true],
      [false, false],
    ],
    refused: ['true', 1, null, 'on'],
  },
  {
    name: 'text',
    type: text,
    accepted: [['x'.repeat(100), 'x'.repeat(100)]],
    refused: ['', 'x'.repeat(101), 'a\nb', 1],
  },
  { name: 'URL glob', type: urlGlob, accepted: [['**/x', '**/x']], refused: ['', 'a{b', 5, null] },
  {
    name: 'integer',
    type: integer(1, 3),
    accepted: [
      [1, 1],
      [3, 3],
    ],
    refused: [0, 4, 1.5, '2', NaN, Infinity],
  },
  {
    name: 'port',
    type: port(1),
    accepted: [
      [1, 1],
      [65535, 65535],
    ],
    refused: [0, 65536, -1, '80'],
  },
  { name: 'port or the system’s choice', type: port(0), accepted: [[0, 0]], refused: [-1, 65536] },
  {
    name: 'duration',
    type: duration(50),
    accepted: [
      [0, 0],
      [50, 50],
    ],
    refused: [51, -1, '5 ms', 0.5],
  },
  {
    name: 'size',
    type: size('1 kB'),
    accepted: [
      ['20 GB', 20_000_000_000],
      ['512 MiB', 536_870_912],
      ['1.5 GiB', 1_610_612_736],
      ['1kb', 1000],
      ['2 TB', 2e12],
      ['1 TiB', 2 ** 40],
      ['2000 B', 2000],
      [4096, 4096],
      [2 ** 53 - 1, 2 ** 53 - 1],
    ],
    refused: [
      999,
      '999 B',
      '20',
      '20 XB',
      'GB',
      '-1 GB',
      '1e3 GB',
      '1 G',
      '9007199254740993 B',
      '9999999 TB',
      1000.5,
    ],
  },
  {
    name: 'listen address',
    type: listenAddress,
    accepted: [
      ['127.0.0.1:3128', { host: '127.0.0.1', port: 3128 }],
      ['localhost:0', { host: 'localhost', port: 0 }],
      ['[::1]:65535', { host: '::1', port: 65535 }],
    ],
    refused: [
      '127.0.0.1',
      ':80',
      '127.0.0.1:',
      '127.0.0.1:65536',
      '::1:80',
      '[127.0.0.1]:80',
      'example.com:80',
      3128,
    ],
  },
  {
    name: 'IPv4 address',
    type: ipv4Address,
    accepted: [['192.168.1.7', '192.168.1.7']],
    refused: ['192.168.1', '192.168.1.256', '::1', 'localhost', 1],
  },
  {
    name: 'network',
    type: network,
    accepted: [
      ['192.168.0.0/16', { address: '192.168.0.0', prefixLength: 16, family: 'ipv4' }],
      ['10.0.0.1', { address: '10.0.0.1', prefixLength: 32, family: 'ipv4' }],
      ['fd00::/8', { address: 'fd00::', prefixLength: 8, family: 'ipv6' }],
      ['fd00::1', { address: 'fd00::1', prefixLength: 128, family: 'ipv6' }],
    ],
    refused: ['192.168.0.0/33', 'fd00::/129', '10.0.0/8', '10.0.0.0/', '/8', 'lan', 10],
  },
  {
    name: 'path',
    type: path,
    accepted: [
      ['./x', resolve('/base/x')],
      ['../x', resolve('/x')],
      ['/x', resolve('/x')],
    ],
    refused: ['', '~/x', 'a\0b', null, 1],
  },
  {
    name: 'one of',
    type: oneOf('auto', true),
    accepted: [
      ['auto', 'auto'],
      [true, true],
    ],
    refused: ['Auto', 'true', false],
  },
  {
    name: 'either',
    type: either(oneOf('auto'), port(1)),
    accepted: [
      ['auto', 'auto'],
      [80, 80],
    ],
    refused: ['off', 0],
  },
  {
    name: 'list',
    type: listOf(port(1), 'ports'),
    accepted: [
      [
        [80, 443],
        [80, 443],
      ],
      [[], []],
      [Array(1000).fill(1), Array(1000).fill(1)],
    ],
    refused: [80, '80', [80, 'x'], [0], Array(1001).fill(1), null],
  },
]

for (const { name, type, accepted, refused } of CASES)
  test(`${name}: accepts what it means and refuses the rest, saying what it expected`, () => {
    for (const [written, value] of accepted)
      assert.deepEqual(type.read(written, '/base'), { kind: 'value', value }, JSON.stringify(written))
    for (const written of refused) {
      const reading = type.read(written, '/base')
      assert.equal(reading.kind, 'refused', JSON.stringify(written))
      assert.ok(reading.kind === 'refused' && reading.expected !== '')
    }
  })

test('a URL glob says what is wrong with it', () => {
  assert.deepEqual(urlGlob.read('a{b', ''), { kind: 'refused', expected: 'a URL glob with a } for each {' })
})

test('what was expected reads as a sentence', () => {
  assert.equal(either(oneOf('auto', 'off'), path).expected, 'auto or off or a path')
  assert.equal(oneOf('a', 'b', 'c').expected, 'a, b or c')
  assert.equal(port(1).expected, 'a port from 1 to 65535')
})
