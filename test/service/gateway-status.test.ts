import assert from 'node:assert/strict'
import { test } from 'node:test'
import { functionNote } from '../../service/gateway-status.ts'

const CHECKS = { isChecking: true, watched: 0, checks: 0, news: 0, aheadBytes: 0 }

test('the checker that has nothing to check, or has not checked yet, says so', () => {
  const note = (checks: Partial<typeof CHECKS>, source?: 'self' | 'election') =>
    functionNote('update-checker', source && { source }, { isMember: true, checks: { ...CHECKS, ...checks } })
  assert.equal(note({}), 'nothing to check yet')
  assert.equal(note({}, 'self'), 'nothing to check yet')
  assert.equal(note({ watched: 4 }, 'self'), '4 to check, none checked yet')
  assert.equal(note({ watched: 4, checks: 8 }, 'self'), '4 to check, 8 checks made')
  assert.equal(note({ watched: 4 }, 'election'), undefined, 'what another machine does is its own to tell')
})

test('a machine without a site is told why nobody gets anything for it', () => {
  const note = (name: string) => functionNote(name, undefined, { isMember: false, checks: CHECKS })
  assert.match(note('internet-gateway') ?? '', /belongs to no site/)
  assert.match(note('update-checker') ?? '', /belongs to no site/)
  assert.equal(note('print'), undefined)
})
