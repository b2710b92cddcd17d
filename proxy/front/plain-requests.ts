/**
 * What the proxy does with a plain request, decided by `checkRequest` like everything else: the half that the fields
 * decide is remembered by header section, the half that the target decides by target.
 */
import type { Socket } from 'node:net'
import { LRUCache } from 'lru-cache'
import { endToEndFields, fieldValue, fieldValues, type Fields } from '../../core/fields.ts'
import { withoutSecrets } from '../../core/redaction.ts'
import { requestedUri, type TargetUri } from '../../core/target-uri.ts'
import type { ResourceRequest } from '../../retrieval/resource.ts'
import { checkFields, checkTarget, type CheckSettings, type ReceivedHead } from '../request-check.ts'
import { viaLine } from '../via.ts'
import { SeenBefore } from './seen-before.ts'
import type { HeaderSection, PlainHead } from './request-reader.ts'

/** A request that is to be proxied, as far as it does not depend on its connection's end. */
export interface PlainRequest extends Omit<ResourceRequest, 'signal'> {
  /** For the log. */
  readonly shownUrl: string
  /** The user agent's address. */
  readonly address: string
  readonly accept: string | undefined
  readonly keepsAlive: boolean
}

export interface PlainRequestSettings {
  readonly pseudonym: string
  readonly checks: (socket: Socket) => CheckSettings
}

/** What a header section comes to. */
interface Asking {
  readonly isRefused: boolean
  readonly forwarded: Fields
  readonly agent: string
  readonly accept: string | undefined
}

/** What a target comes to, where it is not this node's own. */
interface Target {
  readonly uri: TargetUri
  readonly shownUrl: string
}

/** Targets that are remembered for each address of this node, about 1 kB each. */
const REMEMBERED_TARGETS = 2_048
/** And servers. */
const REMEMBERED_ORIGINS = 256

export class PlainRequests {
  readonly #settings: PlainRequestSettings
  readonly #askings = new WeakMap<HeaderSection, Asking>()
  /** By this node's address on the connection: which authorities are its own depends on it. */
  readonly #seen = new SeenBefore()
  readonly #origins = new Map<string, LRUCache<string, string>>()
  readonly #targets = new Map<string, LRUCache<string, Target>>()

  constructor(settings: PlainRequestSettings) {
    this.#settings = settings
  }

  /** @returns `undefined` for what is refused or is for this node itself: node:http answers those. */
  accept({ method, target, section }: PlainHead, socket: Socket): PlainRequest | undefined {
    const asking = this.#askings.get(section) ?? this.#ask(section)
    if (asking.isRefused) return undefined
    const known = this.#simple(target, section, socket) ?? this.#find(target, section, socket)
    if (known === undefined) return undefined
    const address = socket.remoteAddress ?? ''
    return {
      method,
      target,
      uri: known.uri,
      shownUrl: known.shownUrl,
      received: section.fields,
      forwarded: asking.forwarded,
      accept: asking.accept,
      address,
      client: `${address}|${asking.agent}`,
      keepsAlive: section.keepsAlive,
    }
  }

  #ask(section: HeaderSection): Asking {
    const { fields } = section
    const { pseudonym } = this.#settings
    const asking = {
      isRefused: checkFields(headOf('', fields), { pseudonym }) !== undefined,
      forwarded: [...endToEndFields(fields), viaLine('1.1', pseudonym)],
      agent: encodeURIComponent(fieldValues(fields, 'user-agent')[0] ?? '').slice(0, 200),
      accept: fieldValue(fields, 'accept'),
    }
    this.#askings.set(section, asking)
    return asking
  }

  /** A target without a query, and without anything that is written otherwise in a normal URI, of a known server. */
  #simple(target: string, section: HeaderSection, socket: Socket): Target | undefined {
    const [, authority, path] = SIMPLE.exec(target) ?? []
    if (authority === undefined || path === undefined || path.includes('/.')) return undefined
    const origin = this.#originsAt(socket).get(authority) ?? this.#originOf(authority, section, socket)
    return origin === undefined ? undefined : { uri: (origin + path) as TargetUri, shownUrl: target }
  }

  /** What the URIs of a server begin with. @returns `undefined` where it is this node itself, or none. */
  #originOf(authority: string, section: HeaderSection, socket: Socket): string | undefined {
    const root = this.#find(`${authority}/`, section, socket)
    if (root === undefined) return undefined
    const origin = root.uri.slice(0, -1)
    this.#originsAt(socket).set(Buffer.from(authority, 'latin1').toString('latin1'), origin)
    return origin
  }

  #find(target: string, section: HeaderSection, socket: Socket): Target | undefined {
    return this.#targetsAt(socket).get(target) ?? this.#decide(target, section, socket)
  }

  #decide(target: string, { fields }: HeaderSection, socket: Socket): Target | undefined {
    const decision = checkTarget(headOf(target, fields), this.#settings.checks(socket))
    if (decision.kind !== 'proxy') return undefined
    const url = decision.target
    const uri = requestedUri(url, target) ?? (url.href as TargetUri)
    // A slice of a string keeps the whole of it in memory, so what may be kept is a copy.
    const copy = Buffer.from(target, 'latin1').toString('latin1')
    const found = { uri, shownUrl: withoutSecrets(copy) }
    if (this.#seen.again(target)) this.#targetsAt(socket).set(copy, found)
    return found
  }

  #targetsAt(socket: Socket): LRUCache<string, Target> {
    return at(this.#targets, socket, REMEMBERED_TARGETS)
  }

  #originsAt(socket: Socket): LRUCache<string, string> {
    return at(this.#origins, socket, REMEMBERED_ORIGINS)
  }
}

/** What is remembered for this node's address on the connection. */
function at<Value extends object | string>(
  all: Map<string, LRUCache<string, Value>>,
  { localAddress = '' }: Socket,
  max: number,
): LRUCache<string, Value> {
  const known = all.get(localAddress)
  if (known !== undefined) return known
  const made = new LRUCache<string, Value>({ max })
  all.set(localAddress, made)
  return made
}

/** The characters of a path that every URI has in the same spelling. */
const SIMPLE = /^(http:\/\/[^/?]+)(\/[\w~+,;=:@/.-]*)$/

function headOf(target: string, fields: Fields): ReceivedHead {
  return { method: 'GET', target, version: '1.1', fields }
}
