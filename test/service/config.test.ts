import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import test from 'node:test'
import * as fc from 'fast-check'
import { Fault } from '../../core/fault.ts'
import type { FunctionName } from '../../providers/functions.ts'
import { PRESET_NAMES } from '../../retrieval/presets.ts'
import { formatConfigError } from '../../service/config-source.ts'
import { defaultConfig, loadConfig, parseConfig } from '../../service/config.ts'
import type { Config } from '../../service/config.ts'
import { SETTING_KEYS } from '../../service/settings.ts'

const BASE = resolve('/base')

function parsed(text: string, environment: Record<string, string> = {}): Config {
  const result = parseConfig(text, 'c.yaml', BASE, environment)
  return result.kind === 'ok' ? result.config : assert.fail(result.errors.map(formatConfigError).join('\n'))
}

function errors(text: string, environment: Record<string, string> = {}): readonly string[] {
  const result = parseConfig(text, 'c.yaml', BASE, environment)
  return result.kind === 'ok' ? [] : result.errors.map(formatConfigError)
}

test('an empty file gives the defaults', () => {
  assert.deepEqual(parsed(''), defaultConfig(BASE))
})

test('the defaults are those of the patents and of a plain LAN', () => {
  assert.deepEqual(defaultConfig(BASE), {
    proxy: { listen: { host: '127.0.0.1', port: 3128 }, allowPorts: 'auto', stopGraceMs: 10_000 },
    peering: {
      enabled: true,
      serve: true,
      ask: true,
      address: 'auto',
      broadcast: 'auto',
      packetPort: 1967,
      filePort: 6515,
      maxDelayMs: 'auto',
      transmissionMs: 200,
      waitForDownloads: true,
      maxReaders: 3,
      maxUploads: 16,
      maxUploadRate: 'off',
      allowedNetworks: 'auto',
    },
    cache: {
      directory: join(BASE, 'cache-data'),
      maxSize: 20_000_000_000,
      maxObjectSize: 10_000_000_000,
      memory: 64_000_000,
      reserve: 1_000_000_000,
    },
    verification: {
      aptConfig: 'auto',
      gather: true,
      maxDigests: 500_000,
      askOrigin: true,
      signers: 'none',
      revocations: 'none',
      verifyFirstUpTo: 64 * 1024 * 1024,
    },
    site: { directory: join(BASE, 'site-data'), clearQuestions: false, attest: true, quorum: 1 },
    functions: {
      enabled: true,
      offers: 'none',
      providers: 'none',
      preference: 50,
      weights: 'auto',
      maxDelayMs: 'auto',
    },
    gateway: { offer: true, requestsPerMinute: 1200, bytesPerHour: 20e9, atOnce: 32 },
    checks: { offer: true, everyMs: 900_000, urls: 'none' },
    log: { level: 'info', file: 'off', pretty: 'auto' },
    control: { socket: 'auto', listen: 'off', token: 'auto' },
    rules: [],
    presets: [...PRESET_NAMES],
    updates: [],
  })
})

