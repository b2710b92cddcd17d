/** What the user agent gets instead of a response: a readable page with `Proxy-Status` (RFC 9209) and `Cache-Status` (R6.6). */
import { type Blame, type Fault, FAULTS, type FaultCode } from '../core/fault.ts'
import { escaped } from '../core/html.ts'
import { withoutSecrets } from '../core/redaction.ts'
import type { Fields } from '../core/fields.ts'
import { cacheStatus } from '../cache/semantics/cache-status.ts'

export interface ErrorAnswer {
  readonly status: number
  readonly fields: Fields
  readonly body: Buffer
}

/** Longest message that is repeated, in characters: it may hold parts of the request. */
const MAX_DETAILS = 300

/**
 * @param target what was asked for, for people to recognize; its query and userinfo are not repeated
 * @param accept the request's `Accept`; without `text/html` in it the page is plain text
 */
export function errorAnswer(fault: Fault, target: URL | string, accept?: string): ErrorAnswer {
  const { status, proxyStatus } = FAULTS[fault.code]
  const isHtml = acceptsHtml(accept)
  const body = Buffer.from(isHtml ? html(fault, shown(target)) : plain(fault, shown(target)))
  const fields: Fields = [
    ['Content-Type', `${isHtml ? 'text/html' : 'text/plain'}; charset=utf-8`],
    ['Content-Length', String(body.length)],
    ['Cache-Control', 'no-store'],
    // Nothing came, stored or forwarded, that this is made from.
    ['Cache-Status', cacheStatus({ kind: 'refusal', detail: fault.code })],
    ['Proxy-Status', `ihave; error=${proxyStatus}; details=${quoted(`${fault.code}: ${fault.message}`)}`],
    ['X-Content-Type-Options', 'nosniff'],
    ['Content-Security-Policy', "default-src 'none'"],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
  ]
  return { status, fields, body }
}

/** `text/html;q=0` is a no; wildcards are what programs send, and they read text. */
function acceptsHtml(accept = ''): boolean {
  const ranges = accept.toLowerCase().split(',')
  return ranges.some(
    (range) => /^\s*(text\/html|application\/xhtml\+xml)\s*(;|$)/.test(range) && !hasZeroWeight(range),
  )
}

function hasZeroWeight(range: string): boolean {
  return /;\s*q=0(\.0*)?\s*(;|$)/.test(range)
}

/** A Structured Fields string (RFC 8941 3.3.3): printable ASCII, with `"` and `\` escaped. */
function quoted(text: string): string {
  const printable = text.slice(0, MAX_DETAILS).replace(/[^\x20-\x7e]/g, '?')
  return `"${printable.replace(/["\\]/g, '\\$&')}"`
}

function shown(target: URL | string): string {
  const text = typeof target === 'string' ? target : target.href
  return withoutSecrets(text).replace(/\?…$/, '').slice(0, MAX_DETAILS)
}

interface Explanation {
  readonly title: string
  readonly whose: string
  readonly advice: string
}

const WHOSE: Readonly<Record<Blame, string>> = {
  'user-agent': 'The request itself is the reason: neither the server nor the network failed.',
  'origin-server': 'The server that was asked, or the way to it, failed. This proxy passes the news on.',
  peer: 'Another machine of this network gave a copy that cannot be used.',
  node: 'This proxy itself failed.',
  daemon: 'The proxy of this machine does not run.',
  configuration: 'What is configured on this machine is wrong.',
}

const ADVICE: Readonly<Record<Blame, string>> = {
  'user-agent': 'Check the address and the settings of the program that asked.',
  'origin-server': 'Try again later. If other pages fail too, check the connection to the Internet.',
  peer: 'Try again: the copy will come from somewhere else.',
  node: 'Look into the log of ihave on this machine, then try again.',
  daemon: 'Start it: ihave start.',
  configuration: 'Mend it, as the message says, then try again.',
}

/** Where the general words do not say enough. */
const SPECIAL: Partial<Record<FaultCode, Partial<Explanation>>> = {
  FORBIDDEN_TARGET: {
    title: 'This address may not be reached through the proxy',
    advice: 'If it must be reached, ask for its port to be added to the allowed ports in proxy.config.yaml.',
  },
  LOOP_DETECTED: {
    title: 'The request went in a circle',
    advice: 'A proxy setting points back to a proxy that has seen the request already: mend that setting.',
  },
  NOT_A_PROXY_REQUEST: {
    title: 'This is a proxy, not a web site',
    advice: 'Set this address as the HTTP proxy of the program, not as the address of a page.',
  },
  NOT_FOUND: { title: 'There is no such page on this node' },
  GATEWAY_REFUSED: {
    title: 'This machine gets updates only',
    advice:
      'It has no Internet access of its own, and others fetch for it what the rules call updates. If this is one, add a rule for it in proxy.config.yaml, here and on the machines with Internet access.',
  },
  DNS_FAILED: { title: 'The name of the server was not found', advice: 'Check the spelling of the name.' },
  CONNECT_REFUSED: { title: 'The server refused the connection' },
  CONNECT_TIMEOUT: { title: 'The server did not take the connection in time' },
  RESPONSE_TIMEOUT: { title: 'The server did not answer in time' },
  RESPONSE_INVALID: { title: 'The answer of the server cannot be understood' },
  OVERLOADED: {
    title: 'Too many requests at once',
    advice: 'Wait for running downloads to end, then try again.',
  },
  STOPPING: { title: 'This proxy is being stopped', advice: 'Try again when it runs again.' },
}

const TITLES: Readonly<Record<Blame, string>> = {
  'user-agent': 'The request cannot be carried out',
  'origin-server': 'The server did not give a usable answer',
  peer: 'A copy from this network cannot be used',
  node: 'The proxy failed',
  daemon: 'The proxy does not run',
  configuration: 'The configuration is wrong',
}

function explain(fault: Fault): Explanation {
  const { blame, code } = fault
  return { title: TITLES[blame], whose: WHOSE[blame], advice: ADVICE[blame], ...SPECIAL[code] }
}

function plain(fault: Fault, target: string): string {
  const { title, whose, advice } = explain(fault)
  const details = fault.message.slice(0, MAX_DETAILS)
  return [title, '', target, `${fault.code}: ${details}`, '', whose, advice, '', '-- ihave', ''].join('\n')
}

function html(fault: Fault, target: string): string {
  const { title, whose, advice } = explain(fault)
  const details = escaped(`${fault.code}: ${fault.message.slice(0, MAX_DETAILS)}`)
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${escaped(title)}</title></head>
<body>
<h1>${escaped(title)}</h1>
<p><code>${escaped(target)}</code></p>
<p>${escaped(whose)} ${escaped(advice)}</p>
<p><code>${details}</code></p>
<hr><p>ihave</p>
</body>
</html>
`
}
