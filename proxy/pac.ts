/**
 * The proxy auto-configuration file (R6.4): only update URLs go through the proxy, and directly when it is away.
 *
 * It carries the rules' compiled globs and the same matching as the node's (retrieval/glob-automaton.ts), written in
 * ECMAScript 3, because some user agents evaluate such files with engines of that age.
 */
import { globOf } from '../retrieval/rules.ts'
import type { Rules } from '../retrieval/rules.ts'
import type { Glob } from '../retrieval/glob.ts'
import type { Instruction } from '../retrieval/glob-automaton.ts'

/** The media type that user agents expect (WPAD draft, 4.4.2; Netscape's proxy auto-config). */
export const PAC_MEDIA_TYPE = 'application/x-ns-proxy-autoconfig'

/** Where the file is served: by its customary name, and by the one that WPAD asks for. */
export const PAC_PATHS = ['/proxy.pac', '/wpad.dat'] as const

/**
 * The file's text, in ASCII: `FindProxyForURL` returns `PROXY <proxyAddress>; DIRECT` for an `http:` URL that a rule
 * matches, `DIRECT` for all others and for hosts without a domain or on loopback.
 * @param proxyAddress `host:port`, as user agents reach the proxy.
 */
export function proxyAutoConfig(rules: Rules, proxyAddress: string): string {
  const globs = rules.all.map((rule) => encodeGlob(globOf(rule)))
  return `var PROXY = ${JSON.stringify(`PROXY ${proxyAddress}; DIRECT`)};
var GLOBS = [
${globs.join(',\n')}
];
${FIND_PROXY}`
}

/** `[withQuery, instruction…]`: a string takes one of its characters, `{not:…}` any other, a list is a fork. */
function encodeGlob(glob: Glob): string {
  return `[${[String(glob.withQuery), ...glob.program.map(encodeInstruction)].join(',')}]`
}

function encodeInstruction(instruction: Instruction): string {
  if (instruction.kind === 'fork') return JSON.stringify(instruction.targets)
  const chars = JSON.stringify(instruction.chars)
  return instruction.negated ? `{not:${chars}}` : chars
}

/** `targetUri` spells the URL as core/target-uri.ts does; `matches` and `follow` are those of retrieval/glob-automaton.ts. */
const FIND_PROXY = `
function FindProxyForURL(url, host) {
  var uri = targetUri(url), at;
  if (uri === '') return 'DIRECT';
  for (at = 0; at < GLOBS.length; at++) if (matches(GLOBS[at], uri)) return PROXY;
  return 'DIRECT';
}

function targetUri(url) {
  var found = /^http:\\/\\/([^\\/?#]+)([^#]*)/i.exec(url), authority, path;
  if (!found || found[1].indexOf('@') >= 0) return '';
  authority = found[1].toLowerCase().replace(/:(80)?$/, '');
  path = found[2].charAt(0) === '/' ? found[2] : '/' + found[2];
  if (isLocal(authority.replace(/:[0-9]+$/, ''))) return '';
  return 'http://' + authority + path.replace(/%[0-9a-f][0-9a-f]/gi, normalEscape);
}

function normalEscape(escape) {
  var character = String.fromCharCode(parseInt(escape.substring(1), 16));
  return /[A-Za-z0-9._~-]/.test(character) ? character : escape.toUpperCase();
}

function isLocal(host) {
  if (host.charAt(0) === '[') return host === '[::1]';
  host = host.replace(/[.]$/, '');
  return host.indexOf('.') < 0 || /[.]localhost$/.test(host) || /^127[.][0-9.]+$/.test(host);
}

function matches(glob, uri) {
  var text = glob[0] ? uri : uri.split('?')[0], threads = follow(glob, [1]), next, character, at, i;
  for (at = text.length - 1; at >= 0 && threads.length > 0; at--) {
    character = text.charAt(at);
    next = [];
    for (i = 0; i < threads.length; i++) if (takes(glob[threads[i]], character)) next.push(threads[i] + 1);
    threads = follow(glob, next);
  }
  for (i = 0; i < threads.length; i++) if (threads[i] === glob.length) return true;
  return false;
}

function takes(instruction, character) {
  if (typeof instruction === 'string') return instruction.indexOf(character) >= 0;
  return instruction !== undefined && instruction.not.indexOf(character) < 0;
}

function follow(glob, from) {
  var reached = {}, queue = from.slice(0), threads = [], at, i;
  while (queue.length > 0) {
    at = queue.pop();
    if (reached[at]) continue;
    reached[at] = true;
    if (at < glob.length && glob[at] instanceof Array)
      for (i = 0; i < glob[at].length; i++) queue.push(glob[at][i] + 1);
    else threads.push(at);
  }
  return threads;
}
`
