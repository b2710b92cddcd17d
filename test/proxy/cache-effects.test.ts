import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { cacheEffects } from '../../proxy/cache-effects.ts'
import type { TargetUri } from '../../core/target-uri.ts'
import { posted } from '../../retrieval/posted.ts'
import { compileRules } from '../../retrieval/rules.ts'
import { storedTexts, URL_A, world, type World } from '../retrieval/world.ts'

function exchanges(): { readonly node: World; readonly begin: (method: string) => Exchange } {
  const node = world({ origin: () => assert.fail() })
  const { clock, store, retrievals } = node
  const { changes } = retrievals
  const invalidate = (uri: TargetUri) => {
    retrievals.outdate(uri)
    store.remove(uri)
  }
  const keeping = posted({ store, changes, rules: () => compileRules([], []) })
  const components = { clock, invalidate, changes, posted: keeping }
  return { node, begin: (method) => new Exchange(method, components) }
}

/** A request for the same resource, which has gone out. */
class Exchange {
  readonly #onAnswer: ReturnType<typeof cacheEffects>
  readonly #answer = new IncomingMessage(new Socket())

  constructor(method: string, components: Parameters<typeof cacheEffects>[0]) {
    const request = Object.assign(new IncomingMessage(new Socket()), { method, url: URL_A })
    this.#onAnswer = cacheEffects(components, request, new URL(URL_A))
  }

  /** The head of its answer comes: 200, and for later GETs too. */
  answered(): this {
    const rawHeaders = ['Content-Location', URL_A, 'Cache-Control', 'max-age=60']
    this.#onAnswer(Object.assign(this.#answer, { statusCode: 200, rawHeaders, complete: true }))
    return this
  }

  /** The body of its answer comes. */
  whole(text: string): void {
    this.#answer.push(text)
    this.#answer.push(null)
  }
}

describe('an answer to POST that passes through', () => {
  test('is kept for later GETs when it is whole', async () => {
    const { node, begin } = exchanges()
    begin('POST').answered().whole('posted')
    await node.settle()
    assert.deepEqual(await storedTexts(node), ['posted'])
  })

  for (const method of ['PUT', 'DELETE', 'POST']) {
    test(`is not kept when ${method} was answered while its body came`, async () => {
      const { node, begin } = exchanges()
      const post = begin('POST').answered()
      begin(method).answered()
      post.whole('old')
      await node.settle()
      assert.deepEqual(await storedTexts(node), [])
    })

    test(`is not kept when ${method} was answered before its head came`, async () => {
      const { node, begin } = exchanges()
      const post = begin('POST')
      begin(method).answered()
      post.answered().whole('old?')
      await node.settle()
      assert.deepEqual(await storedTexts(node), [])
    })
  }

  test('is kept when a change was answered before it was asked for, or is not answered yet', async () => {
    const { node, begin } = exchanges()
    begin('PUT').answered()
    const post = begin('POST')
    begin('PUT')
    post.answered().whole('posted')
    await node.settle()
    assert.deepEqual(await storedTexts(node), ['posted'])
  })
})
