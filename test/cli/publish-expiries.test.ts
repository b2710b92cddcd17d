import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expiryJson, expiryLines } from '../../cli/publish-expiries.ts'
import { expiriesOf } from '../../update/publisher/expiries.ts'
import { AT, DAY, world } from '../update/world.ts'

test('each role and certificate is shown with its date, and with what is to be done when that is near or past', (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'x'] })
  const linesOn = (day: number) => expiryLines(expiriesOf(w.site, AT + day * DAY), 'www/')
  assert.deepEqual(linesOn(0), [
    'expires',
    '  root                    2002-01-13 15:11 UTC  365 days left',
    '  targets                 2002-01-13 15:11 UTC  365 days left',
    '  snapshot                2001-01-27 15:11 UTC  14 days left',
    '  timestamp               2001-01-27 15:11 UTC  14 days left',
    '  packages’ certificate   2004-01-13 15:11 UTC  1095 days left',
    '  catalogue’s certificate 2004-01-13 15:11 UTC  1095 days left',
  ])
  assert.deepEqual(linesOn(11.5).slice(1, 5), [
    '  root                    2002-01-13 15:11 UTC  353 days left',
    '  targets                 2002-01-13 15:11 UTC  353 days left',
    '  snapshot                2001-01-27 15:11 UTC  2 days left  SOON: ihave publish refresh www/',
    '  timestamp               2001-01-27 15:11 UTC  2 days left  SOON: ihave publish refresh www/',
  ])
  assert.deepEqual(linesOn(364.5).slice(2, 4), [
    '  targets                 2002-01-13 15:11 UTC  today  SOON: ihave publish rotate www/ --key root',
    '  snapshot                2001-01-27 15:11 UTC  350 days ago  EXPIRED, updaters refuse it: ihave publish refresh www/',
  ])
  assert.match(
    linesOn(1090)[5] ?? '',
    /--key packages \(unless you did\), then add and release vsasap again$/,
  )
})

test('programs read the same', (t) => {
  const w = world(t)
  w.publish({ vsasap: ['1', 'x'] })
  const [root] = expiryJson(expiriesOf(w.site, AT + 340 * DAY))
  assert.deepEqual(root, {
    what: 'root',
    expiresAt: AT + 365 * DAY,
    daysLeft: 25,
    state: 'soon',
    renewal: 'rotate --key root',
    components: [],
    expires: '2002-01-13T15:11:00.000Z',
  })
})
