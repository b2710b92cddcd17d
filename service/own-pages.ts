/** The few pages that the node serves on the proxy's port itself: the PAC file (R6.4), and a first page for people. */
import { bodyOf, type Answer } from '../core/answer.ts'
import { escaped } from '../core/html.ts'
import { formatBytes, formatDuration } from '../core/units.ts'
import { PAC_MEDIA_TYPE, PAC_PATHS, proxyAutoConfig } from '../proxy/pac.ts'
import type { OwnPages } from '../proxy/proxy-server.ts'
import type { Rules } from '../retrieval/rules.ts'
import type { Status, TransferStatus } from './status.ts'
import { transferText } from './transfer-text.ts'

export interface OwnPagesComponents {
  readonly rules: () => Rules
  readonly status: () => Status
  /** Whether nobody but this machine reads them: what it fetches is nobody else's business (V§4). */
  readonly areOwn: boolean
}

/** The query of a path does not matter. */
export function ownPages(components: OwnPagesComponents): OwnPages {
  return {
    has: (path) => nameOf(path) === '/' || isPac(path),
    answer: (path, authority) =>
      isPac(path)
        ? page(PAC_MEDIA_TYPE, proxyAutoConfig(components.rules(), authority))
        : page('text/html; charset=utf-8', firstPage(components, authority)),
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

function firstPage({ status, areOwn }: OwnPagesComponents, authority: string): string {
  const { upMs, peering, whyAlone = 'peering is off', cache, totals, transfers, gateway } = status()
  const { peer, internet } = totals.receivedBytes
  const served = gateway?.served.bytes ?? 0
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
    ...(served === 0 ? [] : [['sent to members as their gateway', formatBytes(served)] as const]),
  ]
  const cells = rows.map(([name, value]) => `<tr><th>${name}</th><td>${value}</td></tr>`).join('\n')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ihave</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}
th{text-align:left;font-weight:400;color:#555;padding-right:2rem}td{font-variant-numeric:tabular-nums}.url{overflow-wrap:anywhere}code{background:#eee;padding:0 .3em}</style></head>
<body><h1>ihave is running</h1>
<p>Point applications at <code>http_proxy=http://${authority}</code>, or a whole system at
<a href="/proxy.pac">http://${authority}/proxy.pac</a>.</p>
<table>${cells}</table>
${areOwn ? transferItems(transfers) : ''}</body></html>
`
}

/** Of more the page tells how many there are. */
const MAX_TRANSFERS = 20

/** Nothing where nothing comes. */
function transferItems(transfers: readonly TransferStatus[]): string {
  if (transfers.length === 0) return ''
  const shown = transfers.slice(0, MAX_TRANSFERS)
  const others = transfers.length - shown.length
  return `<h2>On its way here</h2>
${shown.map(transferItem).join('\n')}
${others > 0 ? `<p>and ${others} more</p>\n` : ''}`
}

/** A URL is text that somebody else wrote. */
function transferItem(transfer: TransferStatus): string {
  const { uri, receivedBytes, totalBytes } = transfer
  const done = totalBytes ? receivedBytes / totalBytes : 0
  return `<p class="url">${escaped(uri)}<br><progress max="1" value="${done}"></progress> ${escaped(transferText(transfer))}</p>`
}
