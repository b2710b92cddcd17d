import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { systemClock } from '../../core/clock.ts'
import { EVENT_KINDS } from '../../service/applications/events.ts'
import { audit } from '../../gateway/audit.ts'
import { abuses } from '../../peering/abuses.ts'
import { COPIES_PATH, OPERATIONS, RETRIEVALS_PATH } from '../../service/control.ts'
import type { Status } from '../../service/status.ts'
import type { Session } from '../../library/session.ts'
import { Scene } from '../clients/harness.ts'
import { Origin, uniqueBody } from '../clients/origin.ts'
import { connected, socketOf } from '../library/sessions.ts'
import { referred, violations, type Schema } from './schema.ts'

interface Media {
  readonly schema?: Schema
  readonly example?: unknown
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>
}

interface Described {
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> }
  readonly responses: Readonly<
    Record<string, Schema & { readonly content?: Readonly<Record<string, Media>> }>
  >
}

const page = parse(
  readFileSync(new URL('../../docs/control-api.yaml', import.meta.url), 'utf8'),
) as Schema & {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>
}

const METHODS = ['get', 'post', 'put', 'delete']

const described = Object.entries(page.paths).flatMap(([path, item]) =>
  Object.entries(item)
    .filter(([method]) => METHODS.includes(method))
    .map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation })),
)

const SERVED = [...Object.values(OPERATIONS), `GET ${RETRIEVALS_PATH}{id}`, `PUT ${COPIES_PATH}{id}`]

function schemaOf(name: string): Schema {
  return referred(`#/components/schemas/${name}`, page)
}

/** The lines of an operation's answer, as described. */
function lineSchema(name: string): Schema {
  const operation = described.find((each) => each.name === name)?.operation
  return operation?.responses['200']?.content?.['application/x-ndjson']?.schema ?? { type: 'null' }
}

describe('the description of the control API', () => {
  test('has every operation that is served, and no other', () => {
    assert.deepEqual(described.map(({ name }) => name).toSorted(), SERVED.toSorted())
  })

  test('says in what kinds events come', () => {
    const kinds = referred('#/components/schemas/EventKind', page)['enum']
    assert.deepEqual(kinds, [...EVENT_KINDS])
  })

  test('says what was refused at the gateway and on the port for files', () => {
    const used = audit(systemClock, () => {})
    const use = { from: '10.0.0.5', method: 'GET', url: 'http://x/', status: 403, bytes: 0, ms: 1 } as const
    used.note({ ...use, outcome: 'refused', reason: 'port', detail: 'port 25', member: 'attic' })
    assert.deepEqual(violations(used.totals(), schemaOf('GatewayTotals'), page), [])
    const book = abuses(systemClock)
    book.note({ kind: 'connect', from: '10.0.0.5', request: 'CONNECT x:25' })
    const { filePort } = schemaOf('Status')['properties'] as Record<string, Schema>
    assert.deepEqual(violations(book.totals(), filePort ?? {}, page), [])
  })

  test('says for each operation what a fault looks like', () => {
    for (const { name, operation } of described) {
      const fault = operation.responses['default']?.['$ref']
      assert.equal(fault, '#/components/responses/Fault', name)
    }
  })

  for (const { name, operation } of described)
    test(`has examples of ${name} that are as described`, () => {
      const answers = Object.values(operation.responses).map((each) =>
        typeof each['$ref'] === 'string' ? referred(each['$ref'], page) : each,
      ) as Described['responses'][string][]
      const media = [operation.requestBody?.content ?? {}, ...answers.map(({ content }) => content ?? {})]
      for (const { schema, example, examples = {} } of media.flatMap((each) => Object.values(each))) {
        const given = [
          ...(example === undefined ? [] : [example]),
          ...Object.values(examples).map(({ value }) => value),
        ]
        if (schema === undefined) continue
        assert.ok(given.length > 0, `${name} has no example`)
        for (const each of given) assert.deepEqual(violations(each, schema, page), [], JSON.stringify(each))
      }
    })
})

