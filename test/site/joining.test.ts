import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync, chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { seededRandom } from '../../core/random.ts'
import type { Address } from '../../core/transport.ts'
import { Fault } from '../../core/fault.ts'
import type { Extras, ApplicationPacket, PresencePacket } from '../../peering/packets.ts'
import type { SiteWord } from '../../peering/peering.ts'
import { MAX_EXCHANGES } from '../../site/admission.ts'
import { newAuthorityKey } from '../../site/keys.ts'
import { newBox } from '../../site/sealed.ts'
import { siteFiles, siteMemory, type SiteFiles } from '../../site/site-files.ts'
import { ASK_AGAIN_MS, LOOK_MS, Site } from '../../site/site.ts'
import { PASS_MS } from '../../site/pass.ts'
import { printToken, readToken, type Token } from '../../site/token.ts'
import { manualClock, type ManualClock } from '../manual-clock.ts'

const HOUR_MS = 3_600_000

/** Says what its machines say; `tap` may change it, or keep it (`undefined`). */
class Wire {
  readonly clock: ManualClock = manualClock()
  readonly said: { readonly from: Address; readonly name: string; readonly extras: Extras }[] = []
  tap: (name: string, extras: Extras, from: Address) => Extras | undefined = (_, extras) => extras
  readonly #sites = new Map<Address, Site>()

  async machine(number: number, files: SiteFiles = siteMemory()): Promise<Site> {
    const address = `10.0.0.${number}` as Address
    const site = new Site(
      { address: () => address, clearQuestions: false },
      { clock: this.clock, random: seededRandom(number), files, log: () => {} },
    )
    await site.load()
    this.#sites.set(address, site)
    site.start({
      say: (name, extras, to) => this.#say(address, name, extras, to),
      sayLeaving: () => {},
      sayPresence: () => this.presence(address),
      fetch: async (url) =>
        this.#sites.get(new URL(url).hostname as Address)?.document(new URL(url).pathname),
      onRenamed: () => {},
    })
    return site
  }

  /** The member at this address is heard by all others. */
  presence(from: Address): void {
    const site = this.#sites.get(from)
    const extras = site?.seal.presence() ?? []
    const packet = { type: 'presence', filePort: 6515, extras } as unknown as PresencePacket
    this.#deliver(from, packet, undefined)
  }

  #say(from: Address, name: string, extras: Extras, to?: Address): void {
    this.said.push({ from, name, extras })
    const passed = this.tap(name, extras, from)
    if (passed === undefined) return
    this.#deliver(from, { type: 'application', name, extras: passed } as ApplicationPacket, to)
  }

  /** Signed as its sender signs: what a wire cannot fake is tested with the seal. */
  #deliver(from: Address, packet: ApplicationPacket | PresencePacket, to: Address | undefined): void {
    const document = Buffer.from('<service/>')
    const sealed = this.#sites.get(from)?.seal.seal(document) ?? document
    for (const [address, site] of this.#sites) {
      if (address === from || (to !== undefined && address !== to)) continue
      const opened = site.seal.open(sealed, from)
      const signer = opened.isSigned
        ? opened.signer(packet.extras)
        : ({ kind: 'stranger', reason: '' } as const)
      site.hear({ packet, from, signer, bytes: 1000 })
    }
  }

  async settle(rounds = 30, stepMs = 200): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      await setImmediate()
      this.clock.advance(stepMs)
    }
    await setImmediate()
  }

  async joined(site: Site, token: string, name: string): Promise<unknown> {
    const joining = site.join(token, name).catch((error: unknown) => error)
    await this.settle()
    return joining
  }
}

/** A question by a token's number alone, with a nonce and a box of its own. */
function overheard({ id, authority }: Token, from: Address): SiteWord {
  const extras: Extras = [
    ['n', randomBytes(16).toString('hex')],
    ['site', authority.slice(0, 32)],
    ['token', id],
    ['box', newBox().publicKey],
  ]
  const packet = { type: 'application', name: 'site-join', extras } as ApplicationPacket
  return { packet, from, signer: { kind: 'stranger', reason: 'unsigned' }, bytes: 1000 }
}

