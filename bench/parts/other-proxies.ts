/** Proxies to compare with, where they are installed; each on a port of 127.0.0.1. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { freePort, run, startOnPort, type Running } from './processes.ts'

export interface Proxy extends Running {
  readonly port: number
}

/** Tinyproxy: a plain proxy without a cache. */
export async function tinyproxy(directory: string): Promise<Proxy | undefined> {
  const program = installed('/usr/bin/tinyproxy')
  if (program === undefined) return undefined
  const port = await freePort()
  const lines = [`Port ${port}`, 'Listen 127.0.0.1', 'Timeout 600', 'MaxClients 100', 'LogLevel Error']
  const file = configured(directory, 'tinyproxy', [...lines, `LogFile "${join(directory, 'tinyproxy.log')}"`])
  return { port, ...(await startOnPort(program, ['-d', '-c', file], port)) }
}

/** Squid: with its cache in `cacheMegabytes`, or as a plain proxy. */
export async function squid(directory: string, cacheMegabytes = 0): Promise<Proxy | undefined> {
  const program = installed('/usr/sbin/squid')
  if (program === undefined) return undefined
  const port = await freePort()
  const cache = join(directory, 'squid-cache')
  const file = configured(directory, 'squid', [
    `http_port 127.0.0.1:${port}`,
    'http_access allow localhost',
    ...(cacheMegabytes === 0
      ? ['cache deny all']
      : [`cache_dir ufs ${cache} ${cacheMegabytes} 16 256`, 'maximum_object_size 1 GB']),
    'cache_mem 64 MB',
    'pinger_enable off',
    'netdb_filename none',
    'shutdown_lifetime 0 seconds',
    `pid_filename ${join(directory, 'squid.pid')}`,
    `cache_log ${join(directory, 'squid.log')}`,
    'access_log none',
    'dns_nameservers 127.0.0.1',
  ])
  chmodSync(directory, 0o777) // it refuses to be root, and becomes somebody else
  const args = ['-N', '-n', `bench${port}`, '-f', file]
  if (cacheMegabytes > 0) await run(program, ['-z', ...args])
  return { port, ...(await startOnPort(program, args, port)) }
}

/** Nginx as a caching forward proxy for one origin server. */
export async function nginx(directory: string, origin: string): Promise<Proxy | undefined> {
  const program = installed('/usr/sbin/nginx')
  if (program === undefined) return undefined
  const port = await freePort()
  const file = configured(directory, 'nginx', [
    'daemon off; worker_processes 1;',
    `pid ${join(directory, 'nginx.pid')}; error_log ${join(directory, 'nginx.log')};`,
    'events {}',
    'http {',
    '  access_log off; sendfile on;',
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `  ${kind}_temp_path ${join(directory, `nginx-${kind}`)};`,
    ),
    `  proxy_cache_path ${join(directory, 'nginx-cache')} keys_zone=bench:1m max_size=2g use_temp_path=off;`,
    `  server { listen 127.0.0.1:${port};`,
    `    location / { proxy_pass ${origin}; proxy_cache bench; proxy_cache_valid 200 1h; proxy_max_temp_file_size 2048m; } }`,
    '}',
  ])
  return { port, ...(await startOnPort(program, ['-c', file, '-g', 'user root;'], port)) }
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
  return { port: (server.address() as AddressInfo).port, stop }
}

function installed(program: string): string | undefined {
  return existsSync(program) ? program : undefined
}

function configured(directory: string, name: string, lines: readonly string[]): string {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, `${name}.conf`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}
