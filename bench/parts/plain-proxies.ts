/** Proxies without a cache to compare with; each on a port of 127.0.0.1. */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { freePort, startOnPort, startUntil } from './processes.ts'
import { configured, installed, type Proxy } from './proxy.ts'

/** Tinyproxy: a plain proxy without a cache. */
export async function tinyproxy(directory: string): Promise<Proxy | undefined> {
  const program = installed('/usr/bin/tinyproxy')
  if (program === undefined) return undefined
  const port = await freePort()
  const lines = [`Port ${port}`, 'Listen 127.0.0.1', 'Timeout 600', 'MaxClients 100', 'LogLevel Error']
  const file = configured(directory, 'tinyproxy', [...lines, `LogFile "${join(directory, 'tinyproxy.log')}"`])
  return { port, form: 'absolute', ...(await startOnPort(program, ['-d', '-c', file], port)) }
}

/** The least that a proxy can be in Node, for machines that have no other: every byte through `node:http`. */
export async function plainRelay(): Promise<Proxy> {
  const server = createServer((incoming, outgoing) => {
    const { method, headers, url = '' } = incoming
    const asking = request(url, { method, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(outgoing)
    })
    asking.on('error', () => outgoing.destroy())
    incoming.pipe(asking)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = async () => {
    server.closeAllConnections()
    server.close()
  }
  const { port } = server.address() as AddressInfo
  return { port, form: 'absolute', pids: [process.pid], startedAt: performance.now(), stop }
}

/** No proxy, but what the fastest one in Node cannot do without: sockets, and a response of so many bytes (sockets-process.ts). */
export async function socketsAlone(bodyBytes: number): Promise<Proxy> {
  const file = join(import.meta.dirname, 'sockets-process.ts')
  const running = await startUntil(process.execPath, [file, String(bodyBytes)], /port (\d+)/)
  return { ...running, port: Number(running.match[1]), form: 'absolute' }
}
