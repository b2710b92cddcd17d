/** Small programs (PE) with version information, for tests. */

export interface ProgramVersion {
  readonly name?: string
  readonly version: string
  /** FileVersion as four numbers. */
  readonly numbers: readonly [number, number, number, number]
}

const RESOURCES_ADDRESS = 0x1000
const RESOURCES_AT = 0x200

/** A 64-bit program of one section, which holds its resources; without version information where none is given. */
export function program(version?: ProgramVersion): Buffer {
  const resources = version === undefined ? Buffer.alloc(0x200) : resourceSection(version)
  const head = Buffer.alloc(RESOURCES_AT)
  head.write('MZ', 0, 'latin1')
  head.writeUInt32LE(0x80, 0x3c)
  head.write('PE\0\0', 0x80, 'latin1')
  head.writeUInt16LE(0x8664, 0x84)
  head.writeUInt16LE(1, 0x86)
  head.writeUInt16LE(240, 0x94)
  head.writeUInt16LE(0x22, 0x96)
  head.writeUInt16LE(0x20b, 0x98)
  head.writeUInt32LE(0x200, 0x98 + 60)
  head.writeUInt32LE(16, 0x98 + 108)
  if (version !== undefined) {
    head.writeUInt32LE(RESOURCES_ADDRESS, 0x98 + 112 + 2 * 8)
    head.writeUInt32LE(resources.length, 0x98 + 112 + 2 * 8 + 4)
  }
  const section = 0x98 + 240
  head.write('.rsrc', section, 'latin1')
  head.writeUInt32LE(resources.length, section + 8)
  head.writeUInt32LE(RESOURCES_ADDRESS, section + 12)
  head.writeUInt32LE(resources.length, section + 16)
  head.writeUInt32LE(RESOURCES_AT, section + 20)
  return Buffer.concat([head, resources])
}

/** Type 16, name 1, one language; then where the data are, and the data. */
function resourceSection(version: ProgramVersion): Buffer {
  const data = versionInfo(version)
  const tree = Buffer.alloc(3 * 24 + 16)
  for (const [level, id] of [16, 1, 1033].entries()) {
    tree.writeUInt16LE(1, level * 24 + 14)
    tree.writeUInt32LE(id, level * 24 + 16)
    const next = (level + 1) * 24
    tree.writeUInt32LE((level < 2 ? 0x80000000 : 0) + next, level * 24 + 20)
  }
  tree.writeUInt32LE(RESOURCES_ADDRESS + tree.length, 72)
  tree.writeUInt32LE(data.length, 76)
  const all = Buffer.concat([tree, data])
  return Buffer.concat([all, Buffer.alloc(-all.length & 0x1ff)])
}

function versionInfo({ name, version, numbers: [a, b, c, d] }: ProgramVersion): Buffer {
  const fixed = Buffer.alloc(52)
  fixed.writeUInt32LE(0xfeef04bd, 0)
  for (const at of [8, 16]) {
    fixed.writeUInt32LE(((a << 16) | b) >>> 0, at)
    fixed.writeUInt32LE(((c << 16) | d) >>> 0, at + 4)
  }
  const strings = [
    text('CompanyName', 'Example'),
    text('FileVersion', version),
    text('ProductVersion', version),
  ]
  if (name !== undefined) strings.push(text('OriginalFilename', name))
  const table = block('040904b0', Buffer.alloc(0), 1, Buffer.concat(strings.map((each) => padded(each))))
  const children = block('StringFileInfo', Buffer.alloc(0), 1, table)
  return block('VS_VERSION_INFO', fixed, 0, children)
}

function text(key: string, value: string): Buffer {
  return block(key, Buffer.from(`${value}\0`, 'utf16le'), 1, Buffer.alloc(0))
}

function block(key: string, value: Buffer, kind: 0 | 1, children: Buffer): Buffer {
  const head = padded(Buffer.concat([Buffer.alloc(6), Buffer.from(`${key}\0`, 'utf16le')]))
  const whole = Buffer.concat([head, children.length === 0 ? value : padded(value), children])
  whole.writeUInt16LE(whole.length, 0)
  whole.writeUInt16LE(kind === 1 ? value.length / 2 : value.length, 2)
  whole.writeUInt16LE(kind, 4)
  return whole
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])
}
