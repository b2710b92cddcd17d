/** Where the suite's release lies that the lock file names. */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

export const RELEASE = dirname(fileURLToPath(import.meta.resolve('http-cache-tests/package.json')))
