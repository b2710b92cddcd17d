import assert from 'node:assert/strict'
import test from 'node:test'
import * as fc from 'fast-check'
import { Fault } from '../../core/fault.ts'
import { parseTargetUri } from '../../core/target-uri.ts'
import { matchesGlob } from '../../retrieval/glob.ts'
import { PRESET_NAMES } from '../../retrieval/presets.ts'
import { compileRules, DEFAULT_POLICY, globOf } from '../../retrieval/rules.ts'
import type { Rule, Rules } from '../../retrieval/rules.ts'

function rule(match: string, changes: Partial<Rule> = {}): Rule {
  return { ...DEFAULT_POLICY, rule: match, match, ...changes }
}

function named(rules: Rules, url: string): string {
  return rules.policyFor(parseTargetUri(url) ?? assert.fail(url)).rule
}

test('the first rule that matches wins', () => {
  const rules = compileRules([rule('*.deb'), rule('**/pool/**'), rule('**')], [])
  assert.equal(named(rules, 'http://h/pool/a.deb'), '*.deb')
  assert.equal(named(rules, 'http://h/pool/a.txt'), '**/pool/**')
  assert.equal(named(rules, 'http://h/'), '**')
})

test('without a matching rule nothing is shared, everything may be stored', () => {
  const policy = compileRules([], []).policyFor(parseTargetUri('http://h/x') ?? assert.fail())
  assert.deepEqual(policy, {
    rule: 'default',
    share: false,
    immutable: false,
    store: true,
    verify: 'auto',
    waitForDownloads: true,
  })
})

test('presets come after the rules, and only those that are named', () => {
  const deb = 'http://h/pool/main/h/hello_2.10-3_amd64.deb'
  assert.equal(named(compileRules([rule('**/pool/**')], ['apt']), deb), '**/pool/**')
  assert.equal(named(compileRules([], ['apt']), deb), 'apt: packages')
  assert.equal(named(compileRules([], ['npm']), deb), 'default')
})

test('presets keep their own order, whatever order they are named in', () => {
  assert.deepEqual(compileRules([], ['archives', 'apt']).all, compileRules([], ['apt', 'archives']).all)
})

test('presets and the default policy wait for downloads as the configuration says', () => {
  const rules = compileRules([rule('/mine')], ['apt'], false)
  const waits = (url: string) => rules.policyFor(parseTargetUri(url) ?? assert.fail()).waitForDownloads
  assert.equal(waits('http://h/mine'), true)
  assert.equal(waits('http://h/dists/sid/InRelease'), false)
  assert.equal(waits('http://h/other'), false)
})

test('all rules are listed in the order in which they are tried', () => {
  const rules = compileRules([rule('/b'), rule('/a')], ['clamav'])
  assert.deepEqual(
    rules.all.map((each) => each.rule),
    ['/b', '/a', 'clamav: differences', 'clamav: databases'],
  )
})

test('a pattern that cannot be compiled is a fault of the configuration', () => {
  assert.throws(
    () => compileRules([rule('a{b')], []),
    (error) => error instanceof Fault && error.code === 'CONFIG_INVALID' && error.message.includes('a{b'),
  )
})

test('the first rule that matches is found as if all were tried, whatever URIs came before', () => {
  const own = [rule('/**/{a,b}?*'), rule('http://h/x[0-9]{2}.d*')]
  const rules = compileRules(own, [...PRESET_NAMES])
  const tried = rules.all.map((each) => ({ each, glob: globOf(each) }))
  const parts = fc.constantFrom(
    'a',
    'b',
    '.deb',
    '/dists/',
    '/pool/',
    'x12',
    '.d',
    '?',
    '/',
    '.tar.gz',
    '-/',
    'h',
  )
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 7 }), (path) => {
      const uri = parseTargetUri(`http://h/${path.join('')}`) ?? assert.fail()
      const expected = tried.find(({ glob }) => matchesGlob(glob, uri))?.each.rule ?? 'default'
      for (const _ of ['first', 'again']) assert.equal(rules.policyFor(uri).rule, expected)
    }),
    { numRuns: 3000 },
  )
})
