import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { cacheLs } from '../../cli/cache-ls.ts'
import { cachePurge } from '../../cli/cache-purge.ts'
import type { Command } from '../../cli/command.ts'
import { loadConfig, type Config } from '../../service/config.ts'
import { configuredStore } from '../../service/configured-store.ts'
import { systemClock } from '../../core/clock.ts'
import { describe as describeError } from '../../core/fault.ts'
import type { StoredResponse } from '../../core/store.ts'
import { bytesOf, fault, flipBit, headOf, MIB, put, uriOf } from '../cache/store-fixtures.ts'
import { CLI, Scene } from '../clients/harness.ts'
import { run } from '../clients/programs.ts'

const scene = new Scene()
after(() => scene.close())

interface Machine {
  readonly configFile: string
  readonly cache: string
  readonly stored: readonly StoredResponse[]
}

/** A machine whose cache has three files: 3 MiB, 1 kB and 2 kB. */
async function machine(): Promise<Machine> {
  const directory = scene.directory()
  const configFile = scene.configFile({ peering: { enabled: false } }, directory)
  const config: Config = loadConfig(configFile, {})
  const store = configuredStore(config, () => {})
  await store.start()
  const now = systemClock.wall()
  const head = { requestTime: now, responseTime: now }
  const stored = [
    await put(store, 'pool/large_1.0_all.deb', bytesOf(3 * MIB), head),
    await put(store, 'pool/small_1.0_all.deb?token=s3cret', bytesOf(1000), head),
    await put(store, 'by-hash/SHA256/1', bytesOf(2000), { ...head, source: 'peer' }),
  ]
  await store.stop()
  return { configFile, cache: config.cache.directory, stored }
}

/** Leaves two MiB of a file of four. */
async function leavePartial(configFile: string): Promise<void> {
  const store = configuredStore(loadConfig(configFile, {}), () => {})
  await store.start()
  const copy = await store.create()
  copy.setSize(4 * MIB)
  await copy.write(0, bytesOf(2 * MIB))
  const now = systemClock.wall()
  await store.shelve(copy, headOf('iso?token=s3cret', { requestTime: now, responseTime: now }))
  await store.stop()
}

async function ihave({ configFile }: Pick<Machine, 'configFile'>, ...args: readonly string[]) {
  const ran = await run(process.execPath, [CLI, ...args, '--config', configFile])
  return { code: ran.code, stdout: ran.stdout.toString(), stderr: ran.stderr }
}

function rows(text: string): string[][] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/))
}

