import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TargetUri } from '../../../core/target-uri.ts'
import { checkNamed } from '../../../verify/signature/named-file.ts'
import { refusal } from '../../signing/fixtures.ts'

const ROWS: readonly (readonly [path: string, name: string, version: string, verdict: string])[] = [
  ['/av/vsasap.200101131511.cab', 'vsasap.200101131511.cab', '200101131511', 'accepted'],
  ['/av/vsasap2.200101131511.cab', 'vsasap2.200101131511.cab', '200101131511', 'accepted'],
  ['/av/vsasap.200101131511.cab', 'vsasap.200101131510.cab', '200101131510', 'wrong-name'],
  ['/av/vsasap.200101131511.cab', 'vsasap.200101131511.cab', '200101131510', 'wrong-version'],
  ['/av/vsasap.2001011315110.cab', 'vsasap.2001011315110.cab', '200101131511', 'wrong-version'],
  ['/dl/tool-1.2.exe', 'Tool-1.2.EXE', '1.2', 'accepted'],
  ['/dl/tool-1.2.exe', 'tool-1.2.exe', '1.2.0.0', 'accepted'],
  ['/dl/tool-v1.2.exe', 'tool-v1.2.exe', '1.2', 'accepted'],
  ['/1.2/tool.exe', 'tool.exe', '1.2', 'accepted'],
  ['/dl/tool-1.2.3.exe', 'tool-1.2.3.exe', '1.2', 'wrong-version'],
  ['/dl/tool-11.2.exe', 'tool-11.2.exe', '1.2', 'wrong-version'],
  ['/dl/tool-1.20.exe', 'tool-1.20.exe', '1.2', 'wrong-version'],
  ['/dl/tool-0.1.2.exe', 'tool-0.1.2.exe', '1.2', 'wrong-version'],
  ['/dl/tool-2.exe', 'tool-2.exe', '2', 'wrong-version'],
  ['/dl/tool.exe', 'tool.exe', '1.2', 'wrong-version'],
  ['/dl/tool.exe?v=1.2', 'tool.exe', '1.2', 'wrong-version'],
  ['/dl/tool-1.2.exe', 'dl/tool-1.2.exe', '1.2', 'wrong-name'],
  ['/dl/my%20tool-1.2.exe', 'my tool-1.2.exe', '1.2', 'accepted'],
  ['/dl/%E0%A4%A.exe', 'x.exe', '1.2', 'wrong-name'],
  ['/dl/', '', '1.2', 'wrong-version'],
  ['/dl/tool-beta.exe', 'tool-beta.exe', 'beta', 'wrong-version'],
]

for (const [path, name, version, verdict] of ROWS)
  test(`${path} asks for a file called ${JSON.stringify(name)} of version ${version}: ${verdict}`, () => {
    const uri = `http://updates.test${path}` as TargetUri
    assert.equal(
      refusal(() => checkNamed({ name, versions: [version] }, uri)),
      verdict,
    )
  })
