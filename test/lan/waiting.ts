/** What the tests on a LAN of namespaces wait for. */
import type { ChildProcess } from 'node:child_process'

/** Resolves when the program has said it; each line is told. @throws Error when it ends before. */
export function said(
  child: ChildProcess,
  wanted: string,
  onLine: (line: string) => void = () => {},
): Promise<void> {
  return new Promise((done, fail) => {
    let rest = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.includes(wanted)) done()
        onLine(line)
      }
    })
    child.stderr?.on('data', (chunk: Buffer) => (rest += chunk.toString()))
    child.once('exit', () => fail(new Error(`it ended without saying "${wanted}": ${rest}`)))
  })
}

/** Looks every 50 ms. @throws Error when it is not so within a minute. */
export async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 1200; attempt++) {
    if (await isTrue()) return
    await new Promise((done) => setTimeout(done, 50))
  }
  throw new Error(`waited in vain for ${what}`)
}
