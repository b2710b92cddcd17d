import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  deltaSeconds,
  hasDirective,
  isUnqualified,
  MAX_DELTA_SECONDS,
  parseCacheControl,
  parseRequestDirectives,
  qualifyingFields,
} from '../../../cache/semantics/cache-control.ts'
import { cacheControl } from './fixtures.ts'

/** A directive as `name`, or `name=argument`. */
function written(value: string): string[] {
  const { list } = parseCacheControl(cacheControl(value))
  return list.map(({ name, argument }) => (argument === undefined ? name : `${name}=${argument}`))
}

const READABLE: readonly (readonly [value: string, directives: readonly string[]])[] = [
  ['', []],
  ['max-age=60', ['max-age=60']],
  ['MAX-Age=60, PUBLIC', ['max-age=60', 'public']],
  ['max-age="60"', ['max-age=60']],
  ['x="a, no-store, \\"b\\"", public', ['x=a, no-store, "b"', 'public']],
  ['private="Set-Cookie, X"', ['private=Set-Cookie, X']],
  ['private=""', ['private=']],
  [',, public ,\t,', ['public']],
  ["max-age='60'", ["max-age='60'"]],
  ['x="\\\\"', ['x=\\']],
]

for (const [value, directives] of READABLE) {
  test(`RFC 9111 5.2: <${value}> is read as ${JSON.stringify(directives)}`, () => {
    assert.deepEqual(written(value), directives)
    assert.equal(parseCacheControl(cacheControl(value)).syntaxError, false)
  })
}

const UNREADABLE: readonly (readonly [value: string, directives: readonly string[]])[] = [
  ['max-age=', ['max-age']],
  ['max-age =60', ['max-age', '60']],
  ['max-age= 60', ['max-age', '60']],
  ['max-age=60; no-store', ['max-age', '60', 'no-store']],
  ['"no-store"', ['no-store']],
  ['=no-store', ['no-store']],
  ['x="a, no-store', ['x', 'a', 'no-store']],
  ['no-store\u00a0', ['no-store']],
  ['no-störe', ['no-st', 're']],
  ['x="\u0001"', ['x']],
  ['x="a"b', ['x', 'a', 'b']],
]

for (const [value, directives] of UNREADABLE) {
  test(`a syntax error in <${value}> is reported and loses no word`, () => {
    assert.deepEqual(written(value), directives)
    assert.equal(parseCacheControl(cacheControl(value)).syntaxError, true)
  })
}

test('RFC 9110 5.3: several lines are one list, but no quoted string runs from one into the next', () => {
  const fields = [
    ['Cache-Control', 'public, x="'],
    ['CACHE-CONTROL', '", no-store'],
  ] as const
  const directives = parseCacheControl(fields)
  assert.ok(hasDirective(directives, 'no-store'))
  assert.ok(hasDirective(directives, 'public'))
  assert.equal(directives.syntaxError, true)
})

const SECONDS: readonly (readonly [value: string, seconds: number | undefined])[] = [
  ['public', undefined],
  ['max-age=0', 0],
  ['max-age=003600', 3600],
  ['max-age="3600"', 3600],
  ['max-age=60, max-age=60', 60],
  ['max-age=2147483647', 2 ** 31 - 1],
  ['max-age=2147483648', MAX_DELTA_SECONDS],
  ['max-age=2147483649', MAX_DELTA_SECONDS],
  [`max-age=${'9'.repeat(400)}`, MAX_DELTA_SECONDS],
  ['max-age=-1', 0],
  ['max-age=+60', 0],
  ['max-age=1.5', 0],
  ['max-age=60.0', 0],
  ['max-age=a60', 0],
  ['max-age=60a', 0],
  ['max-age=1e3', 0],
  ['max-age=0x10', 0],
  ["max-age='60'", 0],
  ['max-age', 0],
  ['max-age=""', 0],
  ['max-age="60 "', 0],
  ['max-age=1800, max-age=1', 0],
  ['max-age=1, max-age=1800', 0],
  ['x="max-age=60"', undefined],
]

