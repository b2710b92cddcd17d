import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resultLine } from '../../cli/update-now.ts'
import { entryText, statusText } from '../../cli/update-status.ts'
import { updateBars } from '../../cli/update-bars.ts'
import { printable, printableLines } from '../../core/printable.ts'
import type { UpdateEvent } from '../../update/installer/events.ts'

const EVENTS: readonly UpdateEvent[] = [
  {
    event: 'catalogue',
    product: 'ViruScan',
    number: 7,
    released: '200101131511',
    bytes: 3000,
    signer: 'Example',
    expires: '2001-01-27T15:11:00Z',
    components: 2,
    needed: 2,
  },
  { event: 'progress', component: 'vsasap', bytes: 50_000, total: 100_000 },
  { event: 'progress', component: 'engine', bytes: 10_000, total: 10_000 },
  {
    event: 'package',
    component: 'engine',
    version: '1',
    url: 'e',
    bytes: 10_000,
    source: 'peer',
    signature: 'verified',
  },
  {
    event: 'package',
    component: 'vsasap',
    version: '2',
    url: 'v',
    bytes: 100_000,
    source: 'internet',
    signature: 'verified',
  },
  { event: 'installed', id: '200101131511-7', from: undefined },
  {
    event: 'done',
    outcome: 'updated',
    detail: '2 of 2 components were updated',
    installed: '200101131511-7',
    received: { catalogue: 3000, internet: 100_000, peer: 10_000, cache: 0, kept: 0 },
  },
]

function shown(isTTY: boolean, events = EVENTS): string {
  let text = ''
  const out = { isTTY, columns: 80, write: (more: string) => (text += more) !== '' }
  const bars = updateBars(out as unknown as NodeJS.WriteStream)
  for (const event of events) bars.show(event)
  return text
}

/** What a terminal shows at the end of all that was written to it. */
function screen(written: string): readonly string[] {
  const lines = ['']
  let row = 0
  // The escape character is written as a visible one.
  const visible = written.replaceAll('\u001B', '␛')
  for (const [token] of visible.matchAll(/␛\[(\d+)F|␛\[2K|\n|[^␛\n]+/g)) {
    const up = /\[(\d+)F/.exec(token)?.[1]
    if (up !== undefined) row -= Number(up)
    else if (token === '␛[2K') lines[row] = ''
    else if (token === '\n') lines[++row] ??= ''
    else lines[row] += token
  }
  return lines
}

test('on a terminal each package has a bar of its own, which grows in its place', () => {
  const lines = screen(shown(true))
  assert.deepEqual(lines.slice(1, 3), [
    '  vsasap       [########################]   100 kB 2 from the Internet',
    '  engine       [########################]  10.0 kB 1 from a peer',
  ])
  assert.match(shown(true), /vsasap {7}\[############\.{12}\]/)
})

test('elsewhere there are lines without bars in the making, and the report of what came from where', () => {
  const text = shown(false)
  assert.ok(!text.includes('\u001B'))
  assert.match(text, /^received: 103 kB over the WAN \(catalogue 3\.0 kB\), 10\.0 kB from peers$/m)
  assert.match(text, /^updated: 2 of 2 components were updated; installed: 200101131511-7$/m)
})

/** Clears the screen, sets the title, turns text round, and begins a line that says what is not so. */
const EVIL = 'x\u001B[2J\u009B2J\u001B]0;title\u0007\u202E\r\nupdated: all is well'

test('no name, URL or word of a command is a command to the terminal, or a line of its own', () => {
  const received = { catalogue: 1, internet: 0, peer: 0, cache: 0, kept: 0 }
  const evil: readonly UpdateEvent[] = [
    { ...EVENTS[0], event: 'catalogue', signer: EVIL, product: EVIL } as UpdateEvent,
    { event: 'progress', component: EVIL, bytes: 1, total: 2 },
    { ...EVENTS[3], event: 'package', component: EVIL, version: EVIL } as UpdateEvent,
    { event: 'retry', component: EVIL, reason: 'altered', detail: EVIL },
    { event: 'proxy-failed', detail: EVIL },
    { event: 'recovered', phase: 'staging', id: EVIL },
    { event: 'installed', id: EVIL, from: EVIL },
    { event: 'rolled-back', id: EVIL, from: EVIL, reason: EVIL },
    { event: 'refused', reason: 'check-failed', detail: EVIL },
    { event: 'done', outcome: 'held-back', detail: EVIL, installed: EVIL, received },
  ]
  const state = { format: 1, refused: {}, catalog: EVIL, heldBack: { number: 1, reason: EVIL } } as const
  const place = { installed: null, sets: [EVIL], isInterrupted: false }
  for (const text of [
    shown(false, evil),
    // What the bars themselves say to the terminal.
    shown(true, evil)
      .replaceAll('\u001B', '␛')
      .replace(/␛\[(?:\d+F|2K)/g, ''),
    resultLine({ name: EVIL, result: { outcome: 'refused', detail: EVIL, received } }),
    statusText({ ...state, ...place }),
    printableLines([entryText({ at: 0, kind: 'refused', reason: 'check-failed', detail: EVIL })]),
  ]) {
    assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}␛]/u)
    assert.doesNotMatch(text, /^updated: all is well/m)
  }
})

test('the status of an installation says why the last check was refused', () => {
  const lastCheck = { at: Date.now(), outcome: 'refused', reason: 'disk', detail: 'it is full' } as const
  const place = { installed: null, sets: [], isInterrupted: false }
  const text = statusText({ format: 1, refused: { disk: 1 }, lastCheck, ...place })
  assert.match(text, /^checked {4}\S+ m?s ago: refused \(disk\), it is full$/m)
})

test('what is made visible can be told', () => {
  assert.equal(printable('a\u001B[2Jb\nc é'), String.raw`a\u{1b}[2Jb\nc é`)
})

test('the report of a refusal says what came, why it was refused once, and that the proxy failed', () => {
  const done = {
    event: 'done',
    outcome: 'refused',
    reason: 'altered',
    detail: 'a byte',
    proxyFailed: 'it died',
    received: { catalogue: 3000, internet: 0, peer: 0, cache: 0, kept: 0 },
  } as const
  assert.equal(
    shown(false, [done]),
    'refused (altered); nothing is installed\nreceived: 3.0 kB over the WAN (catalogue 3.0 kB), 0 B from peers; past the proxy, which failed\n',
  )
})
