import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * With its parents, one by one, for its owner alone: Node's own recursive way never ends where a parent takes no directories (/proc), and
 * hides why (a read-only file system).
 * @throws Error of the system
 */
export function makeDirectory(path: string): void {
  if (existsSync(path)) return
  const parent = dirname(path)
  if (parent !== path) makeDirectory(parent)
  mkdirSync(path, { mode: 0o700 })
}
