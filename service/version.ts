/** The version of this program, from its package. */
import { readFileSync } from 'node:fs'

export const VERSION: string = (JSON.parse(readFileSync(packageFile(), 'utf8')) as { version: string })
  .version

/** Sources lie one folder below the package's root, built files two. */
function packageFile(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json', import.meta.url)
}
