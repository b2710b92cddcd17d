import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { request, type OutgoingHttpHeaders } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { Fault } from '../../core/fault.ts'
import { systemRandom } from '../../core/random.ts'
import { connect } from '../../library/connect.ts'
import { startLoopbackControl, type Operations } from '../../service/control-server.ts'
import { ask, OPERATIONS } from '../../service/control.ts'
import { parseConfig } from '../../service/config.ts'

const OPERATIONS_OF_TEST = Object.fromEntries(
  Object.values(OPERATIONS).map((name) => [name, () => [{ answered: name }]]),
) as unknown as Operations
const NO_BYTES = { take: () => undefined, put: () => undefined }

async function started(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'ihave-loopback-'))
  const tokenFile = join(directory, 'token')
  const settings = { host: '127.0.0.1', port: 0, tokenFile }
  const control = await startLoopbackControl(settings, OPERATIONS_OF_TEST, NO_BYTES, systemRandom)
  t.after(async () => {
    await control.stop()
    rmSync(directory, { recursive: true })
  })
  return { control, directory, tokenFile, token: readFileSync(tokenFile, 'utf8').trim(), port: control.port }
}

interface Told {
  readonly status: number | undefined
  readonly headers: Record<string, unknown>
  readonly text: string
}

function asked(
  port: number,
  headers: OutgoingHttpHeaders,
  method = 'GET',
  path = '/v1/status',
): Promise<Told> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }))
    })
    asking.on('error', reject).end()
  })
}

