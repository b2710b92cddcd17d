import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { decode, DECODE_FAILURES } from '../../peering/codec.ts'
import { SCHEMAS } from '../../peering/packet-schema.ts'

test('docs/protocol.md says what the schema says', async (t) => {
  const document = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8')
  const sections = document
    .replaceAll('\r\n', '\n')
    .split(/^### `/m)
    .slice(1)
  assert.deepEqual(
    sections.map((section) => section.split('`')[0]),
    Object.keys(SCHEMAS),
  )
  for (const section of sections) {
    const type = section.split('`')[0] as keyof typeof SCHEMAS
    await t.test(`the attributes of "${type}", and whether they are required`, () => {
      const rows = [...section.matchAll(/^\| `(\w+)` \|[^|]*\| (yes|no|absent means[^|]*) \|/gm)]
      const documented = new Map(rows.map(([, name, isRequired]) => [name, isRequired === 'yes']))
      documented.delete('pad')
      const actual = SCHEMAS[type].fields.map(([, attribute]) => {
        return [attribute.wire, attribute.read(undefined).kind === 'refused'] as const
      })
      assert.deepEqual(documented, new Map(actual))
    })
    await t.test(`the example of "${type}"`, () => {
      const example = /```xml\n([^]*?)\n```/.exec(section)?.[1] ?? ''
      const decoded = decode(new TextEncoder().encode(example))
      assert.equal(decoded.kind === 'packet' && decoded.packet.type, type)
    })
  }
  await t.test('every counter', () => {
    for (const reason of DECODE_FAILURES) assert.ok(document.includes(`| \`${reason}\` |`), reason)
  })
})
