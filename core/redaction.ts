/** What logs and status may show of a URL. */

/** The URL without userinfo and query: either may be a credential. Any text is fine. */
export function withoutSecrets(url: string): string {
  return url.replace(/^((?:[a-z][\w+.-]*:)?\/\/)?[^/?#]*@/i, '$1').replace(/\?.*$/s, '?…')
}
