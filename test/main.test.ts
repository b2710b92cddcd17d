import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const MAIN = join(import.meta.dirname, 'main.ts')

/** Runs files with these bodies as `npm test -- …` does. */
function runTests(context: { after: (end: () => void) => void }, bodies: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-tests-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const importTest = "import { test } from 'node:test'\n"
  for (const [at, body] of bodies.entries()) writeFileSync(join(folder, `${at}.test.mjs`), importTest + body)
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, join(folder, '*.test.mjs')], { env })
  return { status, told: String(stdout), stderr: String(stderr) }
}

test('the tests of all files are counted, and a failed one fails the whole', (t) => {
  const passes = "test('a', () => {})\ntest('b', { skip: true }, () => {})\n"
  const good = runTests(t, [passes, passes])
  assert.equal(good.status, 0)
  assert.match(good.told, /^ℹ tests 4\nℹ suites 0\nℹ pass 2\nℹ fail 0\nℹ cancelled 0\nℹ skipped 2\n/m)
  const bad = runTests(t, [
    passes,
    "test('c', (t) => {\n  t.diagnostic('fail 0')\n  throw new Error('no')\n})\n",
  ])
  assert.equal(bad.status, 1)
  assert.match(bad.told, /^ℹ tests 3\nℹ suites 0\nℹ pass 1\nℹ fail 1\n/m)
  assert.match(bad.told, /failing tests:/)
})

test('an error that no test waits for fails the whole', (t) => {
  const waiting = 'await new Promise((resolve) => setTimeout(resolve, 50))'
  const errors = [
    "Promise.reject(new Error('lost'))",
    "await 1; setTimeout(() => { throw new Error('lost') })",
  ]
  for (const error of errors) {
    const { status, told } = runTests(t, [`test('a', async () => { ${error}; ${waiting} })`])
    assert.equal(status, 1)
    assert.match(told, /^ℹ fail 1$/m)
    assert.match(told, /Error: lost/)
  }
})

test('a file that cannot be run fails the whole, and so does asking for none', (t) => {
  assert.equal(runTests(t, ['this is no program']).status, 1)
  const none = runTests(t, [])
  assert.equal(none.status, 1)
  assert.match(none.stderr, /there are no tests in/)
})
