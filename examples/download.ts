/**
 * A downloader that is a peer while it runs: it embeds a node, gets a file from whoever is nearest, shows how far it is, and
 * leaves nothing but the file.
 *
 *     node download.ts URL FILE [sha-256:DIGEST]
 *
 * IHAVE_ADDRESS and IHAVE_BROADCAST place it on another network than the machine's first (127.0.0.2 and 127.255.255.255 for
 * a trial on one machine).
 */
import { embed, Fault, type Progress } from 'ihave'

const [url, path, digest] = process.argv.slice(2)
if (url === undefined || path === undefined) {
  console.error('usage: node download.ts URL FILE [sha-256:DIGEST]')
  process.exit(2)
}

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())

try {
  await using session = await embed({ settings: settingsFrom(process.env) })
  const outcome = await session.download(url, path, {
    ...(digest === undefined ? {} : { digest }),
    signal: interrupted.signal,
    onProgress: show,
  })
  const { peer, internet } = outcome.receivedBytes
  const fromPeers = peer + outcome.receivedBytes['in-progress']
  clear()
  console.log(
    `${path}: ${outcome.deliveredBytes} bytes, ${fromPeers} from peers, ${internet} from the Internet`,
  )
} catch (error) {
  // A wrong URL, a full disk, a second node at this address: for a user each is one line.
  clear()
  console.error(`${url}: ${reasonOf(error)}`)
  process.exitCode = 1
}

/** One line that is written over and over on a terminal, and a line each time elsewhere. */
function show({ phase, source, receivedBytes, totalBytes, bytesPerSecond }: Progress): void {
  const share = totalBytes === undefined || totalBytes === 0 ? 0 : receivedBytes / totalBytes
  const bar = '#'.repeat(Math.round(share * 30)).padEnd(30, '.')
  const rate = bytesPerSecond === undefined ? '' : ` ${(bytesPerSecond / 1e6).toFixed(1)} MB/s`
  const line = `[${bar}] ${Math.round(share * 100)} % ${phase}${source === undefined ? '' : ` ${source}`}${rate}`
  process.stderr.write(process.stderr.isTTY ? `\r${line.padEnd(79)}` : `${line}\n`)
}

function clear(): void {
  if (process.stderr.isTTY) process.stderr.write('\r'.padEnd(80) + '\r')
}

function reasonOf(error: unknown): string {
  if (error instanceof Fault) return `${error.message} (${error.code})`
  return error instanceof Error ? error.message : String(error)
}

function settingsFrom(environment: NodeJS.ProcessEnv) {
  const { IHAVE_ADDRESS: address, IHAVE_BROADCAST: broadcast, IHAVE_PORT: port } = environment
  return {
    peering: {
      filePort: 0,
      ...(address === undefined ? {} : { address }),
      ...(broadcast === undefined ? {} : { broadcast }),
      ...(port === undefined ? {} : { packetPort: Number(port) }),
    },
  }
}
