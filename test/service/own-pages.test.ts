import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import type { Answer } from '../../core/answer.ts'
import { fieldValue } from '../../core/fields.ts'
import { compileRules } from '../../retrieval/rules.ts'
import { ownPages } from '../../service/own-pages.ts'
import { textOf } from '../retrieval/world.ts'
import { gatewayStatus, STATUS } from './example-status.ts'

const RULES = compileRules(
  [
    {
      match: 'http://updates.test/**',
      rule: 'updates',
      share: true,
      immutable: false,
      store: true,
      verify: 'auto',
      waitForDownloads: true,
    },
  ],
  [],
)

const PAGES = ownPages({ rules: () => RULES, status: () => STATUS, areOwn: true })

function proxyFor(pac: string, url: string): unknown {
  const host = new URL(url).hostname
  return runInNewContext(`${pac}; FindProxyForURL(${JSON.stringify(url)}, ${JSON.stringify(host)})`)
}

async function page(path: string, authority = 'localhost:3128'): Promise<[Answer, string]> {
  const answer = PAGES.answer(path, authority)
  return [answer, Buffer.from(await textOf(answer.body), 'latin1').toString()]
}

describe('the node’s own pages', () => {
  test('are the PAC file under both its names, and a page for people', () => {
    for (const path of ['/', '/?x', '/proxy.pac', '/proxy.pac?x=1', '/wpad.dat'])
      assert.ok(PAGES.has(path), path)
    for (const path of ['', '/other', '/proxy.pac/', '/PROXY.PAC', '//', '/status', '/../proxy.pac'])
      assert.ok(!PAGES.has(path), path)
  })

  for (const path of ['/', '/proxy.pac', '/wpad.dat'])
    test(`say how long they are, and run nothing: ${path}`, async () => {
      const [{ status, fields }, text] = await page(path)
      assert.deepEqual([status, fieldValue(fields, 'content-length')], [200, String(Buffer.byteLength(text))])
      assert.equal(fieldValue(fields, 'cache-control'), 'no-store')
      assert.equal(fieldValue(fields, 'x-content-type-options'), 'nosniff')
      assert.match(fieldValue(fields, 'content-security-policy') ?? '', /^default-src 'none'/)
    })
})

describe('the PAC file', () => {
  test('leads update URLs to the proxy by the name under which it was fetched, and all others past it', async () => {
    for (const authority of ['192.0.2.7:3128', 'localhost:3128', '[2001:db8::7]:3128']) {
      const [{ fields }, text] = await page('/proxy.pac', authority)
      assert.equal(fieldValue(fields, 'content-type'), 'application/x-ns-proxy-autoconfig')
      assert.equal(proxyFor(text, 'http://updates.test/a'), `PROXY ${authority}; DIRECT`)
      assert.equal(proxyFor(text, 'http://elsewhere.test/a'), 'DIRECT')
      assert.equal(proxyFor(text, 'https://updates.test/a'), 'DIRECT')
    }
  })

  test('never leads to the address on which a proxy listens for everybody', async () => {
    for (const path of ['/proxy.pac', '/wpad.dat', '/']) {
      const [, text] = await page(path, '192.0.2.7:3128')
      assert.doesNotMatch(text, /0\.0\.0\.0/)
    }
  })
})

describe('the page for people', () => {
  test('says how to use the proxy, and what it has saved', async () => {
    const [{ fields }, text] = await page('/', '192.0.2.7:3128')
    assert.equal(fieldValue(fields, 'content-type'), 'text/html; charset=utf-8')
    for (const shown of [
      'http_proxy=http://192.0.2.7:3128',
      'http://192.0.2.7:3128/proxy.pac',
      '1 min 5 s',
      '1.5 MB of 2.0 GB in 7 responses',
      '500 B',
      '3.0 kB',
    ])
      assert.ok(text.includes(shown), shown)
  })

  test('tells of peers where there are any', async () => {
    const peering = {
      address: '192.0.2.7',
      packetPort: 1967,
      filePort: 6515,
      waitMs: 20,
      peers: [{ address: '192.0.2.8', node: 'n', roundTripMs: 1, heardMsAgo: 5, isReached: true }],
    }
    const pages = ownPages({ rules: () => RULES, status: () => ({ ...STATUS, peering }), areOwn: true })
    assert.match(await textOf(pages.answer('/', 'localhost:3128').body), /1 \(this node is 192\.0\.2\.7\)/)
  })

  test('says what a gateway has sent to members, beside what it has sent to peers', async () => {
    const status = () => gatewayStatus({ bytes: 29_400_000 })
    const pages = ownPages({ rules: () => RULES, status, areOwn: true })
    assert.match(
      await textOf(pages.answer('/', 'localhost:3128').body),
      /sent to members as their gateway<\/th><td>29\.4 MB</,
    )
    assert.doesNotMatch((await page('/'))[1], /gateway/)
  })

  test('shows what is on its way and who sends it, as text; not where others read it, too', async () => {
    const transfer = { source: 'peer', receivedBytes: 500_000, totalBytes: 2_000_000, bytesPerSecond: 1000 }
    const transfers = [
      { ...transfer, uri: 'http://updates.test/<b>&amp;', peer: '192.0.2.8' },
      ...Array.from({ length: 21 }, () => ({ ...transfer, uri: 'http://updates.test/other' })),
    ]
    const shown = async (areOwn: boolean) => {
      const pages = ownPages({ rules: () => RULES, status: () => ({ ...STATUS, transfers }), areOwn })
      return textOf(pages.answer('/', 'localhost:3128').body)
    }
    const text = await shown(true)
    assert.ok(text.includes('http://updates.test/&#60;b&#62;&#38;amp;'))
    assert.ok(text.includes('value="0.25"'))
    assert.ok(text.includes('500 kB of 2.0 MB, 1.0 kB/s from peer 192.0.2.8'))
    assert.ok(text.includes('and 2 more'))
    assert.doesNotMatch(await shown(false), /updates\.test/)
  })
})
