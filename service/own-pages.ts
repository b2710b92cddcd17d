/** The few pages that the node serves on the proxy's port itself: the PAC file (R6.4), and a first page for people. */
import { bodyOf, type Answer } from '../core/answer.ts'
import { formatBytes, formatDuration } from '../core/units.ts'
import { PAC_MEDIA_TYPE, PAC_PATHS, proxyAutoConfig } from '../proxy/pac.ts'
import type { OwnPages } from '../proxy/proxy-server.ts'
import type { Rules } from '../retrieval/rules.ts'
import type { Status } from './status.ts'

export interface OwnPagesComponents {
  readonly rules: () => Rules
  readonly status: () => Status
}

/** The query of a path does not matter. */
export function ownPages(components: OwnPagesComponents): OwnPages {
  return {
    has: (path) => nameOf(path) === '/' || isPac(path),
    answer: (path, authority) =>
      isPac(path)
        ? page(PAC_MEDIA_TYPE, proxyAutoConfig(components.rules(), authority))
        : page('text/html; charset=utf-8', firstPage(components.status(), authority)),
  }
}

function isPac(path: string): boolean {
  return PAC_PATHS.some((each) => each === nameOf(path))
}

function nameOf(path: string): string {
  return path.split('?')[0] ?? ''
}

function page(type: string, text: string): Answer {
  const bytes = Buffer.from(text)
  return {
    status: 200,
    fields: [
      ['Content-Type', type],
      ['Content-Length', String(bytes.length)],
      ['Cache-Control', 'no-store'],
      ['X-Content-Type-Options', 'nosniff'],
      ['Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'"],
      ['Cross-Origin-Resource-Policy', 'same-origin'],
    ],
    body: bodyOf(bytes),
  }
}

function firstPage(
  { upMs, peering, whyAlone = 'peering is off', cache, totals }: Status,
  authority: string,
): string {
  const { peer, internet } = totals.receivedBytes
  const inProgress = totals.receivedBytes['in-progress']
  const rows: readonly (readonly [string, string])[] = [
    ['up for', formatDuration(upMs)],
    ['peers', peering ? `${peering.peers.length} (this node is ${peering.address})` : whyAlone],
    [
      'cache',
      `${formatBytes(cache.bytes)} of ${formatBytes(cache.maxBytes)} in ${cache.responses} ${cache.responses === 1 ? 'response' : 'responses'}`,
    ],
    ['delivered to applications', formatBytes(totals.deliveredBytes)],
    ['from the Internet', formatBytes(internet)],
    ['from peers', formatBytes(peer + inProgress)],
    ['sent to peers', formatBytes(totals.uploadedBytes)],
  ]
  const cells = rows.map(([name, value]) => `<tr><th>${name}</th><td>${value}</td></tr>`).join('\n')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ihave</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}
th{text-align:left;font-weight:400;color:#555;padding-right:2rem}td{font-variant-numeric:tabular-nums}code{background:#eee;padding:0 .3em}</style></head>
<body><h1>ihave is running</h1>
<p>Point applications at <code>http_proxy=http://${authority}</code>, or a whole system at
<a href="/proxy.pac">http://${authority}/proxy.pac</a>.</p>
<table>${cells}</table></body></html>
`
}
