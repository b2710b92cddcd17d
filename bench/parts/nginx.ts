/**
 * nginx as a cache before one origin server: a worker for each core, `sendfile`, connections to the origin kept, and no
 * `tcp_nopush`, with which some responses on kept connections wait for 40 ms.
 */
import { join } from 'node:path'
import { freePort, startOnPort } from './processes.ts'
import { configured, installed, type Proxy } from './proxy.ts'

/** @param lines More directives for its `location`. */
export async function nginx(
  directory: string,
  origin: string,
  diskMegabytes: number,
  lines: readonly string[] = ['proxy_cache_key $uri;'],
): Promise<Proxy | undefined> {
  const program = installed('/usr/sbin/nginx')
  if (program === undefined) return undefined
  const port = await freePort()
  const file = configured(directory, 'nginx', [
    'daemon off; worker_processes auto;',
    `pid ${join(directory, 'nginx.pid')}; error_log ${join(directory, 'nginx.log')};`,
    'events { worker_connections 4096; }',
    'http {',
    `  access_log ${join(directory, 'access.log')}; sendfile on;`,
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `  ${kind}_temp_path ${join(directory, `nginx-${kind}`)};`,
    ),
    `  proxy_cache_path ${join(directory, 'nginx-cache')} levels=1:2 keys_zone=bench:64m max_size=${diskMegabytes}m use_temp_path=off;`,
    `  upstream origin { server ${new URL(origin).host}; keepalive 32; }`,
    `  server { listen 127.0.0.1:${port};`,
    '    location / {',
    '      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_cache bench;',
    '      proxy_cache_valid 200 206 1h; proxy_max_temp_file_size 2048m;',
    ...lines.map((line) => `      ${line}`),
    '    } }',
    '}',
  ])
  return { port, form: 'origin', ...(await startOnPort(program, ['-c', file, '-g', 'user root;'], port)) }
}
