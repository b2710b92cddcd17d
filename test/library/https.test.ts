import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import forge from 'node-forge'
import { embed } from '../../library/embed.ts'
import type { Session } from '../../library/session.ts'
import { Scene } from '../clients/harness.ts'
import { Origin, sha256 } from '../clients/origin.ts'
import { fault } from './sessions.ts'

/** For `localhost`, signed by itself. */
function certificate() {
  const keys = forge.pki.rsa.generateKeyPair(2048)
  const made = forge.pki.createCertificate()
  made.publicKey = keys.publicKey
  made.validity.notBefore = new Date(Date.now() - 3_600_000)
  made.validity.notAfter = new Date(Date.now() + 3_600_000)
  const names = [{ name: 'commonName', value: 'localhost' }]
  made.setSubject(names)
  made.setIssuer(names)
  made.setExtensions([
    { name: 'basicConstraints', cA: true },
    { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
  ])
  made.sign(keys.privateKey, forge.md.sha256.create())
  return { cert: forge.pki.certificateToPem(made), key: forge.pki.privateKeyToPem(keys.privateKey) }
}

describe('a file from an https: URL', () => {
  const scene = new Scene()
  const trusted = getCACertificates('default')
  const identity = certificate()
  let origin: Origin
  let session: Session
  let base = ''

  before(async () => {
    const server = createServer(identity)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    scene.ending(() => {
      server.close()
      server.closeAllConnections()
    })
    origin = new Origin(server)
    base = `https://localhost:${(server.address() as AddressInfo).port}`
    session = await embed({ settings: { peering: { enabled: false } } })
    scene.ending(() => session.close())
  })
  after(async () => {
    setDefaultCACertificates(trusted)
    await scene.close()
  })

  test('is not taken from a server that nobody vouches for', async () => {
    origin.put('/file', { body: Buffer.from('encrypted') })
    await assert.rejects(session.get(`${base}/file`), (error) => {
      assert.ok(error instanceof Error && /certificate|self-signed/i.test(error.message), String(error))
      return true
    })
    assert.equal(origin.requests.length, 0)
  })

  test('comes through the node, by URL and by content', async () => {
    setDefaultCACertificates([...trusted, identity.cert])
    const body = Buffer.from('encrypted')
    origin.put('/file', { body })
    assert.equal(await (await session.get(`${base}/file`)).text(), 'encrypted')
    const digest = `sha-256:${sha256(body)}`
    assert.equal(await (await session.get(`${base}/file`, { digest })).text(), 'encrypted')
  })

  test('is not followed to where everybody could change it', async () => {
    const plain = await Origin.start(scene)
    const target = plain.put('/plain', { body: Buffer.from('plain') })
    origin.put('/away', { status: 302, body: Buffer.alloc(0), fields: { Location: target } })
    await assert.rejects(session.get(`${base}/away`), fault('RESPONSE_INVALID', /from https to http/))
    const digest = `sha-256:${sha256(Buffer.from('plain'))}`
    assert.equal(await (await session.get(`${base}/away`, { digest })).text(), 'plain')
  })
})
