import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs, {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import * as fc from 'fast-check'
import { pino } from 'pino'
import type { EpochMs } from '../../core/clock.ts'
import { Fault } from '../../core/fault.ts'
import type { Address } from '../../core/transport.ts'
import { withoutSecrets } from '../../core/redaction.ts'
import type { RequestLine } from '../../proxy/proxy-server.ts'
import { newReport, type RetrievalReport } from '../../retrieval/source.ts'
import { openLog, requestEntries, requestFields } from '../../service/logging.ts'
import { prettyLine } from '../../service/pretty-log.ts'
import { manualClock } from '../manual-clock.ts'

const LINE: RequestLine = {
  method: 'GET',
  url: 'http://updates.test/a?…',
  client: '127.0.0.1',
  status: 200,
  ms: 12,
  firstByteMs: 3,
  bytes: 1000,
  way: 'resource',
  trace: {
    how: 'peer',
    cacheStatus: { kind: 'forward', reason: 'uri-miss' },
    retrieval: {
      ...newReport(),
      asked: true,
      answered: new Set(['127.0.0.6' as Address]),
      waitedMs: 20,
      bytes: { peer: 1000, 'in-progress': 0, internet: 0 },
    },
  },
  rule: 'debian',
  outcome: 'complete',
  error: undefined,
  code: undefined,
}

function file(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'ihave-log-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return join(directory, 'below', 'log')
}

function lines(path: string): Record<string, unknown>[] {
  const text = readFileSync(path, 'utf8').trimEnd()
  return text.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('a URL in the log', () => {
  const cases: [string, string, string][] = [
    ['keeps its path', 'http://a.test/b/c', 'http://a.test/b/c'],
    ['hides the query', 'http://a.test/b?token=s3cret', 'http://a.test/b?…'],
    ['hides a query without names', 'http://a.test/b?s3cret', 'http://a.test/b?…'],
    ['hides a query with several values', 'http://a.test/?a=s3cret&b=s3cret', 'http://a.test/?…'],
    ['hides a query with a question mark', 'http://a.test/?a=s3cret?s3cret', 'http://a.test/?…'],
    ['hides a query with line breaks', 'http://a.test/?a=s3cret\ns3cret', 'http://a.test/?…'],
    ['hides userinfo', 'http://user:s3cret@a.test/b', 'http://a.test/b'],
    ['hides a name without a password', 'http://s3cret@a.test/b', 'http://a.test/b'],
    ['hides a password with an at sign', 'http://user:s3c@s3cret@a.test/b', 'http://a.test/b'],
    ['keeps an at sign of the path', 'http://a.test/@scope/name', 'http://a.test/@scope/name'],
    ['may be an authority', 'a.test:443', 'a.test:443'],
    ['hides userinfo of an authority', 'user:s3cret@a.test:443', 'a.test:443'],
    ['may be empty', '', ''],
  ]
  for (const [name, url, expected] of cases)
    test(name, () => {
      const shown = withoutSecrets(url)
      assert.doesNotMatch(shown, /s3cret/)
      assert.equal(shown, expected)
    })
})

describe('the line of a request', () => {
  test('tells what happened, flat and without what is not known', () => {
    assert.deepEqual(requestFields(LINE), {
      method: 'GET',
      url: 'http://updates.test/a?…',
      client: '127.0.0.1',
      status: 200,
      ms: 12,
      firstByteMs: 3,
      bytes: 1000,
      way: 'resource',
      outcome: 'complete',
      rule: 'debian',
      source: 'peer',
      asked: true,
      peers: ['127.0.0.6'],
      waitedMs: 20,
      received: { peer: 1000, 'in-progress': 0, internet: 0 },
    })
  })

  test('of a fault has its message and its code', () => {
    const told = requestFields({
      ...LINE,
      trace: undefined,
      rule: undefined,
      outcome: 'fault',
      error: 'no way',
      code: 'UNREACHABLE',
    })
    assert.deepEqual(
      [told['error'], told['code'], 'source' in told, 'rule' in told],
      ['no way', 'UNREACHABLE', false, false],
    )
  })

  test('names the sources that failed on the way', () => {
    const { trace } = LINE
    assert.ok(trace?.retrieval)
    const retrieval = { ...trace.retrieval, failures: ['127.0.0.6: broke off'] }
    assert.deepEqual(requestFields({ ...LINE, trace: { ...trace, retrieval } })['failures'], [
      '127.0.0.6: broke off',
    ])
  })
})

function traceWith(report: Partial<RetrievalReport>): RequestLine['trace'] {
  return {
    how: 'internet',
    cacheStatus: { kind: 'forward', reason: 'uri-miss' },
    retrieval: { ...newReport(), ...report },
  }
}

describe('the text of a request’s line', () => {
  const texts = fc.string({ unit: 'binary', maxLength: 8 })
  const numbers = fc.oneof(fc.nat(), fc.constantFrom(0, 0.1, 12.3, 1e21))
  const given = fc.record({
    method: texts,
    url: texts,
    client: texts,
    way: fc.constantFrom('resource', 'refused', 'tunnel'),
    status: fc.nat(),
    ms: numbers,
    firstByteMs: numbers,
    bytes: fc.nat(),
    outcome: fc.constantFrom('complete', 'aborted', 'fault'),
    rule: fc.option(texts, { nil: undefined }),
    trace: fc.constantFrom(
      undefined,
      LINE.trace,
      traceWith({}),
      traceWith({ waitedMs: 20, asked: true }),
      traceWith({ failures: ['Internet: "broke off"'] }),
      { how: 'hit', cacheStatus: { kind: 'hit', ttlMs: 1 } },
    ),
    error: fc.option(texts, { nil: undefined }),
    code: fc.constantFrom(undefined, 'UNREACHABLE'),
  }) as fc.Arbitrary<RequestLine>

  test('is what pino would write, to the letter', () => {
    fc.assert(
      fc.property(fc.array(given, { minLength: 1, maxLength: 4 }), fc.nat(3), (all, repeated) => {
        const entryOf = requestEntries()
        const again = all[repeated % all.length]
        for (const line of [...all, again, { ...again, ms: 7 }] as RequestLine[])
          assert.equal(entryOf(line, 1_700_000_000_000 as EpochMs), byPino(line))
      }),
      { numRuns: 1000 },
    )
  })

  test('is that of its own request, whatever the one before to the same URL was', () => {
    const entryOf = requestEntries()
    const hit: RequestLine = { ...LINE, trace: { how: 'hit', cacheStatus: { kind: 'hit', ttlMs: 1 } } }
    const changes: readonly Partial<RequestLine>[] = [
      { method: 'HEAD' },
      { client: '127.0.0.9' },
      { way: 'refused' },
      { status: 206 },
      { bytes: 5 },
      { outcome: 'aborted' },
      { rule: 'another' },
      { trace: undefined },
      { ms: 9, firstByteMs: 8 },
      { url: 'http://another.test/' },
    ]
    for (const change of changes)
      for (const line of [hit, { ...hit, ...change }])
        assert.deepEqual(JSON.parse(entryOf(line, 1_700_000_000_000 as EpochMs)), JSON.parse(byPino(line)))
  })
})

function byPino(line: RequestLine): string {
  let text = ''
  const options = { base: null, timestamp: () => ',"time":1700000000000' }
  pino(options, { write: (written: string) => (text += written) }).info(requestFields(line), 'request')
  return text
}

describe('the log', () => {
  test('has the lines of requests in their order among the others, all of them after a flush', (t) => {
    const path = file(t)
    const log = openLog({ level: 'info', file: path, pretty: false }, manualClock())
    log.request({ ...LINE, status: 201 })
    log.events.info('between')
    log.request({ ...LINE, status: 202 })
    assert.deepEqual(
      lines(path).map((line) => line['status'] ?? line['msg']),
      [201, 'between'],
    )
    log.flush()
    assert.deepEqual(lines(path).at(-1)?.['status'], 202)
  })

  test('that is to be quieter has no lines of requests', (t) => {
    const path = file(t)
    const log = openLog({ level: 'warn', file: path, pretty: false }, manualClock())
    log.request(LINE)
    log.flush()
    assert.equal(readFileSync(path, 'utf8'), '')
  })

  test('is JSON, one line per event, in a file whose directory is made', (t) => {
    const path = file(t)
    const log = openLog({ level: 'info', file: path, pretty: 'auto' })
    log.events.info(requestFields(LINE), 'request')
    log.events.debug('too fine')
    log.events.warn({ peer: '127.0.0.6' }, 'shunned\nwith a line break')
    const [first, second, ...more] = lines(path)
    assert.deepEqual([first?.['msg'], first?.['status'], first?.['source']], ['request', 200, 'peer'])
    assert.deepEqual([second?.['level'], second?.['msg']], [40, 'shunned\nwith a line break'])
    assert.deepEqual([more, 'hostname' in (first ?? {})], [[], false])
  })

  test('is written for people in a file, too, where that is wanted', (t) => {
    const path = file(t)
    const log = openLog({ level: 'info', file: path, pretty: true })
    log.events.warn({ peer: '127.0.0.6' }, 'shunned')
    log.request(LINE)
    const [first = '', second = ''] = readFileSync(path, 'utf8').split('\n')
    assert.match(first, /^[\d:]{8} {2}warning: shunned {2}peer=127\.0\.0\.6$/)
    assert.match(second, /^[\d:]{8} {2}200 GET /)
  })

  test('that cannot be written names the setting', (t) => {
    const path = file(t)
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'f'), '')
    execFileSync('mkfifo', [join(path, 'pipe')])
    for (const [name, why] of [
      [path, 'EISDIR'],
      ['x'.repeat(300), 'ENAMETOOLONG'],
      [join(path, 'pipe'), 'ENXIO'],
      [join(path, 'f', 'log'), 'EEXIST'],
    ] as const)
      assert.throws(
        () => openLog({ level: 'info', file: name, pretty: false }),
        (error: unknown) =>
          error instanceof Fault &&
          error.code === 'CONFIG_INVALID' &&
          error.message.startsWith(`log.file: cannot write to ${name}: ${why}`),
      )
  })

  test('that was renamed goes on in a file of its name; where there can be none, in the one that it was', (t) => {
    const path = file(t)
    const log = openLog({ level: 'info', file: path, pretty: false }, manualClock())
    log.request(LINE)
    renameSync(path, `${path}.1`)
    log.reopen?.()
    log.events.info('in the new one')
    assert.deepEqual([lines(`${path}.1`).length, lines(path).map(({ msg }) => msg)], [1, ['in the new one']])
    renameSync(path, `${path}.2`)
    // To open it would wait for whoever reads it, for ever.
    execFileSync('mkfifo', [path])
    assert.throws(() => log.reopen?.(), /^Fault: log\.file: cannot write to .*: ENXIO/)
    rmSync(path)
    mkdirSync(path)
    assert.throws(() => log.reopen?.(), /^Fault: log\.file: cannot write to .*: EISDIR/)
    log.events.info('not lost')
    assert.deepEqual(
      lines(`${path}.2`).map(({ msg }) => msg),
      ['in the new one', 'not lost'],
    )
    assert.equal(openLog({ level: 'info', file: 'off', pretty: false }).reopen, undefined)
  })

  test('of which there could be none for a while closes the one so far once', async (t) => {
    const path = file(t)
    const log = openLog({ level: 'info', file: path, pretty: false }, manualClock())
    const closed = t.mock.method(fs, 'close', (_: number, done: () => void) => done())
    renameSync(path, `${path}.1`)
    mkdirSync(path)
    for (let time = 0; time < 3; time++) assert.throws(() => log.reopen?.(), /EISDIR/)
    rmSync(path, { recursive: true })
    log.reopen?.()
    await new Promise((resolve) => setImmediate(resolve))
    const [descriptor, ...more] = closed.mock.calls.map((call) => call.arguments[0])
    assert.deepEqual([typeof descriptor, more], ['number', []])
    if (descriptor !== undefined) fs.closeSync(descriptor)
  })

  test('that has no room left does not end the node', { skip: !existsSync('/dev/full') }, async () => {
    const log = openLog({ level: 'info', file: '/dev/full', pretty: false })
    for (let n = 0; n < 3; n++) assert.doesNotThrow(() => log.events.info('nobody will read this'))
    await new Promise((resolve) => setImmediate(resolve))
  })
})

describe('the log on a terminal', () => {
  function pretty(entry: Record<string, unknown>): string {
    return prettyLine(JSON.stringify({ time: 0, level: 30, ...entry })).replace(/^\d\d:\d\d:\d\d {2}/, '')
  }

  test('is one line per request', () => {
    assert.equal(
      pretty({ msg: 'request', ...requestFields(LINE) }),
      '200 GET http://updates.test/a?…  peer, 1.0 kB in 12 ms\n',
    )
  })

  test('says warnings and errors aloud', () => {
    assert.equal(
      pretty({ level: 40, msg: 'shunned', peer: '127.0.0.6' }),
      'warning: shunned  peer=127.0.0.6\n',
    )
    assert.equal(pretty({ level: 50, msg: 'stopping' }), 'ERROR stopping\n')
  })

  test('gives no stranger’s word to the terminal as a command or as a line of its own', () => {
    const text = pretty({ level: 40, msg: 'shunned\n00:00:00  all is well', detail: '\u001b]0;title\u0007' })
    assert.equal(text.indexOf('\n'), text.length - 1)
    assert.doesNotMatch(text.trimEnd(), /\p{Cc}/u)
  })
})
