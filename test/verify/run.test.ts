import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommandFailed, runOnMachine } from '../../verify/run.ts'

const NODE = process.execPath

test('the output comes whole, and the environment reaches the program', async () => {
  const script = 'process.stdout.write(process.env.WORD.repeat(100_000))'
  assert.equal(await output(['-e', script], { WORD: 'three' }), 'three'.repeat(100_000))
})

test('a program that is not there is told from one that fails', async () => {
  const failure = await failureOf(runOnMachine('no-such-program-at-all', [], options()))
  assert.equal(failure.isMissing, true)
})

test('a status other than 0 is a failure that quotes standard error, shortened', async () => {
  const script = 'console.error("broken " + "x".repeat(10_000)); process.exitCode = 3'
  const failure = await failureOf(runOnMachine(NODE, ['-e', script], options()))
  assert.equal(failure.isMissing, false)
  assert.match(failure.message, /broken xxx/)
  assert.ok(failure.message.length < 1_000)
})

test('output before a failure does not hide the failure', async () => {
  const script = 'process.stdout.write("half"); process.exitCode = 1'
  await failureOf(runOnMachine(NODE, ['-e', script], options()))
})

test('an abort ends a program that would run for ever', async () => {
  const abort = new AbortController()
  const forever = 'process.stdout.write("x"); setInterval(() => {}, 1000)'
  const chunks = runOnMachine(NODE, ['-e', forever], { env: {}, signal: abort.signal })[
    Symbol.asyncIterator
  ]()
  await chunks.next()
  abort.abort()
  await assert.rejects(async () => chunks.next(), CommandFailed)
})

test('who stops listening ends the program', async () => {
  const forever = 'process.stdout.write(String(process.pid)); setInterval(() => {}, 1000)'
  let pid = 0
  for await (const chunk of runOnMachine(NODE, ['-e', forever], options())) {
    pid = Number(Buffer.from(chunk).toString())
    break
  }
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

function options() {
  return { env: {}, signal: new AbortController().signal }
}

async function output(args: readonly string[], env: Record<string, string>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of runOnMachine(NODE, args, { ...options(), env })) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function failureOf(chunks: AsyncIterable<Uint8Array>): Promise<CommandFailed> {
  try {
    for await (const chunk of chunks) assert.ok(chunk)
  } catch (error) {
    assert.ok(error instanceof CommandFailed)
    return error
  }
  assert.fail('it did not fail')
}
