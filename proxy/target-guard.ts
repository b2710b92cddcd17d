/**
 * Where this node may connect on a user agent's behalf (V§4: open proxy, SSRF, DNS rebinding, loops).
 *
 * The address is judged after resolution, by the very lookup that the connection uses, so that a name cannot show
 * one address to a check and another to the connection.
 */
import { ADDRCONFIG, type LookupAddress, lookup as systemLookup } from 'node:dns'
import { isIPv4, type LookupFunction } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Fault } from '../core/fault.ts'
import { canonicalAddress, classify } from './address-class.ts'

/** A socket on which this node listens. `0.0.0.0` and `::` stand for every address of the machine. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

export interface GuardSettings {
  /** The proxy listens on loopback only: then its users are this machine's, and may reach what the machine may. */
  readonly loopbackOnly: boolean
  /** `auto`: any port while `loopbackOnly`, else 80 and 443. */
  readonly allowPorts: 'auto' | readonly number[]
  /** All of this node's listening sockets (3128, 6515, …); may be filled after listening has begun. */
  readonly own: readonly Endpoint[]
  /** The machine's addresses, for sockets that listen on all of them, and for names; default: what the system says at that moment. */
  readonly machineAddresses?: () => readonly string[]
}

/**
 * Judges the port, and the address when `host` is an IP literal in any spelling: no lookup happens for those. Names
 * are judged by `guardedLookup`.
 * @returns FORBIDDEN_TARGET, LOOP_DETECTED, or `undefined` when nothing speaks against it
 */
export function mayConnect(host: string, port: number, settings: GuardSettings): Fault | undefined {
  if (!allowsPort(port, settings)) return forbidden(`port ${port} of ${host} is not among the allowed ports`)
  const address = canonicalAddress(host)
  return address === undefined ? undefined : judgeAddress(address, port, settings)
}

/**
 * A `lookup` for `net.connect` that lets through only addresses that the guard allows.
 * @param port where the connection goes; without it this node's own sockets are not recognized behind a name
 * @param resolve stands in for the system's resolver in tests
 */
export function guardedLookup(
  settings: GuardSettings,
  port?: number,
  resolve: LookupFunction = systemLookup,
): LookupFunction {
  const find = findingLoopback(resolve, settings)
  return (hostname, options, callback) => {
    find(hostname, { ...options, all: true }, (error, found, family) => {
      if (error) return callback(error, '', 0)
      const addresses: LookupAddress[] =
        typeof found === 'string' ? [{ address: found, family: family ?? 0 }] : found
      const judged = addresses.map((each) => ({ each, fault: judgeResolved(each.address, port, settings) }))
      const allowed = judged.filter(({ fault }) => fault === undefined).map(({ each }) => each)
      const [first] = allowed
      if (!first) return callback(judged[0]?.fault ?? noAddress(hostname), '', 0)
      return options.all ? callback(null, allowed) : callback(null, first.address, first.family)
    })
  }
}

/**
 * Node asks for addresses of such kinds alone as the machine has (`ADDRCONFIG`), and loopback does not count: without any other IPv4
 * nothing is found behind a name that is at 127.0.0.1, as `localhost` is in many a hosts file. So IPv4 is asked for once more there, and
 * only where nothing was found: what cannot be reached is not to come along with what can, because Node leaves each address but the
 * last after 250 ms. Where there is IPv4 it stays as it is: some resolvers leave questions for IPv6 unanswered.
 */
function findingLoopback(resolve: LookupFunction, settings: GuardSettings): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, options, (error, ...found) => {
      const isAllAsked = ((options.hints ?? 0) & ADDRCONFIG) === 0
      if (!error || isAllAsked || hasIPv4(settings)) return callback(error, ...found)
      resolve(hostname, { ...options, family: 4, hints: 0 }, (again, ...more) =>
        again ? callback(error, ...found) : callback(null, ...more),
      )
    })
  }
}

/** Loopback aside. */
function hasIPv4({ machineAddresses: addresses = machineAddresses }: GuardSettings): boolean {
  return addresses().some((address) => isIPv4(address) && classify(address) !== 'loopback')
}

/**
 * Judges a target with its name resolved, before anything is done for whoever asks. The connection judges once more what it
 * resolves itself. A name without an address is not refused here: nothing is behind it.
 * @param resolve stands in for the system's resolver in tests
 */
export function judgeTarget(
  { hostname, port: written }: URL,
  settings: GuardSettings,
  resolve: LookupFunction = systemLookup,
): Promise<Fault | undefined> {
  const port = Number(written || 80)
  const fault = mayConnect(hostname, port, settings)
  if (fault !== undefined || canonicalAddress(hostname) !== undefined) return Promise.resolve(fault)
  return new Promise((done) => {
    guardedLookup(settings, port, resolve)(hostname, { all: true }, (error: unknown) => {
      const isRefused = error instanceof Fault && error.code !== 'DNS_FAILED'
      done(isRefused ? error : undefined)
    })
  })
}

function noAddress(hostname: string): Fault {
  return new Fault('DNS_FAILED', `${hostname} has no address`)
}

function judgeResolved(
  address: string,
  port: number | undefined,
  settings: GuardSettings,
): Fault | undefined {
  return judgeAddress(canonicalAddress(address) ?? address, port, settings)
}

function judgeAddress(address: string, port: number | undefined, settings: GuardSettings): Fault | undefined {
  const kind = classify(address)
  if (port !== undefined && isOwn(address, port, settings)) {
    return new Fault('LOOP_DETECTED', `${address} port ${port} is this node itself`)
  }
  switch (kind) {
    case 'public':
      return undefined
    case 'loopback':
    case 'private':
      return settings.loopbackOnly
        ? undefined
        : forbidden(`${address} is a ${kind} address, and this proxy serves other machines`)
    case 'forbidden':
      return forbidden(`${address} is a link-local, metadata, multicast or reserved address`)
  }
}

function isOwn(address: string, port: number, settings: GuardSettings): boolean {
  return settings.own.some((own) => own.port === port && covers(own.address, address, settings))
}

function covers(listening: string, address: string, settings: GuardSettings): boolean {
  const canonical = canonicalAddress(listening)
  if (canonical === address) return true
  if (canonical !== '0.0.0.0' && canonical !== '::') return false
  // Connecting to the unspecified address reaches this machine.
  if (classify(address) === 'loopback' || address === '0.0.0.0' || address === '::') return true
  return (settings.machineAddresses ?? machineAddresses)().includes(address)
}

function machineAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.flatMap(({ address }) => canonicalAddress(address) ?? [])
}

function allowsPort(port: number, { allowPorts, loopbackOnly }: GuardSettings): boolean {
  if (port < 1 || port > 65_535) return false
  if (allowPorts !== 'auto') return allowPorts.includes(port)
  return loopbackOnly || port === 80 || port === 443
}

function forbidden(reason: string): Fault {
  return new Fault('FORBIDDEN_TARGET', reason)
}