describe('a running node', () => {
  const scene = new Scene()
  let session: Session
  let socketPath = ''
  let origin: Origin

  before(async () => {
    const site = { directory: join(scene.directory(), 'site') }
    const node = await scene.node({ peering: { enabled: false }, site })
    origin = await Origin.start(scene)
    session = await connected(scene, node)
    socketPath = socketOf(node)
  })
  after(() => scene.close())

  function asked(
    name: string,
    question?: unknown,
  ): Promise<{ status: number | undefined; lines: unknown[] }> {
    const [method, path = ''] = name.split(' ')
    return new Promise((resolve, reject) => {
      const target = path.replace('{id}', '0'.repeat(32))
      const asking = request({ socketPath, method, path: target, agent: false }, (response) => {
        let text = ''
        const end = () => {
          const lines = text.split('\n').filter((line) => line !== '')
          resolve({ status: response.statusCode, lines: lines.map((line) => JSON.parse(line) as unknown) })
          response.destroy()
        }
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString()
          // Events have no end.
          if (name === OPERATIONS.events) end()
        })
        response.on('end', end)
      })
      asking.on('error', reject).end(question === undefined ? undefined : JSON.stringify(question))
    })
  }

  for (const [name, question, status] of [
    [OPERATIONS.status, undefined, 200],
    [OPERATIONS.listCache, {}, 200],
    [OPERATIONS.purgeCache, { target: '**', isDryRun: true }, 200],
    [OPERATIONS.verifyCache, undefined, 200],
    [OPERATIONS.site, { do: 'status' }, 200],
    [OPERATIONS.checkUpdates, undefined, 200],
    [OPERATIONS.retrieve, { uri: 'nonsense' }, 400],
    [OPERATIONS.retrieve, { uri: `urn:sha256:${'0'.repeat(64)}` }, 200],
    [OPERATIONS.find, { uri: 'urn:example:x' }, 200],
    [OPERATIONS.announce, { size: -1 }, 400],
    [OPERATIONS.withdraw, { digest: `sha-256:${'0'.repeat(64)}` }, 404],
    [OPERATIONS.say, { type: 'chat.example.org' }, 200],
    [OPERATIONS.events, {}, 200],
    [OPERATIONS.functions, undefined, 200],
    [OPERATIONS.elect, { function: 'no name' }, 400],
    [OPERATIONS.offer, { function: 'no name' }, 400],
    [OPERATIONS.provider, {}, 400],
    [OPERATIONS.report, {}, 400],
    [`GET ${RETRIEVALS_PATH}{id}`, undefined, 404],
    [`PUT ${COPIES_PATH}{id}`, undefined, 404],
  ] as const)
    test(`answers ${name} ${JSON.stringify(question) ?? ''} as described`, async () => {
      const told = await asked(name, question)
      assert.equal(told.status, status, JSON.stringify(told.lines))
      const isFault = status !== 200
      const schema = isFault ? referred('#/components/schemas/FaultLine', page) : lineSchema(name)
      for (const line of told.lines)
        assert.deepEqual(violations(line, schema, page), [], JSON.stringify(line))
    })

  test('tells of the gateway as described, once the machine belongs to a site', async () => {
    await asked(OPERATIONS.site, { do: 'init', site: 'home', hours: 1, uses: 1 })
    const [status] = (await asked(OPERATIONS.status)).lines
    assert.ok((status as Status).gateway, 'no gateway')
    assert.deepEqual(violations(status, lineSchema(OPERATIONS.status), page), [])
  })

  test('tells of a file as described', async () => {
    const url = origin.put('/file', { body: uniqueBody(100_000) })
    await (await session.get(url)).bytes()
    const lines: unknown[] = []
    const file = await session.get(url, { onProgress: (each) => lines.push({ kind: 'progress', ...each }) })
    await file.bytes()
    const { uri, fields, size, source } = file
    lines.push({ kind: 'head', uri, fields, size, source }, { kind: 'done', ...(await file.outcome) })
    for (const line of lines)
      assert.deepEqual(violations(line, lineSchema(OPERATIONS.retrieve), page), [], JSON.stringify(line))
    const [held] = (await asked(OPERATIONS.listCache, {})).lines
    assert.deepEqual(held === undefined ? [] : violations(held, lineSchema(OPERATIONS.listCache), page), [])
  })
})