async function home(files: SiteFiles = siteMemory()) {
  const wire = new Wire()
  wire.clock.advance(1_000_000)
  const first = await wire.machine(1, files)
  const token = await first.init('home', 'first', HOUR_MS, 2)
  return { wire, first, token, second: await wire.machine(2) }
}

describe('joining a site', () => {
  test('gives a pass and the secret, and the token is used up', async () => {
    const { wire, first, token, second } = await home()
    assert.equal(await wire.joined(second, token, 'second'), undefined)
    assert.equal(second.secret?.key, first.secret?.key)
    assert.deepEqual(
      first.status()?.members.map(({ name }) => name),
      ['first', 'second'],
    )
    // Elsewhere members are listed as they are heard: presence brings their passes.
    second.membership?.learn(first.membership?.pass.text ?? '')
    assert.deepEqual(
      second
        .status()
        ?.members.map(({ name, isRevoked }) => [name, isRevoked])
        .toSorted(),
      [
        ['first', false],
        ['second', false],
      ],
    )
    await wire.joined(await wire.machine(3), token, 'third')
    const fourth = await wire.joined(await wire.machine(4), token, 'fourth')
    assert.match(String(fourth), /the token is used/)
  })

  test('works although a third of the packets is lost', async () => {
    const { wire, token, second } = await home()
    const chance = seededRandom(7)
    wire.tap = (_, extras) => (chance.fraction() < 0.33 ? undefined : extras)
    assert.equal(await wire.joined(second, token, 'second'), undefined)
    assert.equal(second.status()?.name, 'home')
  })

  test('a lost answer does not use the token twice', async () => {
    const { wire, first, token, second } = await home()
    let lost = 0
    wire.tap = (name, extras) => (name === 'site-pass' && lost++ < 2 ? undefined : extras)
    assert.equal(await wire.joined(second, token, 'second'), undefined)
    assert.equal(first.backup().tokens[0]?.uses, 1)
  })

  test('a token that has expired lets nobody in', async () => {
    const { wire, token, second } = await home()
    wire.clock.advance(HOUR_MS)
    assert.match(String(await wire.joined(second, token, 'second')), /expired/)
  })

  test('whoever knows the token’s number but not its secret stays out', async () => {
    const { wire, first, token, second } = await home()
    const read = readToken(token)
    assert.ok(read)
    const guessed = printToken({ ...read, secret: '00'.repeat(16) })
    assert.ok((await wire.joined(second, guessed, 'second')) instanceof Fault)
    assert.equal(first.status()?.members.length, 1)
  })

  for (const [whose, addresses] of [
    ['one address', 1],
    ['more addresses than there are places', MAX_EXCHANGES + 1],
  ] as const)
    test(`whoever floods it from ${whose} by a token’s number that was overheard keeps nobody out`, async () => {
      const { wire, first, token, second } = await home()
      const read = readToken(token)
      assert.ok(read)
      const flood = () => {
        for (let place = 0; place <= MAX_EXCHANGES; place++)
          first.hear(overheard(read, `10.0.1.${place % addresses}` as Address))
      }
      flood()
      let exchanges = 0
      // Of each exchange the first packet on each way is followed by a flood.
      wire.tap = (name, extras) => {
        if (name === 'site-join' && exchanges++ < 2) flood()
        return extras
      }
      assert.equal(await wire.joined(second, token, 'second'), undefined)
      assert.equal(second.status()?.name, 'home')
    })

  test('an exchange that a flood of many addresses has driven out is begun anew', async () => {
    const { wire, first, token, second } = await home()
    const read = readToken(token)
    assert.ok(read)
    let floods = 0
    wire.tap = (name, extras) => {
      if (name === 'site-proof' && floods++ === 0)
        for (let place = 0; place <= MAX_EXCHANGES; place++)
          first.hear(overheard(read, `10.0.1.${place}` as Address))
      return extras
    }
    assert.equal(await wire.joined(second, token, 'second'), undefined)
    assert.ok(wire.said.filter(({ name }) => name === 'site-join').length > 1, 'nothing was driven out')
  })

  test('another authority cannot answer for the one of the token', async () => {
    const { wire, token, second } = await home()
    const other = newAuthorityKey().publicKey
    wire.tap = (name, extras) =>
      name === 'site-welcome' ? extras.map(([n, value]) => [n, n === 'key' ? other : value]) : extras
    assert.ok((await wire.joined(second, token, 'second')) instanceof Fault)
  })

  for (const [packet, word] of [
    ['site-join', 'box'],
    ['site-welcome', 'challenge'],
    ['site-welcome', 'box'],
    ['site-welcome', 'signature'],
    ['site-proof', 'key'],
    ['site-proof', 'name'],
    ['site-proof', 'proof'],
    ['site-pass', 'sealed'],
    ['site-pass', 'pass'],
  ] as const)
    test(`one in the middle who changes "${word}" of ${packet} lets nobody in`, async () => {
      const { wire, token, second } = await home()
      const changed = (value: string) => (value.startsWith('A') ? 'B' : 'A') + value.slice(1)
      wire.tap = (name, extras) =>
        name === packet ? extras.map(([n, value]) => [n, n === word ? changed(value) : value]) : extras
      assert.ok((await wire.joined(second, token, 'second')) instanceof Fault)
      assert.equal(second.status(), undefined)
    })

  test('a token with a slip of the hand is told as such', async () => {
    const { second, token } = await home()
    for (const changed of [`${token.slice(0, -9)}x${token.slice(-8)}`, `${token}A`, `${token}=`, `${token}.`])
      await assert.rejects(second.join(changed, 'second'), /unchanged/)
    assert.ok(readToken(` ${token}\n`), 'white space around it does not count')
  })
})