test('every setting can be written, and comes out resolved', () => {
  const config = parsed(`
proxy: { listen: '[::1]:0', allowPorts: [80, 8080], stopGraceMs: 0 }
peering:
  { enabled: false, serve: false, ask: false, address: 127.0.0.2, broadcast: 127.255.255.255, packetPort: 1968,
    filePort: 0, maxDelayMs: 2000, transmissionMs: 100, waitForDownloads: false, maxReaders: 2, maxUploads: 1, maxUploadRate: 2 MB,
    allowedNetworks: [127.0.0.0/8] }
cache: { directory: ../data, maxSize: 1 GiB, maxObjectSize: 512 MiB, memory: 1 MiB, reserve: 0 }
verification:
  { aptConfig: /etc/other.conf, gather: false, maxDigests: 5000, askOrigin: false, verifyFirstUpTo: 0 B,
    signers: [publisher.pem], revocations: [/etc/publisher.crl] }
site: { directory: ../keys, clearQuestions: true, attest: false, quorum: 2 }
functions:
  { enabled: false, offers: ['print=http://127.0.0.2:8080/'], providers: ['scan=http://127.0.0.3/'], preference: 100,
    weights: [wired=20, mains=0], maxDelayMs: 2000 }
gateway: { offer: false, requestsPerMinute: 60, bytesPerHour: 1 GB, atOnce: 4 }
checks: { offer: false, everyMs: 60000, urls: ['http://updates.test/myupdate.cab'] }
log: { level: debug, file: ./node.log, pretty: false }
control: { socket: ./run.sock, listen: 'localhost:6516', token: ./token }
presets: [apt]
`)
  assert.deepEqual(config, {
    proxy: { listen: { host: '::1', port: 0 }, allowPorts: [80, 8080], stopGraceMs: 0 },
    peering: {
      enabled: false,
      serve: false,
      ask: false,
      address: '127.0.0.2',
      broadcast: '127.255.255.255',
      packetPort: 1968,
      filePort: 0,
      maxDelayMs: 2000,
      transmissionMs: 100,
      waitForDownloads: false,
      maxReaders: 2,
      maxUploads: 1,
      maxUploadRate: 2_000_000,
      allowedNetworks: [{ address: '127.0.0.0', prefixLength: 8, family: 'ipv4' }],
    },
    cache: {
      directory: resolve(BASE, '../data'),
      maxSize: 2 ** 30,
      maxObjectSize: 2 ** 29,
      memory: 2 ** 20,
      reserve: 0,
    },
    verification: {
      aptConfig: resolve('/etc/other.conf'),
      gather: false,
      maxDigests: 5000,
      askOrigin: false,
      signers: [resolve(BASE, 'publisher.pem')],
      revocations: [resolve('/etc/publisher.crl')],
      verifyFirstUpTo: 0,
    },
    site: { directory: resolve(BASE, '../keys'), clearQuestions: true, attest: false, quorum: 2 },
    functions: {
      enabled: false,
      offers: [{ function: 'print' as FunctionName, location: 'http://127.0.0.2:8080/' }],
      providers: [{ function: 'scan' as FunctionName, location: 'http://127.0.0.3/' }],
      preference: 100,
      weights: [
        ['wired', 20],
        ['mains', 0],
      ],
      maxDelayMs: 2000,
    },
    gateway: { offer: false, requestsPerMinute: 60, bytesPerHour: 1e9, atOnce: 4 },
    checks: { offer: false, everyMs: 60_000, urls: ['http://updates.test/myupdate.cab'] },
    log: { level: 'debug', file: join(BASE, 'node.log'), pretty: false },
    control: {
      socket: join(BASE, 'run.sock'),
      listen: { host: 'localhost', port: 6516 },
      token: join(BASE, 'token'),
    },
    rules: [],
    presets: ['apt'],
    updates: [],
  })
})

test('a section without values, all commented out, is empty', () => {
  assert.deepEqual(parsed('proxy:\npeering:\nrules:\n'), defaultConfig(BASE))
})

test('presets are all, none, or those named', () => {
  assert.deepEqual(parsed('presets: true').presets, [...PRESET_NAMES])
  assert.deepEqual(parsed('presets: false').presets, [])
  assert.deepEqual(parsed('presets: []').presets, [])
  assert.deepEqual(parsed('presets: [npm, apt]').presets, ['npm', 'apt'])
})

