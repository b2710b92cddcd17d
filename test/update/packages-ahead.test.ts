import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { begunFetcher } from '../../update/installer/begun-fetcher.ts'
import { keptPackage } from '../../update/installer/downloads.ts'
import type { Source } from '../../update/installer/fetch-request.ts'
import type { Fetched, Fetcher } from '../../update/installer/fetcher.ts'
import { packagesAhead } from '../../update/installer/packages-ahead.ts'
import type { UpdaterSettings } from '../../update/installer/updater.ts'
import { AT, CATALOG, DAY, world, type World } from './world.ts'

const BOTH = { vsasap: ['4.5.1', 'antivirus'], vseng9x: ['1.0.2', 'engine'] } as const

async function ahead(made: World, change?: Partial<UpdaterSettings>): Promise<readonly string[]> {
  const urls = await packagesAhead(made.file('myupdate.cab'), made.settings(change), made.now)
  return urls.map((url) => new URL(url).pathname.replace(/\.\d{12}\.cab$/, ''))
}

test('what an update will ask for is known from the catalogue alone, and nothing is written', async (t) => {
  const made = world(t)
  made.publish(BOTH)
  assert.deepEqual(await ahead(made), ['/vsasap', '/vseng9x'])
  assert.equal(made.installation.state().remembered, undefined)
})

test('what is installed, kept from a run before, or not wanted, is not asked for', async (t) => {
  const made = world(t)
  made.publish(BOTH)
  await made.update()
  assert.deepEqual(await ahead(made), [])
  made.now += DAY
  const { packages } = made.publish({ vsasap: ['4.5.2', 'new'], vseng9x: ['1.0.3', 'newer'] })
  assert.deepEqual(await ahead(made), ['/vsasap', '/vseng9x'])
  assert.deepEqual(await ahead(made, { components: ['vseng9x'] }), ['/vseng9x'])
  const [first] = packages
  assert.ok(first)
  writeFileSync(keptPackage(made.installation.downloads, first.sha256), 'here')
  assert.equal((await ahead(made)).length, 1)
})

test('nothing is asked for where the update will refuse', async (t) => {
  const made = world(t)
  made.publish(BOTH)
  assert.deepEqual(await ahead(made, { maxPackageBytes: 10 }), [])
  made.now = AT + 400 * DAY
  assert.deepEqual(await ahead(made), [], 'the catalogue has expired')
  made.now = AT
  const altered = made.file('myupdate.cab')
  altered[altered.length >> 1] = (altered[altered.length >> 1] ?? 0) ^ 1
  assert.deepEqual(await packagesAhead(altered, made.settings(), AT), [])
})

test('a release that was rolled back is asked for only when it is wanted again', async (t) => {
  const made = world(t)
  made.publish(BOTH)
  await made.update()
  made.now += DAY
  made.publish({ vsasap: ['4.5.2', 'new'] })
  await made.update()
  await made.rollback()
  assert.deepEqual(await ahead(made), [])
  assert.deepEqual(await ahead(made, { isAgain: true }), ['/vsasap'])
})

test('the catalogue that came before is given once; packages are from where the node got them', async () => {
  const asked: string[] = []
  const fetcher: Fetcher = {
    async fetch({ url, onReceived }): Promise<Fetched> {
      asked.push(url)
      onReceived?.('cache', 7)
      return { bytes: Buffer.from('fetched'), source: 'cache' }
    },
    close: async () => {},
  }
  const from: Readonly<Record<string, Source>> = { 'http://x/a.cab': 'peer' }
  const begun = begunFetcher(fetcher, {
    catalog: CATALOG,
    bytes: Buffer.from('before'),
    cameFrom: (url) => from[url],
  })
  const get = async (url: string) => {
    const received: string[] = []
    const onReceived = (source: Source, count: number) => received.push(`${count} from ${source}`)
    const { bytes, source } = await begun.fetch({
      url,
      maxBytes: 100,
      leastBytesPerS: 0,
      isFresh: false,
      onReceived,
    })
    return `${bytes.toString()} ${source}: ${received.join(', ')}`
  }
  assert.equal(await get(CATALOG), 'before internet: 6 from internet')
  assert.equal(await get(CATALOG), 'fetched cache: 7 from cache')
  assert.equal(await get('http://x/a.cab'), 'fetched peer: 7 from peer')
  assert.equal(await get('http://x/b.cab'), 'fetched cache: 7 from cache')
  assert.deepEqual(asked, [CATALOG, 'http://x/a.cab', 'http://x/b.cab'])
})
