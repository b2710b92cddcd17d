/**
 * `npm start` and its like, before everything else: without `npm ci` Node 20 says something of a file extension, and Node 24 of a package.
 * Plain JavaScript, as it is for a Node that cannot run the rest.
 */
import { existsSync, readFileSync } from 'node:fs'

const { engines } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))
const wanted = engines.node.replace('>=', '')

/** @param {string} text @returns {number[]} */
const numbers = (text) => text.split('.').map(Number)

function isOld() {
  const [is, least] = [numbers(process.versions.node), numbers(wanted)]
  const at = is.findIndex((each, index) => each !== least[index])
  return at >= 0 && is[at] < least[at]
}

/** @param {string} why @returns {never} */
function end(why) {
  process.stderr.write(`ihave: ${why}\n`)
  process.exit(1)
}

if (!existsSync(new URL('node_modules', import.meta.url)))
  end('nothing is installed here yet; "npm ci" does that, and brings the Node that it needs')
if (isOld())
  end(`this is Node ${process.versions.node}, and it needs ${wanted} or later, which "npm ci" brings`)
