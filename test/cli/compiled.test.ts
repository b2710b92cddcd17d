import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { getCompileCacheDir } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { keepCompiled } from '../../cli/compiled.ts'

suite('compiled code', () => {
  test('of which a former start had no room for all is not left over', (t) => {
    const directory = folder(t)
    const compiled = join(directory, 'compiled', 'v24-x64')
    mkdirSync(compiled, { recursive: true })
    for (const name of ['0a1b2c3d', '0a1b2c3d.Xy12Zz', '4e5f6a7b.aaaaaa'])
      writeFileSync(join(compiled, name), '')
    keepCompiled({ directory, reserve: Number.MAX_SAFE_INTEGER })
    assert.deepEqual(readdirSync(compiled), ['0a1b2c3d'])
  })

  test('is not kept where there is no room beyond the reserve, nor where no folder can be', (t) => {
    const before = getCompileCacheDir()
    const directory = folder(t)
    writeFileSync(join(directory, 'file'), '')
    keepCompiled({ directory, reserve: Number.MAX_SAFE_INTEGER })()
    for (const nowhere of [join(directory, 'file'), '/proc/no/such/place'])
      keepCompiled({ directory: nowhere, reserve: 0 })()
    assert.equal(getCompileCacheDir(), before)
  })
})

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ihave-compiled-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}