const LOCATED: readonly (readonly [flaw: string, text: string, errors: readonly string[]])[] = [
  [
    'a wrong value',
    'peering:\n  packetPort: x\n',
    ['c.yaml:2:15: peering.packetPort: expected a port from 1 to 65535, got "x"'],
  ],
  [
    'port 0 for service packets, which all nodes must know',
    'peering: { packetPort: 0 }',
    ['c.yaml:1:24: peering.packetPort: expected a port from 1 to 65535, got 0'],
  ],
  [
    'a key without a value',
    'cache:\n  maxSize:\n',
    ['c.yaml:2:11: cache.maxSize: expected a size of at least 1 MB, such as 20 GB or 512 MiB, got nothing'],
  ],
  [
    'a misspelt key',
    'cache:\n  maxsize: 1 GB\n',
    ['c.yaml:2:3: cache.maxsize: unknown key; did you mean maxSize?'],
  ],
  ['a misspelt section', 'peerings: {}', ['c.yaml:1:1: peerings: unknown key; did you mean peering?']],
  [
    'a key in the wrong section',
    'proxy: { filePort: 1 }',
    ['c.yaml:1:10: proxy.filePort: unknown key; did you mean peering.filePort?'],
  ],
  [
    'a key like no other',
    'control: { colour: red }',
    ['c.yaml:1:12: control.colour: unknown key; expected one of socket, listen, token'],
  ],
  [
    'a name that every object has',
    'log: { constructor: 1 }',
    ['c.yaml:1:8: log.constructor: unknown key; expected one of level, file, pretty'],
  ],
  ['a section that is no mapping', 'log: info', ['c.yaml:1:6: log: expected a mapping, got "info"']],
  ['a file that is no mapping', '- a\n', ['c.yaml:1:1: expected a mapping, got ["a"]']],
  [
    'a mapping as a value',
    'log: { level: { a: 1 } }',
    ['c.yaml:1:15: log.level: expected trace, debug, info, warn, error, fatal or silent, got a mapping'],
  ],
  [
    'a very long value',
    `log: { level: ${'x'.repeat(200)} }`,
    [
      `c.yaml:1:15: log.level: expected trace, debug, info, warn, error, fatal or silent, got "${'x'.repeat(78)}…`,
    ],
  ],
]

for (const [flaw, text, expected] of LOCATED)
  test(`${flaw} is an error that says where and what was expected`, () => {
    assert.deepEqual(errors(text), expected)
  })

test('all errors are reported at once, in the order of the text, those of the environment last', () => {
  const text =
    'rules: [{ match: "a{b" }]\nlog:\n  level: loud\n  levle: info\npeering: { filePort: -1 }\nlog: {}\n'
  assert.deepEqual(
    errors(text, { IHAVE_CACHE_RESERVE: 'much' }).map((line) => line.slice(0, line.indexOf(': '))),
    ['c.yaml:1:18', 'c.yaml:5:22', 'c.yaml:6:1', 'IHAVE_CACHE_RESERVE'],
  )
})

test('the environment overrides the file', () => {
  const config = parsed('log: { level: debug }\nproxy: { listen: 127.0.0.1:1 }', {
    IHAVE_LOG_LEVEL: 'warn',
    IHAVE_PROXY_LISTEN: '[::1]:3128',
    IHAVE_PROXY_ALLOW_PORTS: '[80, 443]',
    IHAVE_PEERING_ENABLED: 'false',
    IHAVE_CACHE_MAX_SIZE: '1 GB',
    IHAVE_PRESETS: '[apt]',
  })
  assert.equal(config.log.level, 'warn')
  assert.deepEqual(config.proxy.listen, { host: '::1', port: 3128 })
  assert.deepEqual(config.proxy.allowPorts, [80, 443])
  assert.equal(config.peering.enabled, false)
  assert.equal(config.cache.maxSize, 1_000_000_000)
  assert.deepEqual(config.presets, ['apt'])
})

test('an empty variable counts as unset, and other programs’ variables are left alone', () => {
  assert.deepEqual(
    parsed('', { IHAVE_LOG_LEVEL: '', IHAVE_CONFIG: 'x', HOME: '/', LOG_LEVEL: 'x' }),
    defaultConfig(BASE),
  )
})

test('a variable that looks like a setting and is none is an error', () => {
  assert.deepEqual(errors('', { IHAVE_PEERING_PAKET_PORT: '1' }), [
    'IHAVE_PEERING_PAKET_PORT: unknown setting; did you mean IHAVE_PEERING_PACKET_PORT?',
  ])
})

for (const [name, problem] of [
  ['IHAVE_CAHCE_MAX_SIZE', 'unknown setting; did you mean IHAVE_CACHE_MAX_SIZE?'],
  ['IHAVE_VERIFY_GATHER', 'unknown setting'],
  ['IHAVE_CACHE', 'unknown setting'],
  ['IHAVE_RULES', 'rules are for the file only'],
  ['IHAVE_RULES_MATCH', 'rules are for the file only'],
  ['IHAVE_UPDATES_NAME', 'updates are for the file only'],
  ['IHAVE_PRESETS_APT', 'unknown setting'],
] as const)
  test(`${name} is such a variable`, () => {
    const [error = '', ...others] = errors('', { [name]: 'x' })
    assert.ok(error.startsWith(`${name}: ${problem}`), error)
    assert.deepEqual(others, [])
  })

