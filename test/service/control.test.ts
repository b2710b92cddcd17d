import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import { createServer as createSocketServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { Fault } from '../../core/fault.ts'
import { defaultConfig } from '../../service/config.ts'
import { startControl, type Operations } from '../../service/control-server.ts'
import { ask, askStatus, controlPath, OPERATIONS, whoListens } from '../../service/control.ts'
import { keptAlive } from '../../service/applications/kept-alive.ts'
import { manualClock } from '../manual-clock.ts'
import { STATUS } from './example-status.ts'

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ihave-control-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

async function listening(t: TestContext, server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
}

/** Begins to listen for commands, until the test is over. */
async function started(t: TestContext, path: string, operations: Partial<Operations> = {}): Promise<void> {
  const control = await startControl(path, { ...SILENT, [OPERATIONS.status]: () => [STATUS], ...operations })
  t.after(() => control.stop())
}

const SILENT = Object.fromEntries(
  Object.values(OPERATIONS).map((name) => [name, () => []]),
) as unknown as Operations

/** A socket that nobody listens on any more, as a killed node leaves it. */
async function leaveSocket(path: string): Promise<void> {
  const server = createSocketServer()
  await new Promise<void>((resolve) => server.listen(`${path}.old`, resolve))
  renameSync(`${path}.old`, path)
  await new Promise<void>((resolve) => server.close(() => resolve()))
  assert.ok(statSync(path).isSocket())
}

function fault(code: Fault['code'], message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof Fault && error.code === code && message.test(error.message)
}

function asked(
  socketPath: string,
  method: string,
  path: string,
  question?: string,
): Promise<[number | undefined, string]> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, method, path }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve([response.statusCode, text]))
    })
    asking.on('error', reject).end(question)
  })
}

describe('the control API', () => {
  test('says how the node is, as JSON', async (t) => {
    const path = join(directory(t), 'control.sock')
    await started(t, path)
    assert.deepEqual(await askStatus(path), JSON.parse(JSON.stringify(STATUS)))
  })

  test('is for this user alone, and knows nothing else', async (t) => {
    const path = join(directory(t), 'control.sock')
    await started(t, path)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    for (const [method, target] of [
      ['GET', '/'],
      ['GET', '/status'],
      ['GET', '/v1/status/..'],
      ['POST', '/v1/status'],
      ['DELETE', '/v1/status'],
      ['GET', '/v1/retrievals'],
    ] as const) {
      const [status, text] = await asked(path, method, target)
      assert.equal(status, 404, target)
      assert.match(text, /expected GET \/v1\/status/)
    }
  })

  test('takes away its socket when it stops', async (t) => {
    const path = join(directory(t), 'control.sock')
    const control = await startControl(path, SILENT)
    await control.stop()
    assert.equal(existsSync(path), false)
    await assert.rejects(askStatus(path), fault('NODE_UNREACHABLE', /no node answers/))
  })

  test('takes the place of a socket that a killed node left behind', async (t) => {
    const path = join(directory(t), 'control.sock')
    await leaveSocket(path)
    await started(t, path)
    assert.equal((await askStatus(path)).node, 'abc')
  })

  test('leaves a file alone that is no socket, and says so', async (t) => {
    const path = join(directory(t), 'precious')
    writeFileSync(path, 'data')
    await assert.rejects(
      started(t, path),
      fault('ADDRESS_IN_USE', /control\.socket: cannot listen on .*precious/),
    )
    assert.equal(readFileSync(path, 'utf8'), 'data')
  })

  test('leaves a node alone that runs, and says so', async (t) => {
    const path = join(directory(t), 'control.sock')
    await started(t, path)
    await assert.rejects(
      started(t, path, { [OPERATIONS.status]: () => [{ ...STATUS, node: 'second' }] }),
      fault('ADDRESS_IN_USE', /control\.sock/),
    )
    assert.equal((await askStatus(path)).node, 'abc')
  })

  test('leaves another program’s socket alone, whatever that answers', async (t) => {
    const path = join(directory(t), 'other.sock')
    const other = createServer((_, response) => response.writeHead(500).end('what?'))
    await listening(t, other, path)
    await assert.rejects(started(t, path), fault('ADDRESS_IN_USE', /other\.sock/))
    assert.deepEqual(await asked(path, 'GET', '/status'), [500, 'what?'])
  })

  test('leaves a socket alone behind which somebody listens and does not answer', async (t) => {
    const path = join(directory(t), 'busy.sock')
    const busy = createServer((asking) => asking.socket.destroy())
    await listening(t, busy, path)
    await assert.rejects(started(t, path), fault('ADDRESS_IN_USE', /busy\.sock/))
    assert.ok(existsSync(path))
  })

  test('says where it could not listen', async (t) => {
    const path = join(directory(t), 'missing', 'control.sock')
    await assert.rejects(started(t, path), fault('ADDRESS_IN_USE', /missing/))
  })
})

