import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test, type TestContext } from 'node:test'

const ROOT = resolve(import.meta.dirname, '../..')

/** Runs a program that says "begun" as `npm start` does it, in a directory of its own. */
function begin(t: TestContext, node: string, isInstalled: boolean) {
  const directory = mkdtempSync(join(tmpdir(), 'ihave-installed-'))
  t.after(() => rmSync(directory, { recursive: true }))
  copyFileSync(join(ROOT, 'installed.js'), join(directory, 'installed.js'))
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module', engines: { node } }))
  writeFileSync(join(directory, 'program.ts'), "const said: string = 'begun'; console.log(said)")
  if (isInstalled) mkdirSync(join(directory, 'node_modules'))
  const options = { cwd: directory, encoding: 'utf8' } as const
  return spawnSync(process.execPath, ['--import', './installed.js', 'program.ts'], options)
}

const OF_THIS = `>=${process.versions.node}`

test('what is installed begins', (t) => {
  const { status, stdout, stderr } = begin(t, OF_THIS, true)
  assert.deepEqual([status, stdout, stderr], [0, 'begun\n', ''])
})

test('where nothing is installed it says so, whatever Node this is', (t) => {
  const { status, stdout, stderr } = begin(t, OF_THIS, false)
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, /^ihave: nothing is installed here yet; "npm ci" does that/)
})

for (const wanted of ['1000.0.0', process.versions.node.replace(/\d+$/, '1000')])
  test(`a Node before ${wanted} is told what is wanted`, (t) => {
    const { status, stdout, stderr } = begin(t, `>=${wanted}`, true)
    assert.deepEqual([status, stdout], [1, ''])
    assert.equal(
      stderr,
      `ihave: this is Node ${process.versions.node}, and it needs ${wanted} or later, which "npm ci" brings\n`,
    )
  })

test('every script that a new user runs first looks for that', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  for (const name of ['start', 'ihave', 'demo', 'test', 'simulate', 'bench'])
    assert.match(scripts[name], /^node --import \.\/installed\.js /, name)
})
