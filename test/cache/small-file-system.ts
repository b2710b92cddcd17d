/** A file system of its own for a test, so small that it can be filled. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import type { TestContext } from 'node:test'
import { temporaryDirectory } from './store-fixtures.ts'

/** Why there can be none; `false` where there can. */
export const withoutFileSystem =
  process.platform === 'linux' && process.getuid?.() === 0 ? false : 'needs root on Linux: mounts a tmpfs'

/** A test that `use` fills. @param size as tmpfs takes it: `4m`. */
export function onFileSystem(
  size: string,
  use: (test: TestContext, directory: string) => Promise<void>,
): (test: TestContext) => Promise<void> {
  return async (test) => {
    const directory = temporaryDirectory(test)
    const options = { encoding: 'utf8' } as const
    const mount = spawnSync('/bin/mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory], options)
    assert.equal(mount.status, 0, mount.stderr)
    try {
      await use(test, directory)
    } finally {
      spawnSync('/bin/umount', ['-l', directory])
    }
  }
}