describe('asking a node how it is', () => {
  test('where none is names the path', async (t) => {
    const path = join(directory(t), 'control.sock')
    await assert.rejects(askStatus(path), fault('NODE_UNREACHABLE', /no node answers at .*control\.sock/))
  })

  test('where one was killed says so as well', async (t) => {
    const path = join(directory(t), 'control.sock')
    await leaveSocket(path)
    await assert.rejects(askStatus(path), fault('NODE_UNREACHABLE', /no node answers at .*control\.sock/))
  })

  for (const [name, status, text] of [
    ['an error', 500, '{}'],
    ['no JSON', 200, 'hello'],
    ['half of it', 200, '{"node":'],
    ['nothing', 200, ''],
  ] as const)
    test(
      `where something else answers with ${name} is a fault, not a crash`,
      { timeout: 5000 },
      async (t) => {
        const path = join(directory(t), 'other.sock')
        await listening(
          t,
          createServer((_, response) => response.writeHead(status).end(text)),
          path,
        )
        await assert.rejects(askStatus(path), fault('NODE_UNREACHABLE', /other\.sock/))
      },
    )

  test('where the answer breaks off is a fault that names the path', { timeout: 5000 }, async (t) => {
    const path = join(directory(t), 'other.sock')
    const other = createServer((_, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('{', () => response.destroy())
    })
    await listening(t, other, path)
    await assert.rejects(askStatus(path), fault('NODE_UNREACHABLE', /other\.sock/))
  })
})