describe('the file of the token', () => {
  const startedAt = async (tokenFile: string) => {
    const settings = { host: '127.0.0.1', port: 0, tokenFile }
    const control = await startLoopbackControl(settings, OPERATIONS_OF_TEST, NO_BYTES, systemRandom)
    await control.stop()
  }
  const fileWith = (t: TestContext, text: string) => {
    const directory = mkdtempSync(join(tmpdir(), 'ihave-token-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const path = join(directory, 'file')
    writeFileSync(path, text)
    return path
  }

  test('is not written over one that is something else', async (t) => {
    const path = fileWith(t, 'cache: { maxSize: 10 GB }\n')
    await assert.rejects(startedAt(path), /control\.token: .* is no token/)
    assert.equal(readFileSync(path, 'utf8'), 'cache: { maxSize: 10 GB }\n')
  })

  for (const left of ['', `${'ab'.repeat(32)}\n`])
    test(`takes the place of what a node that was killed has left: ${JSON.stringify(left)}`, async (t) => {
      await assert.doesNotReject(startedAt(fileWith(t, left)))
    })
})

describe('the control API on loopback', () => {
  test('answers whoever has its token', async (t) => {
    const { port, token } = await started(t)
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`]) {
      const { status, text } = await asked(port, { Host: host, Authorization: `Bearer ${token}` })
      assert.deepEqual([status, JSON.parse(text)], [200, { answered: 'GET /v1/status' }])
    }
    const lines = ask({ host: '127.0.0.1', port, token }, OPERATIONS.listCache)
    assert.deepEqual((await lines.next()).value, { answered: 'POST /v1/cache/list' })
    await lines.return(undefined)
  })

  test('has a token of 256 random bits that only its user can read, and another one at each start', async (t) => {
    const first = await started(t)
    const second = await started(t)
    assert.match(first.token, /^[\da-f]{64}$/)
    assert.notEqual(first.token, second.token)
    if (process.platform !== 'win32') assert.equal(statSync(first.tokenFile).mode & 0o777, 0o600)
  })

  for (const [what, headers] of [
    ['no token', {}],
    ['a wrong token', { Authorization: `Bearer ${'0'.repeat(64)}` }],
    ['half a token', { Authorization: 'half' }],
    ['the token as a password', { Authorization: 'basic' }],
    ['a page of another site', { Origin: 'http://evil.test' }],
    ['a page without an origin', { Origin: 'null' }],
    ['a page of this very port', { Origin: 'own' }],
    ['what a browser says of itself', { 'Sec-Fetch-Site': 'none' }],
    ['a name that was rebound to this machine', { Host: 'evil.test' }],
    ['another port’s name', { Host: '127.0.0.1:1' }],
  ] as readonly (readonly [string, Record<string, string>])[])
    test(`refuses ${what}`, async (t) => {
      const { port, token } = await started(t)
      const authorization: Record<string, string> = {
        half: `Bearer ${token.slice(0, 32)}`,
        basic: `Basic ${Buffer.from(`x:${token}`).toString('base64')}`,
      }
      const given = headers['Authorization']
      const {
        status,
        headers: fields,
        text,
      } = await asked(port, {
        ...(given === undefined && what !== 'no token' ? { Authorization: `Bearer ${token}` } : {}),
        ...headers,
        ...(given !== undefined && given in authorization ? { Authorization: authorization[given] } : {}),
        ...(headers['Origin'] === 'own' ? { Origin: `http://127.0.0.1:${port}` } : {}),
      })
      assert.equal(status, 403)
      assert.match(text, /NOT_ALLOWED/)
      assert.ok(!text.includes(token))
      assert.deepEqual(
        Object.keys(fields).filter((name) => name.startsWith('access-control')),
        [],
      )
    })

  test('does not answer what a browser asks before it asks', async (t) => {
    const { port, token } = await started(t)
    const fields = { Origin: 'http://evil.test', 'Access-Control-Request-Headers': 'authorization' }
    const { status, headers } = await asked(port, { ...fields, Authorization: `Bearer ${token}` }, 'OPTIONS')
    assert.equal(status, 403)
    assert.equal(headers['access-control-allow-origin'], undefined)
  })

  test('takes its token away when it stops', async (t) => {
    const { control, tokenFile } = await started(t)
    await control.stop()
    assert.equal(existsSync(tokenFile), false)
  })

  test('does not follow a link to write its token', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'ihave-loopback-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const precious = join(directory, 'precious')
    writeFileSync(precious, 'data')
    const tokenFile = join(directory, 'token')
    symlinkSync(precious, tokenFile)
    symlinkSync(precious, `${tokenFile}.new`)
    const settings = { host: '127.0.0.1', port: 0, tokenFile }
    const control = await startLoopbackControl(settings, OPERATIONS_OF_TEST, NO_BYTES, systemRandom)
    t.after(() => control.stop())
    assert.equal(readFileSync(precious, 'utf8'), 'data')
    assert.match(readFileSync(tokenFile, 'utf8'), /^[\da-f]{64}\n$/)
  })

  test('says where it cannot listen, or cannot write', async (t) => {
    const { port, directory } = await started(t)
    const starting = (settings: { port: number; tokenFile: string }) =>
      startLoopbackControl({ host: '127.0.0.1', ...settings }, OPERATIONS_OF_TEST, NO_BYTES, systemRandom)
    await assert.rejects(
      starting({ port, tokenFile: join(directory, 'other') }),
      (error) => error instanceof Fault && error.code === 'ADDRESS_IN_USE',
    )
    await assert.rejects(
      starting({ port: 0, tokenFile: join(directory, 'missing', 'token') }),
      (error) =>
        error instanceof Fault && error.code === 'STORE_FAILED' && /control\.token/.test(error.message),
    )
  })

  test(
    'takes no more connections at once than a machine’s own programs need',
    { timeout: 10_000 },
    async (t) => {
      const { port } = await started(t)
      const { connect: open } = await import('node:net')
      const sockets = Array.from({ length: 70 }, () => open(port, '127.0.0.1'))
      t.after(() => sockets.forEach((socket) => socket.destroy()))
      const cut = await Promise.race(
        sockets.map(
          (socket) =>
            new Promise((resolve) => socket.once('close', () => resolve('cut')).once('error', () => {})),
        ),
      )
      assert.equal(cut, 'cut')
    },
  )

  test('is only where it was configured, and only on loopback', () => {
    const parse = (listen: string) => parseConfig(`control: { listen: '${listen}' }`, 'test.yaml', '/')
    assert.equal(parse('127.0.0.1:6516').kind, 'ok')
    assert.equal(parse('[::1]:6516').kind, 'ok')
    assert.equal(parse('off').kind, 'ok')
    for (const address of ['0.0.0.0:6516', '192.168.1.1:6516', '[::]:6516', '127.0.0.1'])
      assert.equal(parse(address).kind, 'invalid', address)
    const parsed = parseConfig('', 'test.yaml', '/')
    assert.equal(parsed.kind === 'ok' && parsed.config.control.listen, 'off')
  })
})

describe('connecting over loopback', () => {
  test('takes the token, or the file that has it', async (t) => {
    const { port, token, tokenFile } = await started(t)
    const url = `http://127.0.0.1:${port}`
    for (const way of [{ token }, { tokenFile }]) await (await connect({ url, ...way })).close()
    await assert.rejects(
      connect({ url, token: 'x' }),
      (error) => error instanceof Fault && error.code === 'NOT_ALLOWED' && error.blame === 'configuration',
    )
    await assert.rejects(connect({ url }), /expected a token/)
    await assert.rejects(connect({ url: 'https://127.0.0.1:1', token }), /expected http:/)
    await assert.rejects(connect({ url, tokenFile: '/nowhere' }), /no node has left its token/)
  })

  test('where no node is says so', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    await new Promise((resolve) => server.close(resolve))
    await assert.rejects(
      connect({ url: `http://127.0.0.1:${port}`, token: 'x' }),
      (error) => error instanceof Fault && error.code === 'NODE_UNREACHABLE',
    )
  })
})