/** The same commands, whoever has the cache. */
for (const [where, begin] of [
  ['of a running node', async (configFile: string) => void (await scene.ihave(configFile).ready())],
  ['in its directory, while no node runs', async () => {}],
] as const)
  describe(`the cache ${where}`, () => {
    test('is listed for people, without queries', async () => {
      const there = await machine()
      await begin(there.configFile)
      const { code, stdout, stderr } = await ihave(there, 'cache', 'ls')
      assert.deepEqual([code, stderr], [0, ''])
      const table = rows(stdout)
      assert.deepEqual(table[0], ['SIZE', 'AGE', 'FRESH FOR', 'FROM', 'SHARED', 'URL'])
      assert.deepEqual(
        table.slice(1, -1).map(([size, , , from, shared, url]) => [size, from, shared, url]),
        [
          ['2.0 kB', 'peer', 'no', uriOf('by-hash/SHA256/1')],
          ['1.0 kB', 'internet', 'yes', uriOf('pool/small_1.0_all.deb?…')],
          ['3.1 MB', 'internet', 'yes', uriOf('pool/large_1.0_all.deb')],
        ],
      )
      assert.deepEqual(table.at(-1), ['3 responses, 3.1 MB'])
    })

    test('is sorted, limited and searched', async () => {
      const there = await machine()
      await begin(there.configFile)
      const sizes = async (...args: string[]) => {
        const { stdout } = await ihave(there, 'cache', 'ls', '--json', ...args)
        const { responses, totals } = JSON.parse(stdout) as {
          responses: { bytes: number }[]
          totals: unknown
        }
        return [responses.map(({ bytes }) => bytes), totals]
      }
      const totals = { responses: 3, bytes: 3 * MIB + 3000 }
      assert.deepEqual(await sizes('--sort', 'size'), [[3 * MIB, 2000, 1000], totals])
      assert.deepEqual(await sizes('--sort', 'used', '--limit', '2'), [[2000, 1000], totals])
      assert.deepEqual(await sizes('*.deb', '--sort', 'size'), [
        [3 * MIB, 1000],
        { responses: 2, bytes: 3 * MIB + 1000 },
      ])
      assert.deepEqual(await sizes('*.none'), [[], { responses: 0, bytes: 0 }])
      const limited = await ihave(there, 'cache', 'ls', '--limit', '1')
      assert.equal(rows(limited.stdout).at(-1)?.[0], '1 of 3 responses, 3.1 MB in all')
    })

    test('loses what is purged by URL and by pattern, and nothing in a dry run', async () => {
      const there = await machine()
      await begin(there.configFile)
      const dry = await ihave(there, 'cache', 'purge', '**', '--dry-run')
      assert.match(dry.stdout, /^ *SIZE .*\n(.*http:.*\n){3}would remove 3 responses, 3\.1 MB\n$/)
      const one = await ihave(there, 'cache', 'purge', uriOf('pool/small_1.0_all.deb?token=s3cret'))
      assert.deepEqual(one, { code: 0, stdout: 'removed 1 response, 1.0 kB\n', stderr: '' })
      const none = await ihave(there, 'cache', 'purge', uriOf('pool/small_1.0_all.deb?token=s3cret'))
      assert.deepEqual([none.code, none.stdout], [1, ''])
      assert.match(none.stderr, /^ihave cache purge: nothing that is stored matches/)
      assert.doesNotMatch(none.stderr, /s3cret/)
      const rest = await ihave(there, 'cache', 'purge', '**', '--json')
      assert.deepEqual(JSON.parse(rest.stdout), {
        responses: 2,
        bytes: 3 * MIB + 2000,
        isDryRun: false,
        wouldGo: [],
      })
      assert.equal((await ihave(there, 'cache', 'ls')).stdout, '0 responses, 0 B\n')
    })

    test('is verified with what is here of incomplete files', async () => {
      const there = await machine()
      await leavePartial(there.configFile)
      await begin(there.configFile)
      const sound = await ihave(there, 'cache', 'verify')
      const text = '3 files right and what is here of 1 incomplete one, 5.2 MB read; no damage\n'
      assert.deepEqual(sound, { code: 0, stdout: text, stderr: '' })
      const growing = join(there.cache, 'growing')
      truncateSync(join(growing, readdirSync(growing)[0] ?? ''), MIB + 5)
      const damaged = await ihave(there, 'cache', 'verify')
      assert.equal(damaged.code, 1)
      assert.match(
        damaged.stdout,
        /^removed {2}\S+iso\?…: 1\.0 MB of what is here of it are missing or damaged$/m,
      )
      assert.match(damaged.stdout, /^3 files right, 4\.2 MB read$/m)
      const listed = await ihave(there, 'cache', 'ls', '**iso*')
      assert.match(listed.stdout, /1\.0 MB of 4\.2 MB/)
    })

    test('is verified: what is damaged goes, and the exit code tells', async () => {
      const there = await machine()
      await begin(there.configFile)
      const sound = await ihave(there, 'cache', 'verify')
      assert.deepEqual(sound, { code: 0, stdout: '3 files right, 3.1 MB read; no damage\n', stderr: '' })
      const [large, small, other] = there.stored
      assert.ok(large && small && other)
      flipBit(there.cache, large, 2 * MIB)
      flipBit(there.cache, small, 0)
      const damaged = await ihave(there, 'cache', 'verify')
      assert.deepEqual([damaged.code, damaged.stderr], [1, ''])
      assert.match(
        damaged.stdout,
        /^removed {2}\S+large_1\.0_all\.deb: body \S+: piece 2 does not match its digest$/m,
      )
      assert.match(
        damaged.stdout,
        /^removed {2}\S+small_1\.0_all\.deb\?…: body \S+: piece 0 does not match its digest$/m,
      )
      assert.match(damaged.stdout, /^1 file right, .* read$/m)
      flipBit(there.cache, other, 0)
      const again = await ihave(there, 'cache', 'verify', '--json')
      assert.equal(again.code, 1)
      const { lost, ...rest } = JSON.parse(again.stdout) as { lost: { uris: string[] }[] }
      assert.deepEqual(rest, { bodies: 0, partials: 0, bytes: 0, unread: [], unnamed: 0 })
      assert.deepEqual(
        lost.map(({ uris }) => uris),
        [[uriOf('by-hash/SHA256/1')]],
      )
      assert.equal((await ihave(there, 'cache', 'verify')).code, 0)
    })
  })

