import assert from 'node:assert/strict'
import { test } from 'node:test'
import { functionName, type FunctionName } from '../../providers/functions.ts'
import { fakeFunctions } from './fake-functions.ts'

test('a function has a name of 1 to 64 letters, digits, hyphens and full stops', () => {
  for (const name of ['internet-gateway', 'x', 'org.example.Print2', 'a'.repeat(64)])
    assert.equal(functionName(name), name)
  for (const name of ['', 'a'.repeat(65), 'a b', 'a/b', 'ü', 'a"', 'a\n', 'a_b'])
    assert.equal(functionName(name), undefined, JSON.stringify(name))
})

test('the fake finds whom it is told to find, until it is told otherwise', async () => {
  const fake = fakeFunctions()
  assert.equal(await fake.find(functionName('x') as FunctionName), undefined)
})