for (const [value, seconds] of SECONDS) {
  test(`RFC 9111 1.2.2, 4.2.1: <${value.slice(0, 40)}> gives ${seconds} seconds`, () => {
    assert.equal(deltaSeconds(parseCacheControl(cacheControl(value)), 'max-age'), seconds)
  })
}

const CONFLICTS: readonly (readonly [value: string, conflict: boolean])[] = [
  ['max-age=1, max-age=1', false],
  ['max-age=1, max-age="1"', false],
  ['public, public', false],
  ['max-age=1, MAX-AGE=2', true],
  ['max-age=1, max-age', true],
  ['private, private="x"', true],
  ['x=1, public, x=2', true],
]

for (const [value, conflict] of CONFLICTS) {
  test(`the duplicates in <${value}> ${conflict ? 'contradict each other' : 'agree'}`, () => {
    assert.equal(parseCacheControl(cacheControl(value)).conflict, conflict)
  })
}

const QUALIFIED: readonly (readonly [value: string, unqualified: boolean, fields: readonly string[]])[] = [
  ['public', false, []],
  ['private', true, []],
  ['private=""', true, []],
  ['private="a b"', true, []],
  ['private="Set-Cookie"', false, ['set-cookie']],
  ['private=Set-Cookie', false, ['set-cookie']],
  ['private="A, B", private=C', false, ['a', 'b', 'c']],
  ['private="A", private', true, ['a']],
]

for (const [value, unqualified, fields] of QUALIFIED) {
  test(`RFC 9111 5.2.2.7: <${value}> is ${unqualified ? 'for the whole response' : 'limited'}`, () => {
    const directives = parseCacheControl(cacheControl(value))
    assert.equal(isUnqualified(directives, 'private'), unqualified)
    assert.deepEqual(qualifyingFields(directives, 'private'), fields)
  })
}

test('RFC 9111 5.4: Pragma counts in a request only where there is no Cache-Control', () => {
  const pragma = ['Pragma', 'no-cache'] as const
  assert.ok(hasDirective(parseRequestDirectives([pragma]), 'no-cache'))
  assert.ok(!hasDirective(parseRequestDirectives([pragma, ['Cache-Control', 'max-age=5']]), 'no-cache'))
  assert.ok(!hasDirective(parseCacheControl([pragma]), 'no-cache'))
})

test('any value whatsoever is read without an exception', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (lines) => {
      const directives = parseCacheControl(lines.map((line) => ['cache-control', line]))
      assert.ok(directives.list.every(({ name }) => name === name.toLowerCase() && name !== ''))
    }),
  )
})

test('a directive far longer than any header section is read', () => {
  const argument = 'a, \\"'.repeat(200_000)
  const directives = parseCacheControl(cacheControl(`x="${argument}", no-store`))
  assert.equal(directives.syntaxError, false)
  assert.deepEqual(directives.list[1], { name: 'no-store', argument: undefined })
  assert.equal(directives.list[0]?.argument?.length, 800_000)
})

test('what is written by the grammar is read back', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,9}$/)
  const argument = fc.option(fc.stringMatching(/^[\t -~]{0,12}$/), { nil: undefined })
  fc.assert(
    fc.property(fc.array(fc.record({ name, argument }, { noNullPrototype: true })), (list) => {
      const value = list.map((each) => `${each.name.toUpperCase()}${quoted(each.argument)}`).join(',')
      const directives = parseCacheControl(cacheControl(value))
      assert.equal(directives.syntaxError, false)
      assert.deepEqual(directives.list, list)
    }),
  )
})

function quoted(argument: string | undefined): string {
  return argument === undefined ? '' : `="${argument.replace(/["\\]/g, '\\$&')}"`
}