describe('a site keeps itself in order', () => {
  test('a pass is renewed at half of its time, by asking the authority', async () => {
    const { wire, first, token, second } = await home()
    await wire.joined(second, token, 'second')
    const before = second.status()?.passUntil ?? 0
    wire.presence('10.0.0.1' as Address)
    wire.clock.advance(PASS_MS / 2)
    for (let hour = 0; hour < 3; hour++) {
      wire.clock.advance(LOOK_MS * 1.1)
      await wire.settle(3, 10)
    }
    assert.ok((second.status()?.passUntil ?? 0) > before)
    assert.ok((first.status()?.passUntil ?? 0) > before)
  })

  test('a revoked member is told of, does not get the new secret, and the list never goes back', async () => {
    const { wire, first, token, second } = await home()
    const third = await wire.machine(3)
    await wire.joined(second, token, 'second')
    await wire.joined(third, token, 'third')
    await first.revoke('second')
    wire.clock.advance(ASK_AGAIN_MS)
    wire.presence('10.0.0.1' as Address)
    await wire.settle(5, 10)
    assert.deepEqual([third.status()?.epoch, third.status()?.denied], [2, 1])
    assert.deepEqual([second.status()?.epoch, second.status()?.isRevoked], [1, true])
    // Also the third, which the first is not asked for, tells nothing to it.
    wire.clock.advance(ASK_AGAIN_MS)
    wire.presence('10.0.0.3' as Address)
    await wire.settle(5, 10)
    assert.equal(second.status()?.epoch, 1)
    await assert.rejects(first.revoke('nobody'), /expected one member, 0/)
  })

  test('who is revoked does not come back by the token that it came by, nor anybody else by one that was open', async () => {
    const files = siteMemory()
    const { wire, first, token, second } = await home(files)
    await wire.joined(second, token, 'second')
    const other = await first.invite(HOUR_MS, 5)
    assert.equal((await first.revoke('second')).voided, 2)
    await second.leave()
    const why = /the token is void, because a member was revoked after it was made; "ihave site invite" makes/
    assert.match(String(await wire.joined(second, token, 'second')), why)
    assert.match(String(await wire.joined(second, other, 'second')), why)
    // Also after a restart, and among the invitations that come later.
    const restarted = await wire.machine(1, files)
    const another = await restarted.invite(HOUR_MS, 1)
    assert.match(String(await wire.joined(second, token, 'second')), why)
    assert.equal(second.status(), undefined)
    assert.equal(await wire.joined(await wire.machine(3), another, 'third'), undefined)
    // What is used up, or void already, is not counted once more.
    assert.equal((await restarted.revoke('third')).voided, 0)
  })

  test('the machine that has the authority tells which invitations are open, and nobody else does', async () => {
    const { wire, first, token, second } = await home()
    const left = () => first.status()?.invitations?.map(({ uses }) => uses)
    await first.invite(HOUR_MS, 5)
    assert.deepEqual(left(), [2, 5])
    assert.doesNotMatch(JSON.stringify(first.status()), new RegExp(token.slice(-16)))
    await wire.joined(second, token, 'second')
    assert.deepEqual(left(), [1, 5])
    assert.equal(second.status()?.invitations, undefined)
    await first.revoke('second')
    assert.deepEqual(left(), [])
    await first.invite(HOUR_MS, 3)
    assert.deepEqual(left(), [3])
    wire.clock.advance(HOUR_MS + 1)
    assert.deepEqual(left(), [])
  })

  test('whoever is in the middle of joining when a member is revoked stays out as well', async () => {
    const { wire, first, token, second } = await home()
    const third = await wire.machine(3)
    await wire.joined(second, token, 'second')
    let revoked: Promise<unknown> | undefined
    wire.tap = (name, extras, from) => {
      if (name !== 'site-proof' || from !== '10.0.0.3') return extras
      revoked ??= first.revoke('second')
      return undefined
    }
    const joining = wire.joined(third, token, 'third')
    await wire.settle(3)
    await revoked
    wire.tap = (_, extras) => extras
    assert.match(String(await joining), /the token is void/)
    assert.deepEqual(
      first.status()?.members.map(({ name }) => name),
      ['first', 'second'],
    )
  })

  test('void invitations are void in a backup, too', async () => {
    const { wire, first, token, second } = await home()
    await wire.joined(second, token, 'second')
    await first.revoke('second')
    assert.deepEqual(
      first.backup().tokens.map(({ uses, isVoid }) => [uses, isVoid]),
      [[0, true]],
    )
    const heir = await wire.machine(4)
    const record = first.backup()
    await first.leave(true)
    await heir.restore(record, 'heir')
    await second.leave()
    assert.match(String(await wire.joined(second, token, 'second')), /the token is unknown/)
  })

  test('who is revoked already is told as such, by name and by ID, and a new member of the name is not meant', async () => {
    const { wire, first, token, second } = await home()
    await wire.joined(second, token, 'second')
    const { id } = await first.revoke('second')
    const denyList = first.status()?.denyList
    for (const who of ['second', id, id.slice(0, 12)])
      await assert.rejects(first.revoke(who), new RegExp(`second \\(${id}\\) is revoked already`))
    assert.equal(first.status()?.denyList, denyList)
    await second.leave()
    await wire.joined(second, await first.invite(HOUR_MS, 1), 'second')
    assert.notEqual((await first.revoke('second')).id, id)
    await assert.rejects(first.revoke('second'), /second \(.*\), second \(.*\) are revoked already/)
    await assert.rejects(first.revoke(''), /expected one member, 0/)
  })

  test('a member that was away gets list and secret from any other, without the authority', async () => {
    const { wire, first, token, second } = await home()
    const third = await wire.machine(3)
    await wire.joined(second, token, 'second')
    await wire.joined(third, token, 'third')
    const backup = first.backup()
    await first.leave(true)
    const heir = await wire.machine(4)
    await heir.restore(backup, 'heir')
    wire.tap = () => undefined
    await heir.revoke('third')
    assert.deepEqual([heir.status()?.epoch, second.status()?.epoch], [2, 1])
    wire.tap = (_, extras) => extras
    wire.clock.advance(ASK_AGAIN_MS)
    wire.presence('10.0.0.4' as Address)
    await wire.settle(5, 10)
    assert.equal(second.status()?.epoch, 2)
  })

  test('what was revoked after a backup stays revoked when a member restores it', async () => {
    const { wire, first, token, second } = await home()
    await wire.joined(second, token, 'second')
    await wire.joined(await wire.machine(3), token, 'third')
    const backup = first.backup()
    await first.revoke('third')
    wire.clock.advance(ASK_AGAIN_MS)
    wire.presence('10.0.0.1' as Address)
    await wire.settle(5, 10)
    await second.restore(backup, 'second')
    assert.equal(second.backup().denyNumber, 1)
    assert.equal(second.backup().secret.epoch, 2)
  })
})

