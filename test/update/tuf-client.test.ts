/** The unmodified TUF client library reads our metadata, and refuses what it must (issue 6, point 5). */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Updater } from 'tuf-js'
import { systemClock } from '../../core/clock.ts'
import { rotate } from '../../update/publisher/rotate.ts'
import { temporaryFolder } from '../signing/fixtures.ts'
import { world } from './world.ts'

/** The site as a static web server shows it. */
async function serve(context: TestContext, folder: () => string): Promise<string> {
  const server: Server = createServer((request, response) => {
    const path = join(folder(), new URL(request.url ?? '/', 'http://x').pathname)
    if (existsSync(path)) response.end(readFileSync(path))
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  context.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function client(site: string, base: string, folder: string): Updater {
  const [metadataDir, targetDir] = [join(folder, 'metadata'), join(folder, 'targets')]
  mkdirSync(metadataDir, { recursive: true })
  mkdirSync(targetDir, { recursive: true })
  if (!existsSync(join(metadataDir, 'root.json')))
    cpSync(join(site, 'metadata/1.root.json'), join(metadataDir, 'root.json'))
  return new Updater({ metadataDir, targetDir, metadataBaseUrl: `${base}/metadata`, targetBaseUrl: base })
}

/** Its client knows only the real time. */
const TODAY = Math.floor(systemClock.wall() / 1000) * 1000

test('tuf-js follows new keys, finds a package and verifies it', async (t) => {
  const w = world(t, TODAY)
  w.publish({ vsasap: ['4.5.1', 'content'] })
  for (const role of ['root', 'timestamp', 'snapshot', 'targets'] as const)
    rotate(w.site, role, { keys: w.keys, at: w.now, validDays: 14 })
  w.refresh()
  const base = await serve(t, () => w.site)
  const updater = client(w.site, base, temporaryFolder(t))
  await updater.refresh()
  const [name] = Object.keys(JSON.parse(w.file('metadata/targets.json').toString()).signed.targets).filter(
    (each) => each.endsWith('.cab'),
  )
  const target = await updater.getTargetInfo(name ?? '')
  assert.ok(target)
  const file = await updater.downloadTarget(target)
  assert.ok(readFileSync(file).equals(w.file(name ?? '')))
})

test('tuf-js refuses a changed package and an older timestamp', async (t) => {
  const w = world(t, TODAY)
  const name = w.publish({ vsasap: ['4.5.1', 'content'] }).packages[0]?.url ?? ''
  const old = join(w.site, '../old')
  cpSync(w.site, old, { recursive: true })
  w.refresh()
  let shown = w.site
  const base = await serve(t, () => shown)
  const folder = temporaryFolder(t)
  const updater = client(w.site, base, folder)
  await updater.refresh()
  writeFileSync(join(w.site, name), w.file(name).fill(0, 200, 210))
  const target = await updater.getTargetInfo(name)
  assert.ok(target)
  await assert.rejects(updater.downloadTarget(target))
  shown = old
  await assert.rejects(client(w.site, base, folder).refresh())
  rmSync(old, { recursive: true })
})