test('variables for tests, and those that an updater’s hook is given, are none', () => {
  const variables = {
    IHAVE_TEST_SEED: '1',
    IHAVE_SET: '/x',
    IHAVE_PREVIOUS: '/y',
    IHAVE_MAIN: 'm',
    IHAVE_DATA_DIRECTORY: '/d',
    IHAVE_UPDATER_DIRECTORY: '/d',
    IHAVE_RULES: '',
    IHAVE_CACHE: '',
    IHAVE_PORT: '1',
  }
  assert.deepEqual(parsed('', variables), defaultConfig(BASE))
})

test('a wrong variable says its name, the setting and what was expected', () => {
  assert.deepEqual(errors('', { IHAVE_PEERING_PACKET_PORT: 'x' }), [
    'IHAVE_PEERING_PACKET_PORT: peering.packetPort: expected a port from 1 to 65535, got "x"',
  ])
})

test('loading reads a file and resolves paths against its folder', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-config-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'proxy.config.yaml')
  writeFileSync(file, '\ufeffcache: { directory: ./here }\n')
  assert.equal(loadConfig(file, {}).cache.directory, join(folder, 'here'))
})

test('loading without a path gives the defaults in the working directory, and the environment', () => {
  const config = loadConfig(undefined, { IHAVE_LOG_LEVEL: 'error' })
  assert.equal(config.cache.directory, resolve('cache-data'))
  assert.equal(config.log.level, 'error')
})

function isFault(...parts: readonly string[]): (error: unknown) => boolean {
  return (error) =>
    error instanceof Fault &&
    error.code === 'CONFIG_INVALID' &&
    parts.every((part) => error.message.includes(part))
}

test('a missing file is a fault that names it', () => {
  assert.throws(
    () => loadConfig('/nowhere/proxy.config.yaml', {}),
    isFault('/nowhere/proxy.config.yaml', 'ENOENT'),
  )
})

test('a folder, or a file that is not UTF-8, is a fault that names it', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-config-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'latin1.yaml')
  writeFileSync(file, Buffer.from([0x61, 0x3a, 0x20, 0xfc]))
  assert.throws(() => loadConfig(folder, {}), isFault(folder))
  assert.throws(() => loadConfig(file, {}), isFault(file))
})

test('a wrong file is one fault with a line per error', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-config-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'c.yaml')
  writeFileSync(file, 'log: { level: x }\nproxy: 1\n')
  assert.throws(() => loadConfig(file, {}), isFault(`${file}:1:15: log.level:`, `\n${file}:2:8: proxy:`))
})

test('property: no text throws; what is refused has an error with a place', () => {
  const line = fc.constantFrom(
    'proxy:',
    '  listen: x',
    'rules:',
    '  - { match: "*" }',
    '  -',
    'log: {',
    '}',
    '&a',
    '*a',
    '? x',
    '\t',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(line).map((lines) => lines.join('\n')),
  )
  fc.assert(
    fc.property(text, (written) => {
      const result = parseConfig(written, 'c.yaml', BASE)
      if (result.kind === 'invalid')
        assert.ok(result.errors.length > 0 && result.errors.every((each) => each.position))
    }),
  )
})

test('property: every key misspelt by one letter is an error that names the key', () => {
  const misspelt = fc.constantFrom(...SETTING_KEYS.filter((key) => key.includes('.') && key.length > 14))
  fc.assert(
    fc.property(misspelt, fc.constantFrom('q', 'Z'), (key, letter) => {
      const [section = '', name = ''] = key.split('.')
      assert.match(
        errors(`${section}: { ${name}${letter}: 1 }`)[0] ?? '',
        new RegExp(`did you mean ${name}\\?$`),
      )
    }),
  )
})
