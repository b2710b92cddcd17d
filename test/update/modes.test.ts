/** Who may read and write what is installed: everybody and its owner, whatever the umask of the process that installs. */
import assert from 'node:assert/strict'
import { chmodSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { addComponent } from '../../update/publisher/add.ts'
import { outcomeOf, world, type World } from './world.ts'

/** A component with a program and a folder inside. */
function addEngine(w: World, version: string): void {
  const from = join(w.site, '../engine')
  mkdirSync(join(from, 'rules/deep'), { recursive: true })
  writeFileSync(join(from, 'rules/deep/rule.dat'), version)
  writeFileSync(join(from, 'scan'), `#!/bin/sh\n# ${version}`)
  chmodSync(join(from, 'scan'), 0o755)
  const install = { kind: 'unpack', into: 'engine' } as const
  addComponent(w.site, { component: 'engine', version, minProduct: undefined, install, paths: [from] })
}

/** `0755 engine/scan`, one for each name below; links apart. */
function modes(folder: string, below = ''): readonly string[] {
  return readdirSync(join(folder, below)).flatMap((name) => {
    const found = lstatSync(join(folder, below, name))
    if (found.isSymbolicLink()) return []
    const mode = `0${(found.mode & 0o7777).toString(8)} ${join(below, name)}`
    return found.isDirectory() ? [mode, ...modes(folder, join(below, name))] : [mode]
  })
}

for (const umask of [0o000, 0o002, 0o022, 0o077])
  test(
    `with a umask of ${umask.toString(8).padStart(3, '0')}, everybody may read what is installed, and only its owner may write`,
    { skip: process.platform === 'win32' },
    async (t) => {
      const w = world(t)
      const into = join(w.into, 'made/for/it')
      addEngine(w, '1')
      w.publish({ vsasap: ['1', 'old'] })
      const before = process.umask(umask)
      t.after(() => process.umask(before))
      assert.equal(outcomeOf(await w.update({ into })), 'updated')
      // In the second set one component is copied, the other unpacked.
      process.umask(before)
      w.publish({ vsasap: ['2', 'new'] })
      process.umask(umask)
      assert.equal(outcomeOf(await w.update({ into })), 'updated')
      const found = modes(w.into)
      const sets = found.filter((each) => each.includes('/versions/'))
      assert.equal(sets.length, 2 * 10, sets.join('\n'))
      for (const each of sets) {
        const isFolder = /(?:-\d|\/engine|\/rules|\/deep|\/vsasap)$/.test(each)
        assert.match(each, isFolder || each.endsWith('scan') ? /^0755 / : /^0644 /)
      }
      for (const name of ['made', 'made/for', 'made/for/it', 'made/for/it/versions', 'made/for/it/.ihave'])
        assert.ok(found.includes(`0755 ${name}`), found.join('\n'))
      assert.ok(found.includes('0700 made/for/it/.ihave/downloads'))
      const others = found.filter((each) => (Number.parseInt(each, 8) & 0o022) !== 0)
      assert.deepEqual(others, [])
    },
  )
