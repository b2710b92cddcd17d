import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeCabinet } from '../../signing/cabinet/write.ts'
import { checkAuthenticode } from '../../signing/authenticode.ts'
import { readDerPrefix, elementsOf, type Der } from '../../signing/der.ts'
import { Refusal } from '../../signing/refusal.ts'
import { signCabinet } from '../../signing/sign.ts'
import { NOW, publisher } from './signers.ts'

const WHO = publisher('p256')
const FILE = signCabinet(writeCabinet([{ name: 'a', bytes: Buffer.from('a') }], 'store', NOW), WHO.identity)
const POSITION = FILE.readUInt32LE(44)
const SIGNATURE = readDerPrefix(FILE.subarray(POSITION))

const OTHER = publisher('p256', 'Somebody Else').identity.certificate.der
const MESSAGE = element(0x04, Buffer.from('a message'))

/** What somebody could try to hide in a signature. */
const HIDDEN: readonly (readonly [string, Buffer])[] = [
  ['an octet string', MESSAGE],
  ['a certificate', OTHER],
  ['lists of revocation', element(0xa1, MESSAGE)],
  ['an unsigned attribute', element(0x30, element(0x06, Buffer.from([42, 3, 4])), element(0x31, MESSAGE))],
  [
    'unsigned attributes',
    element(0xa1, element(0x30, element(0x06, Buffer.from([42, 3, 4])), element(0x31, MESSAGE))),
  ],
]

function element(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content])
  const size =
    content.length < 0x100 ? [0x81, content.length] : [0x82, content.length >> 8, content.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

/** The structure with `hidden` at every place where it could stand, one after the other. */
function* hiding(der: Der, hidden: Buffer): Generator<Buffer> {
  if ((der.tag & 0x20) === 0) return
  const children = elementsOf(der)
  for (let at = 0; at <= children.length; at++) {
    const whole = children.map((child) => child.whole)
    yield element(der.tag, ...whole.toSpliced(at, 0, hidden))
    const child = children[at]
    if (child)
      for (const other of hiding(child, hidden)) yield element(der.tag, ...whole.toSpliced(at, 1, other))
  }
}

/** The cabinet with another signature in the place of its own. */
function withSignature(signature: Buffer): Buffer {
  const padded = Buffer.concat([signature, Buffer.alloc(-signature.length & 7)])
  const file = Buffer.concat([FILE.subarray(0, POSITION), padded])
  file.writeUInt32LE(padded.length, 48)
  return file
}

/** Whether the file is refused, or what is hidden in it is named. */
function isFoundOut(file: Buffer): boolean {
  try {
    return checkAuthenticode(file, WHO.trust, NOW).loose.length > 0
  } catch (error) {
    if (error instanceof Refusal) return true
    throw error
  }
}

test('a signature as it was made holds nothing that is not accounted for', () => {
  assert.deepEqual(checkAuthenticode(withSignature(SIGNATURE.whole), WHO.trust, NOW).loose, [])
})

for (const [what, hidden] of HIDDEN)
  test(`${what} put into a signature, at whatever place, is found`, () => {
    let places = 0
    for (const signature of hiding(SIGNATURE, hidden)) {
      places++
      assert.ok(isFoundOut(withSignature(signature)), signature.toString('hex'))
    }
    assert.ok(places > 150, `${places} places`)
  })

test('what is hidden is named, although the signature itself is right', () => {
  const named = HIDDEN.flatMap(([, hidden]) =>
    [...hiding(SIGNATURE, hidden)].flatMap((signature) => {
      try {
        return checkAuthenticode(withSignature(signature), WHO.trust, NOW).loose
      } catch {
        return []
      }
    }),
  )
  assert.deepEqual(
    new Set(named),
    new Set(['a certificate of "Somebody Else"', 'lists of revocation', 'an attribute 1.2.3.4']),
  )
})