describe('an authority that was restored from a backup', () => {
  async function heirAmongLaterMembers() {
    const { wire, first, token, second } = await home()
    const backup = first.backup()
    const third = await wire.machine(3)
    await wire.joined(third, token, 'third')
    await wire.joined(second, token, 'second')
    await second.restore(backup, 'second')
    return { wire, first, token, second, third }
  }
  const listed = (site: Site) =>
    site.status()?.members.map(({ name, isLearnt }) => `${name}${isLearnt === true ? '+' : ''}`)

  test('lists itself and those who were let in later, when they are heard', async () => {
    const { wire, second } = await heirAmongLaterMembers()
    assert.deepEqual(listed(second), ['first', 'second+'])
    wire.presence('10.0.0.3' as Address)
    await wire.settle(2, 10)
    assert.deepEqual(listed(second), ['first', 'second+', 'third+'])
  })

  test('throws such a member out, by its name', async () => {
    const { wire, second, third } = await heirAmongLaterMembers()
    wire.presence('10.0.0.3' as Address)
    await wire.settle(2, 10)
    await second.revoke('third')
    wire.clock.advance(ASK_AGAIN_MS)
    wire.presence('10.0.0.2' as Address)
    await wire.settle(5, 10)
    assert.equal(third.status()?.isRevoked, true)
  })

  test('throws out a member that was never heard, by its whole ID and no less', async () => {
    const { second, third } = await heirAmongLaterMembers()
    const id = third.status()?.member ?? ''
    await assert.rejects(second.revoke(id.slice(0, 31)), /all 32 digits of its ID/)
    assert.equal((await second.revoke(id)).id, id)
    await assert.rejects(second.revoke(id), /is revoked already/)
    assert.equal(second.status()?.denied, 1)
  })

  test('lets nobody in by a token from before, used up or not, and by a new one again', async () => {
    const { wire, first, second } = await heirAmongLaterMembers()
    const open = await first.invite(HOUR_MS, 5)
    await first.leave(true)
    const fourth = await wire.machine(4)
    const record = second.backup()
    await second.restore({ ...record, tokens: [{ ...usesOf(open), uses: 5 }] }, 'second')
    assert.match(String(await wire.joined(fourth, open, 'fourth')), /the token is unknown/)
    assert.equal(await wire.joined(fourth, await second.invite(HOUR_MS, 1), 'fourth'), undefined)
  })

  test('is not taken on by a machine that was revoked', async () => {
    const { wire, first, token, second } = await home()
    await wire.joined(second, token, 'second')
    await first.revoke('second')
    await assert.rejects(second.restore(first.backup(), 'second'), /was revoked; "ihave site leave" first/)
  })
})

