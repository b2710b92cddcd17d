import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { httpSources, systemSources } from '../../demo/apt-sources.ts'

describe('one-line sources', () => {
  const kept = [
    ['plain', 'deb http://a.example/debian stable main', 'http://a.example/debian'],
    [
      'with options',
      'deb [signed-by=/k.gpg arch=amd64] http://a.example/d stable main',
      'http://a.example/d',
    ],
    ['flat', 'deb http://a.example/flat ./', 'http://a.example/flat'],
    ['tabs and a comment', '\tdeb\thttp://a.example/d stable main # here', 'http://a.example/d'],
  ] as const
  for (const [name, line, base] of kept) {
    test(`reached by http: are kept: ${name}`, () => {
      assert.deepEqual(httpSources(line, '').baseUris, [base])
      assert.equal(httpSources(line, '').list, `${line.replace(/#.*/, '').trim()}\n`)
    })
  }

  const dropped = [
    ['https:', 'deb https://a.example/debian stable main'],
    ['source packages', 'deb-src http://a.example/debian stable main'],
    ['a comment', '# deb http://a.example/debian stable main'],
    ['a mirror list', 'deb mirror+file:/etc/apt/mirrors.txt stable main'],
    ['https: with http: in an option', 'deb [x=http://b.example/ y] https://a.example/debian stable main'],
  ] as const
  for (const [name, line] of dropped) {
    test(`others are dropped: ${name}`, () => {
      assert.deepEqual(httpSources(line, ''), { list: '', stanzas: '', baseUris: [] })
    })
  }
})

describe('deb822 sources', () => {
  test('a stanza keeps its other fields, an inline key with its continuation lines too', () => {
    const key = 'Signed-By:\n -----BEGIN-----\n .\n abc\n -----END-----'
    const { stanzas } = httpSources(
      '',
      `Types: deb\nURIs: http://a.example/d\nSuites: x y\nComponents: main\n${key}`,
    )
    assert.equal(
      stanzas,
      'types: deb\nuris: http://a.example/d\nsuites: x y\ncomponents: main\nsigned-by:\n -----BEGIN-----\n .\n abc\n -----END-----\n',
    )
  })

  test('of several types and URIs those stay that fit', () => {
    const { stanzas, baseUris } = httpSources(
      '',
      'Types: deb deb-src\nURIs: https://s.example/d http://a.example/d\n http://b.example/d\nSuites: x',
    )
    assert.equal(stanzas, 'types: deb\nuris: http://a.example/d http://b.example/d\nsuites: x\n')
    assert.deepEqual(baseUris, ['http://a.example/d', 'http://b.example/d'])
  })

  test('stanzas are told apart by blank lines, with comments among them', () => {
    const one = 'Types: deb\n# http://old.example/d\nURIs: http://a.example/d\nSuites: x'
    const two = 'types: deb\nuris: http://b.example/d\nsuites: y'
    const { stanzas, baseUris } = httpSources('', `# head\n${one}\n \n\n${two}\n`)
    assert.deepEqual(baseUris, ['http://a.example/d', 'http://b.example/d'])
    assert.equal(stanzas.split('\n\n').length, 2)
    assert.ok(!stanzas.includes('old.example'))
  })

  const dropped = ['Enabled: no', 'Enabled: false', 'enabled: 0']
  for (const line of dropped) {
    test(`a stanza that is switched off is dropped: ${line}`, () => {
      assert.equal(httpSources('', `Types: deb\nURIs: http://a.example/d\nSuites: x\n${line}`).stanzas, '')
    })
  }

  test('a stanza of source packages only is dropped', () => {
    assert.equal(httpSources('', 'Types: deb-src\nURIs: http://a.example/d\nSuites: x').stanzas, '')
  })
})

describe('the files of a system', () => {
  test('are read by their endings, and a missing one is no error', (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'ihave-sources-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const parts = join(directory, 'sources.list.d')
    mkdirSync(parts)
    writeFileSync(join(parts, 'a.list'), 'deb http://a.example/d x main\n')
    writeFileSync(join(parts, 'b.sources'), 'Types: deb\nURIs: http://b.example/d\nSuites: x\n')
    writeFileSync(join(parts, 'c.list.save'), 'deb http://c.example/d x main\n')
    return systemSources(directory).then(({ baseUris }) =>
      assert.deepEqual(baseUris, ['http://a.example/d', 'http://b.example/d']),
    )
  })

  test('a system without apt has none', async () => {
    assert.deepEqual((await systemSources('/nonexistent')).baseUris, [])
  })
})
