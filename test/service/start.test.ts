import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

/** Modules of Node's own, as it lists them, that are loaded with those of the product. */
function loadedWith(path: string): readonly string[] {
  const url = new URL(`../../${path}`, import.meta.url).href
  const script = `await import('${url}'); console.log(JSON.stringify(process.moduleLoadList))`
  const text = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  return JSON.parse(text) as readonly string[]
}

test('a node starts without HTTP/2, TLS and Node’s own fetch, which it does not use', () => {
  const loaded = loadedWith('service/node.ts')
  assert.ok(loaded.includes('NativeModule http'), 'this list does not say what is loaded')
  const needless = ['http2', 'https', 'tls', 'internal/deps/undici/undici']
  assert.deepEqual(
    needless.filter((name) => loaded.includes(`NativeModule ${name}`)),
    [],
  )
})
