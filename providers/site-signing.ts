/** A site's members sign and verify results. */
import { ED25519, type MemberId } from '../site/keys.ts'
import type { Membership } from '../site/membership.ts'
import type { Signing } from './result.ts'

/** @param membership at this moment: a machine joins and leaves while its node runs. */
export function siteSigning(membership: () => Membership | undefined): Signing {
  const publicKeyOf = (member: string) => membership()?.passOf(member as MemberId)?.publicKey
  return {
    get member() {
      return membership()?.id
    },
    sign(text) {
      const own = membership()
      if (own === undefined) return ''
      return ED25519.sign(Buffer.from(`${own.site}\n${text}`), own.key.key).toString('base64url')
    },
    verify(member, text, signature) {
      const [own, key] = [membership(), publicKeyOf(member)]
      if (own === undefined || key === undefined) return false
      return ED25519.verify(Buffer.from(`${own.site}\n${text}`), key, Buffer.from(signature, 'base64url'))
    },
    passOf: (member) => membership()?.passOf(member as MemberId)?.text,
    learn: (pass) => void membership()?.learn(pass),
    isGood: (member) => publicKeyOf(member) !== undefined,
  }
}
