/** What it takes to know the digests of a whole distribution (V2): apt's own lists, and an index that passes through. */
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Benchmark, Bound, Figures } from './measure.ts'
import { run } from './parts/processes.ts'

/** As many as Debian 12 has. */
const PACKAGES = 66_000

export const digests: Benchmark = {
  name: 'digests',
  about: `${PACKAGES} packages, 45 MB of them: as apt's own signed lists, read by way of apt-get and apt-helper, and as a Packages.xz that has come from the origin server. "time" is from the start to the last digest, and "processor" the processor time of it, both with the programs that unpack; "memory" what the process has grown by at most; "pause" the 99th percentile of how late its timers are meanwhile, which is what a request notices; "requests" the connections to the lists' server.`,
  needs: ['apt-get', 'xz'],
  async *groups({ directory, atEnd }) {
    let requests = 0
    const server = createServer((socket) => {
      requests++
      socket.destroy()
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    atEnd(() => server.close())
    const address = server.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    const packages = Array.from({ length: PACKAGES }, (_, at) => stanza(at)).join('')
    const configuration = machine(join(directory, 'apt'), port, packages)
    const plain = join(directory, 'Packages')
    writeFileSync(plain, packages)
    await run('xz', ['-2', plain])
    const reading = async (mode: string, path: string): Promise<Figures> => {
      const program = join(import.meta.dirname, 'parts/digests-process.ts')
      requests = 0
      const text = await run(process.execPath, ['--expose-gc', program, mode, path])
      const figures = JSON.parse(text) as Figures
      for (const end of ['', '-wal', '-shm']) rmSync(join(directory, `digests.sqlite${end}`), { force: true })
      return { ...figures, requests }
    }
    const cases = [
      { name: 'apt’s own lists', run: () => reading('lists', configuration) },
      { name: 'Packages.xz that passes through', run: () => reading('passing', `${plain}.xz`) },
    ]
    yield {
      name: 'the digests of a distribution',
      baseline: 'apt’s own lists',
      units: { time: 's', processor: 's', memory: 'MB', pause: 'ms', digests: '', requests: '' },
      mostRounds: 3,
      cases,
      bounds: cases.flatMap(({ name }) => promised(name)),
    }
  },
}

function promised(name: string): readonly Bound[] {
  const of = 'median'
  return [
    { promise: '66,000 digests', case: name, figure: 'digests', of, atLeast: PACKAGES },
    { promise: 'in 3 s', case: name, figure: 'time', of, atMost: 3 },
    { promise: 'in 3 s of one core', case: name, figure: 'processor', of, atMost: 3 },
    { promise: 'in 100 MB', case: name, figure: 'memory', of, atMost: 100 },
    { promise: 'off the request path', case: name, figure: 'pause', of, atMost: 25 },
    { promise: 'no request over the WAN', case: name, figure: 'requests', of, atMost: 0 },
  ]
}

/** An apt of its own, whose list lies there as if it had been downloaded and checked. @returns its apt.conf. */
function machine(root: string, port: number, packages: string): string {
  for (const each of ['state/lists/partial', 'cache/archives/partial', 'etc'])
    mkdirSync(join(root, each), { recursive: true })
  const put = (name: string, text: string) => {
    const path = join(root, name)
    writeFileSync(path, text)
    return path
  }
  const list = `state/lists/127.0.0.1:${port}_debian_dists_x_`
  put(`${list}main_binary-amd64_Packages`, packages)
  put(`${list}InRelease`, 'Suite: x\nCodename: x\nArchitectures: amd64\nComponents: main\n')
  put('status', '')
  put('etc/sources.list', `deb [arch=amd64] http://127.0.0.1:${port}/debian x main\n`)
  const lines = [
    `Dir "${root}"; Dir::State "${root}/state"; Dir::State::status "${root}/status";`,
    `Dir::Cache "${root}/cache"; Dir::Etc "${root}/etc";`,
    'Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null"; APT::Architecture "amd64";',
  ]
  return put('apt.conf', lines.join('\n'))
}

/** About as long as Debian's. */
function stanza(at: number): string {
  const hex = createHash('sha256').update(`package ${at}`).digest('hex')
  return `Package: package-${at}
Version: 1.${at % 97}-${at % 7}+b${at % 3}
Installed-Size: ${at * 7}
Maintainer: Maintainers of package ${at} <package-${at}@lists.debian.test>
Architecture: amd64
Depends: libc6 (>= 2.34), libgcc-s1 (>= 3.0), libstdc++6 (>= 11), libpackage-${at % 1000}-1 (= 1.${at % 97})
Description: what package ${at} is for, in so many words as packages have
Description-md5: ${hex.slice(0, 32)}
Homepage: https://package-${at}.debian.test/about/this/package
Tag: implemented-in::c++, interface::commandline, role::program, scope::utility, use::analysing
Section: utils
Priority: optional
Filename: pool/main/p/package-${at}/package-${at}_1.${at % 97}-${at % 7}+b${at % 3}_amd64.deb
Size: ${at * 13 + 1000}
MD5sum: ${hex.slice(32)}
SHA256: ${hex}

`
}
