/** Queries that look like a credential: signed, expiring or personal URLs (V§3). It would rather err than leak. */

/** Names of query parameters, in lower case, that are credentials or belong to a signed URL. */
const CREDENTIAL_NAMES = new Set(
  [
    'sig sign mac md5 hash key keyid key-pair-id policy ticket code otp pin',
    'expires expire expiry exp user username login pass pwd pw sid email license licence verify',
    // Azure shared access signatures.
    'se sp sv sr st ss srt spr sip ske skt sks skv skoid sktid',
    // Akamai edge tokens.
    'hdnea hdnts hdntl __gda__',
  ].flatMap((line) => line.split(' ')),
)

const CREDENTIAL_PREFIX = /^x-(?:amz|goog|oss|cos|ms|obs)-/

const CREDENTIAL_WORD =
  /token|secret|passw|credential|signature|session|auth|jwt|hmac|api[-_.]?key|access[-_.]?key|(?:key|sig)$/

/** A long word of letters and digits that no person would have written: a key or a signature by another name. */
const OPAQUE_VALUE = /^(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+/_=-]{32,}$/

/** The beginning of every JSON Web Token: `{"` in base64url. */
const JSON_WEB_TOKEN = /^eyJ/

/**
 * What in a query looks like a credential: the parameter's name, `'a bare word'` where the name is the secret,
 * `'unreadable'` where the encoding is wrong; `undefined` when nothing does.
 * @param query with or without its question mark.
 */
export function credentialInQuery(query: string): string | undefined {
  for (const parameter of query.replace(/^\?/, '').split(/[&;]/)) {
    const decoded = decode(parameter)
    if (decoded === undefined) return 'unreadable'
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(decoded) ?? []
    if (isCredentialValue(name)) return 'a bare word'
    if (isCredentialName(name.toLowerCase()) || isCredentialValue(value)) return name
  }
  return undefined
}

/** The same for parameters of path segments (RFC 3986 3.3): `/file;jsessionid=…`. */
export function credentialInPath(path: string): string | undefined {
  const parameters = path.split('/').flatMap((segment) => segment.split(';').slice(1))
  return credentialInQuery(parameters.filter((each) => each.includes('=')).join('&'))
}

function isCredentialName(name: string): boolean {
  return CREDENTIAL_NAMES.has(name) || CREDENTIAL_PREFIX.test(name) || CREDENTIAL_WORD.test(name)
}

function isCredentialValue(value: string): boolean {
  return OPAQUE_VALUE.test(value) || JSON_WEB_TOKEN.test(value)
}

function decode(parameter: string): string | undefined {
  try {
    return decodeURIComponent(parameter)
  } catch {
    return undefined
  }
}
