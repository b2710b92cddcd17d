/** What `ihave site` says where something cannot be done: no codes of an operating system, and what to do. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { run } from '../clients/programs.ts'

const CLI = join(import.meta.dirname, '../../cli/main.ts')
const directory = mkdtempSync(join(tmpdir(), 'ihave-site-'))
const config = join(directory, 'config.yaml')

before(async () => {
  writeFileSync(
    config,
    JSON.stringify({
      cache: { directory: join(directory, 'cache') },
      site: { directory: join(directory, 'site') },
    }),
  )
  assert.equal((await site('init', 'home')).code, 0)
})
after(() => rmSync(directory, { recursive: true }))

async function site(...args: readonly string[]) {
  const { code, stdout, stderr } = await run(process.execPath, [CLI, 'site', ...args, '--config', config])
  return { code, stdout: stdout.toString(), stderr }
}

test('the status tells for how many machines an invitation is open, and until when', async () => {
  const { code, stdout } = await site('status')
  assert.equal(code, 0)
  assert.match(stdout, /^invitation open until \d{4}-\d\d-\d\d \d\d:\d\d UTC, for 1 more machine$/m)
})

describe('a backup of the authority', () => {
  test('into a folder that does not exist says so, and which one', async () => {
    const { code, stderr } = await site('backup', join(directory, 'nowhere', 'home.json'))
    assert.notEqual(code, 0)
    assert.match(stderr, /nowhere does not exist: expected a file in a folder that does/)
    assert.doesNotMatch(stderr, /ENOENT/)
  })

  test('below a file says that it is no folder', async () => {
    const { code, stderr } = await site('backup', join(config, 'home.json'))
    assert.notEqual(code, 0)
    assert.match(stderr, /config\.yaml is no folder/)
    assert.doesNotMatch(stderr, /ENOTDIR/)
  })

  test('is for its owner alone, and can be restored', async () => {
    const file = join(directory, 'home.json')
    assert.equal((await site('backup', file)).code, 0)
    if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal((await site('restore', file)).code, 0)
  })
})

describe('restoring the authority', () => {
  test('from a file that is not there says so', async () => {
    const { code, stderr } = await site('restore', join(directory, 'missing.json'))
    assert.notEqual(code, 0)
    assert.match(stderr, /missing\.json: there is no such file/)
    assert.doesNotMatch(stderr, /ENOENT/)
  })

  for (const text of ['{"name":"home"', '[]', '{"name":"home"}', ''])
    test(`from ${JSON.stringify(text)} does not send anybody to the backup that was given`, async () => {
      const file = join(directory, 'damaged.json')
      writeFileSync(file, text)
      const { code, stderr } = await site('restore', file)
      assert.notEqual(code, 0)
      assert.match(
        stderr,
        /damaged\.json is damaged: expected the record of a site, as "ihave site backup" writes it/,
      )
      assert.doesNotMatch(stderr, /restore it from a backup/)
    })

  test('from a backup whose key is damaged neither', async () => {
    const file = join(directory, 'key.json')
    const parts = { until: 1, secret: { epoch: 1, key: '00' }, members: [], tokens: [] }
    writeFileSync(file, JSON.stringify({ name: 'home', key: 'no key', ...parts }))
    const { code, stderr } = await site('restore', file)
    assert.notEqual(code, 0)
    assert.match(stderr, /the authority’s key cannot be read/)
    assert.ok(readdirSync(join(directory, 'site')).includes('authority.json'))
  })
})
