/**
 * Where a function may be performed: the one rule for those who offer a place and for those who believe it. Nobody is sent to
 * another machine than the provider's own, nor to where a packet of text does harm.
 */
const LOCATION = /^http:\/\/(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}))?(?:\/[!-~]{0,150})?$/

/** The address in a location; `undefined` for what is no place on a LAN: names, credentials, ports that other services have. */
export function addressOf(location: string): string | undefined {
  const [, address, port = '80'] = LOCATION.exec(location) ?? []
  const isPort = port === '80' || (Number(port) >= 1024 && Number(port) <= 65_535)
  return address !== undefined && isPort && URL.canParse(location) ? address : undefined
}

/** @param address of the provider on the LAN, from where its packets come. @returns why nobody believes the place. */
export function placeFault(location: string, address: string): string | undefined {
  if (addressOf(location) === address) return undefined
  return (
    `expected http://${address}:PORT/…, with port 80 or 1024 and above and a path of at most 150 characters: ` +
    'nobody on the LAN believes another place of this machine'
  )
}