describe('what takes longer', () => {
  const { listCache, purgeCache } = OPERATIONS

  test('comes line by line, while the node still works', { timeout: 5000 }, async (t) => {
    const path = join(directory(t), 'control.sock')
    const { promise, resolve } = Promise.withResolvers<void>()
    async function* lines() {
      yield { line: 1 }
      await promise
      yield { line: 2 }
    }
    await started(t, path, { [listCache]: lines })
    const answer = ask(path, listCache)
    assert.deepEqual(await answer.next(), { done: false, value: { line: 1 } })
    resolve()
    assert.deepEqual(await answer.next(), { done: false, value: { line: 2 } })
    assert.equal((await answer.next()).done, true)
  })

  test('is told what is asked, and may answer nothing', async (t) => {
    const path = join(directory(t), 'control.sock')
    const questions: unknown[] = []
    const note = (question: unknown) => {
      questions.push(question)
      return []
    }
    await started(t, path, { [purgeCache]: note })
    assert.deepEqual(await all(ask(path, purgeCache, { target: 'ü*' })), [])
    assert.deepEqual(await all(ask(path, purgeCache)), [])
    assert.deepEqual(questions, [{ target: 'ü*' }, undefined])
  })

  test('throws here what it throws there, before the first line and after', async (t) => {
    const path = join(directory(t), 'control.sock')
    const full = new Fault('STORE_FULL', 'no room')
    const fail = (): Iterable<unknown> => {
      throw full
    }
    function* failLater() {
      yield 1
      throw full
    }
    await started(t, path, { [listCache]: fail, [purgeCache]: failLater })
    await assert.rejects(all(ask(path, listCache)), fault('STORE_FULL', /^no room$/))
    const answer = ask(path, purgeCache)
    assert.equal((await answer.next()).value, 1)
    await assert.rejects(answer.next(), fault('STORE_FULL', /^no room$/))
  })

  test(
    'ends when nobody reads any more, and is waited for when the node stops',
    { timeout: 5000 },
    async (t) => {
      const path = join(directory(t), 'control.sock')
      const ended: string[] = []
      async function* endless(question: unknown) {
        try {
          for (;;) {
            yield 'x'.repeat(1000)
            await new Promise((resolve) => setImmediate(resolve))
          }
        } finally {
          ended.push(String(question))
        }
      }
      const control = await startControl(path, { ...SILENT, [listCache]: endless })
      for await (const _ of ask(path, listCache, 'left')) break
      const second = ask(path, listCache, 'stopped')
      await second.next()
      await control.stop()
      assert.deepEqual(ended.toSorted(), ['left', 'stopped'])
      await assert.rejects(all(second), fault('NODE_UNREACHABLE', /the answer broke off/))
    },
  )

  test('waits for a slow reader instead of filling the memory', { timeout: 5000 }, async (t) => {
    const path = join(directory(t), 'control.sock')
    let said = 0
    function* much() {
      for (; said < 100_000; said += 1) yield 'x'.repeat(1000)
    }
    await started(t, path, { [listCache]: much })
    const answer = ask(path, listCache)
    await answer.next()
    for (let turn = 0; turn < 2000; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(said < 10_000, `${said} lines were made`)
    await answer.return(undefined)
  })

  test('leaves nothing behind each time that it has waited', { timeout: 5000 }, async (t) => {
    const path = join(directory(t), 'control.sock')
    const warnings: string[] = []
    const onWarning = ({ name }: Error) => void warnings.push(name)
    process.on('warning', onWarning)
    t.after(() => process.off('warning', onWarning))
    await started(t, path, { [listCache]: () => Array.from({ length: 100 }, () => 'x'.repeat(100_000)) })
    assert.equal((await all(ask(path, listCache))).length, 100)
    assert.deepEqual(warnings, [])
  })

  for (const [name, question, message] of [
    ['no JSON', 'target=x', /in JSON/],
    ['too much', `"${'x'.repeat(70_000)}"`, /at most 65536 bytes/],
  ] as const)
    test(`refuses ${name}`, async (t) => {
      const path = join(directory(t), 'control.sock')
      await started(t, path)
      const [status, text] = await asked(path, 'POST', '/v1/cache/list', question)
      assert.equal(status, 400)
      assert.match(text, message)
    })
})

describe('who listens', () => {
  test('is nobody where there is no socket, or a deserted one', async (t) => {
    const path = join(directory(t), 'control.sock')
    assert.equal(await whoListens(path), 'nobody')
    await leaveSocket(path)
    assert.equal(await whoListens(path), 'nobody')
    await started(t, path)
    assert.equal(await whoListens(path), 'somebody')
  })

  test('cannot be told where the path is none', async (t) => {
    const file = join(directory(t), 'file')
    writeFileSync(file, '')
    assert.deepEqual(await whoListens(join(file, 'control.sock')), { error: 'ENOTDIR' })
  })
})

async function all(lines: AsyncIterable<unknown>): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const line of lines) found.push(line)
  return found
}

describe('the path of the control socket', () => {
  const config = defaultConfig('/base')
  const at = (cacheDirectory: string, socket: string = 'auto') =>
    controlPath({ cache: { ...config.cache, directory: cacheDirectory }, control: { socket } })

  test('lies in the cache directory', { skip: process.platform === 'win32' }, () => {
    assert.equal(at('/var/cache/ihave'), '/var/cache/ihave/control.sock')
  })

  test('is what is configured', () => {
    assert.equal(at('/var/cache/ihave', '/run/ihave.sock'), '/run/ihave.sock')
  })

  test('lies elsewhere when it would be too long for the system, and differs for each cache', () => {
    const [first, second] = [at(`/${'a'.repeat(100)}`), at(`/${'b'.repeat(100)}`)]
    assert.ok(Buffer.byteLength(first) <= 100)
    assert.notEqual(first, second)
    assert.equal(at(`/${'a'.repeat(100)}`), first)
  })

  test('counts bytes, not characters', { skip: process.platform === 'win32' }, () => {
    assert.ok(Buffer.byteLength(at(`/${'ü'.repeat(45)}`)) <= 100)
  })
})

test('what takes long gives signs of life, and then what came', async () => {
  const clock = manualClock()
  const slow = deferred<string>()
  async function* items() {
    yield 'first'
    yield await slow.promise
  }
  const lines = keptAlive(items(), clock)
  assert.equal((await lines.next()).value, 'first')
  const sign = lines.next()
  await new Promise((resolve) => setImmediate(resolve))
  clock.advance(15_000)
  assert.equal((await sign).value, null)
  slow.resolve('second')
  assert.equal((await lines.next()).value, 'second')
  assert.equal((await lines.next()).done, true)
})
