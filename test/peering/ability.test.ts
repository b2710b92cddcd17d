import assert from 'node:assert/strict'
import { test } from 'node:test'
import { abilityOf, FULL_ABILITY } from '../../peering/ability.ts'

test('nothing that is known stands in the way: a machine can fetch', () => {
  assert.equal(abilityOf({}), FULL_ABILITY)
  assert.equal(abilityOf({ reach: 1, isWired: true, isOnMains: true, isBusy: false }), FULL_ABILITY)
})

test('each obstacle makes it less able, and all of them together least', () => {
  const abilities = [
    { isWired: false },
    { isOnMains: false },
    { isBusy: true },
    { isUploading: true },
    { reach: 0 },
  ]
  assert.deepEqual(abilities.map(abilityOf), [25, 50, 50, 50, 0])
  assert.equal(abilityOf({ isWired: false, isOnMains: false, isBusy: true, isUploading: true }), 3)
})

test('it is a whole number from 0 to 100, whatever is measured', () => {
  assert.deepEqual([{ reach: -1 }, { reach: 0.001 }, { reach: 7 }].map(abilityOf), [0, 1, FULL_ABILITY])
})
