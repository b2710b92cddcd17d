/**
 * Loaded before each test file: what one has compiled, types stripped, the next one does not compile again. Programs that a test
 * starts are not given it: they are started as users start them.
 */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'compiled-tests'))