function usesOf(token: string) {
  const read = readToken(token)
  assert.ok(read)
  return read
}

describe('the machine that has the authority', () => {
  test('leaves only when that is meant, and says what is lost and how it is kept', async () => {
    const { first } = await home()
    await assert.rejects(first.leave(), /nobody can be let in.*"ihave site backup FILE".*--yes/)
    assert.equal(first.status()?.isAuthority, true)
    await first.leave(true)
    assert.equal(first.status(), undefined)
  })

  test('is revoked only when that is meant, whatever it is called', async () => {
    const { first } = await home()
    for (const who of ['first', first.status()?.member ?? ''])
      await assert.rejects(first.revoke(who), /has the authority.*"ihave site backup FILE".*--yes/)
    assert.equal(first.status()?.isRevoked, false)
    await first.revoke('first', true)
    assert.equal(first.status()?.isRevoked, true)
  })
})

describe('the files of a site', () => {
  test('are their owner’s alone, survive a restart, and damage is told with what to do', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'ihave-site-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const wire = new Wire()
    wire.clock.advance(1_000_000)
    const site = await wire.machine(1, siteFiles(directory))
    await site.init('home', 'first', HOUR_MS, 1)
    for (const file of ['member.json', 'authority.json'])
      assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600)
    assert.deepEqual((await wire.machine(2, siteFiles(directory))).status(), site.status())
    chmodSync(join(directory, 'member.json'), 0o644)
    await assert.rejects(wire.machine(3, siteFiles(directory)), /can be read by others: chmod 600/)
    chmodSync(join(directory, 'member.json'), 0o600)
    writeFileSync(join(directory, 'member.json'), '{"name":')
    await assert.rejects(wire.machine(3, siteFiles(directory)), /member\.json is damaged/)
    await site.leave(true)
    assert.throws(() => statSync(join(directory, 'authority.json')), /ENOENT/)
  })
})