describe('the cache commands', () => {
  const usage: readonly (readonly [command: Command, args: string[], message: RegExp])[] = [
    [cacheLs, ['--sort', 'name'], /--sort: expected used, size, age, got "name"/],
    [cacheLs, ['--sort', 'constructor'], /--sort: expected/],
    [cacheLs, ['--limit', '0'], /--limit: expected a number of lines, got "0"/],
    [cacheLs, ['--limit=-1'], /--limit: expected a number of lines, got "-1"/],
    [cacheLs, ['a', 'b'], /expected one URL or pattern; put it in quotes/],
    [cacheLs, ['{a'], /expected a URL or a URL glob with a \} for each \{/],
    [cachePurge, [], /expected one URL or pattern/],
    [cachePurge, [''], /expected a URL or a URL glob/],
    [cachePurge, ['a', 'b'], /expected one URL or pattern/],
    [cachePurge, ['x'.repeat(3000)], /of at most 2000 characters/],
  ]
  for (const [command, args, message] of usage)
    test(`refuse ${args.join(' ').slice(0, 40) || 'nothing'}`, async () => {
      const { configFile } = await machine()
      await assert.rejects(
        async () => command.run([...args, '--config', configFile]),
        (error) => fault('BAD_REQUEST')(error) && message.test(describeError(error)),
      )
    })

  test('end with 2 where the command line is wrong', async () => {
    const there = await machine()
    for (const [args, message] of [
      [['cache'], /^ihave: expected cache ls, cache purge, cache verify; "ihave help" lists them\n$/],
      [['cache', 'ls', '{a'], /^ihave cache ls: expected a URL or a URL glob with a \} for each \{\n$/],
      [['cache', 'verify', 'a'], /^ihave cache verify: unexpected argument 'a'/i],
      [['cache', 'verify', '--quick'], /^ihave cache verify: unknown option '--quick'/i],
    ] as const) {
      const ran = await ihave(there, ...args)
      assert.deepEqual([ran.code, ran.stdout], [2, ''])
      assert.match(ran.stderr, message)
    }
  })

  test('a pattern that is none is refused by a running node as well', async () => {
    const there = await machine()
    await scene.ihave(there.configFile).ready()
    const ran = await ihave(there, 'cache', 'purge', '{a')
    assert.equal(ran.code, 2)
    assert.match(ran.stderr, /^ihave cache purge: expected a URL or a URL glob with a \} for each \{\n$/)
  })

  test('make no cache where there is none', async () => {
    const directory = scene.directory()
    const configFile = scene.configFile({}, directory)
    for (const args of [['ls'], ['purge', '**'], ['verify']]) {
      const ran = await ihave({ configFile }, 'cache', ...args)
      assert.equal(ran.code, 1)
      assert.match(ran.stderr, /there is no cache in \/.*cache; --config FILE says where it is/)
    }
    assert.ok(!existsSync(join(directory, 'cache')))
  })

  test('leave a cache alone that a node has which does not answer', async () => {
    const there = await machine()
    const store = configuredStore(loadConfig(there.configFile, {}), () => {})
    await store.start()
    try {
      const ran = await ihave(there, 'cache', 'purge', '**')
      assert.equal(ran.code, 1)
      assert.match(ran.stderr, /in use by another process, and no node answers at .*control\.sock/)
      assert.equal(store.usage().responses, 3)
    } finally {
      await store.stop()
    }
  })

  test('tell of an index that cannot be used, and go on without', async () => {
    const there = await machine()
    writeFileSync(join(there.cache, 'index.sqlite'), 'x'.repeat(10_000))
    const ran = await ihave(there, 'cache', 'verify')
    assert.equal(ran.code, 1)
    assert.match(ran.stderr, /^the index could not be used and begins anew: /)
    assert.match(ran.stdout, /^removed {2}the whole index: /)
    assert.equal((await ihave(there, 'cache', 'ls')).stdout, '0 responses, 0 B\n')
  })

  test('change neither the order of use nor the files when they only look', async () => {
    const there = await machine()
    const urls = async () => {
      const { responses } = JSON.parse((await ihave(there, 'cache', 'ls', '--json')).stdout) as {
        responses: { uri: string }[]
      }
      return responses.map(({ uri }) => uri)
    }
    const before = await urls()
    mkdirSync(join(there.cache, 'growing', 'left-behind'))
    await ihave(there, 'cache', 'verify')
    await ihave(there, 'cache', 'purge', '--dry-run', '**')
    assert.deepEqual(await urls(), before)
    assert.ok(existsSync(join(there.cache, 'growing', 'left-behind')))
  })

  test('have their own help', async () => {
    for (const name of ['ls', 'purge', 'verify']) {
      const ran = await run(process.execPath, [CLI, 'cache', name, '--help'])
      const text = ran.stdout.toString()
      assert.equal(ran.code, 0)
      assert.match(text, new RegExp(`^ihave cache ${name} .*\\[--config FILE\\].*\\[--json\\]`))
      assert.match(text, /^ {2}-c, --config FILE +the configuration of the node$/m)
    }
    for (const asked of [
      ['site', '--help'],
      ['site', '-h'],
      ['help', 'site'],
    ]) {
      const ran = await run(process.execPath, [CLI, ...asked])
      assert.equal(ran.code, 0)
      assert.match(ran.stdout.toString(), /^ihave site restore FILE +takes on the authority/m)
      assert.doesNotMatch(ran.stdout.toString(), /ihave cache/)
    }
    const all = (await run(process.execPath, [CLI, 'help'])).stdout.toString()
    for (const name of ['start', 'status', 'cache ls', 'cache purge', 'cache verify'])
      assert.match(all, new RegExp(`^ihave ${name} `, 'm'))
    const settings = (await run(process.execPath, [CLI, 'help', 'settings'])).stdout.toString()
    assert.match(settings, /cache\.maxSize \(IHAVE_CACHE_MAX_SIZE\)/)
  })
})

/** Commands in docs that can be tried: the lines of ```sh blocks that begin with `ihave cache`. */
function examplesIn(page: string): string[] {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8')
  const blocks = [...text.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, block = '']) => block)
  return blocks.flatMap((block) => block.match(/^ihave cache .*$/gm) ?? [])
}

describe('the examples', () => {
  for (const page of ['README.md', 'docs/cache.md'])
    test(`in ${page} work`, async () => {
      const examples = examplesIn(page)
      assert.ok(examples.length > 2)
      for (const example of examples) {
        const { configFile } = await machine()
        const shell = `ihave() { "$NODE" "$CLI" "$@" --config "$CONFIG"; }\n${example}`
        const environment = { NODE: process.execPath, CLI, CONFIG: configFile }
        const ran = await run('sh', ['-c', shell], { environment })
        assert.equal(ran.code, 0, `${example}\n${ran.stderr}`)
      }
    })
})
