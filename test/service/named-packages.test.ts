import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { namedPackages } from '../../service/named-packages.ts'
import { addComponent } from '../../update/publisher/add.ts'
import { initSite } from '../../update/publisher/init.ts'
import { release } from '../../update/publisher/release.ts'

const AT = Date.UTC(2026, 10, 28)

/** The bytes of a catalogue. @param baseUrl where its packages are; absent: beside it. */
function catalogue(baseUrl: string | undefined): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'ihave-named-'))
  const [site, keys, file] = [join(folder, 'site'), join(folder, 'keys'), join(folder, 'vsasap.dat')]
  initSite(site, { product: 'ViruScan', keys, at: AT, kind: 'p256', own: undefined, ownCatalog: undefined })
  writeFileSync(file, randomBytes(1000))
  const install = { kind: 'unpack', into: 'vsasap' } as const
  addComponent(site, { component: 'vsasap', version: '4.5', minProduct: undefined, install, paths: [file] })
  release(site, { keys, at: AT, compression: 'mszip', validDays: 14, baseUrl })
  const bytes = readFileSync(join(site, 'myupdate.cab'))
  rmSync(folder, { recursive: true })
  return bytes
}

test('a catalogue names the packages beside it', () => {
  const urls = namedPackages('http://updates.test/v/myupdate.cab', catalogue(undefined))
  assert.deepEqual(urls, ['http://updates.test/v/vsasap.202611280000.cab'])
})

test('nobody is sent to another server, and what is no catalogue names nothing', () => {
  const elsewhere = catalogue('http://victim.test/')
  assert.deepEqual(namedPackages('http://updates.test/myupdate.cab', elsewhere), [])
  for (const bytes of [Buffer.alloc(0), randomBytes(4000), elsewhere.subarray(0, 500)])
    assert.deepEqual(namedPackages('http://updates.test/myupdate.cab', bytes), [])
})
