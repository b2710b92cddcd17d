/** What a server and everything that it has started uses, from `/proc`: Linux only. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Of the kernel's own accounting, in Hz (`getconf CLK_TCK`; the same on every Linux of today). */
const TICKS_PER_SECOND = 100

/** Seconds of user and system time so far, of processes that have ended in between too. */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = tree(pids).map((stat) =>
    [stat.user, stat.system, stat.endedUser, stat.endedSystem].reduce((sum, each) => sum + each, 0),
  )
  return ticks.reduce((sum, each) => sum + each, 0) / TICKS_PER_SECOND
}

/** Seconds of the machine's soft interrupts so far: on loopback, the network's share of everybody's sending. */
export function softInterruptSeconds(): number {
  const [, ...ticks] = (/^cpu .*/.exec(readFileSync('/proc/stat', 'utf8'))?.[0] ?? '').split(/\s+/)
  return Number(ticks[6] ?? 0) / TICKS_PER_SECOND
}

/** Resident memory in bytes; pages that processes share count for each of them. */
export function residentBytes(pids: readonly number[]): number {
  const pages = tree(pids).map(({ pid }) => {
    const line = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '')
    return Number(line?.[1] ?? 0) * 1024
  })
  return pages.reduce((sum, each) => sum + each, 0)
}

/** What the open file handles of one process stand for: paths, `socket:[…]`, `anon_inode:…`. */
export function openHandles(pid: number): readonly string[] {
  const directory = `/proc/${pid}/fd`
  return readdirSync(directory).flatMap((name) => {
    try {
      return [readlinkSync(`${directory}/${name}`)]
    } catch {
      return [] // closed meanwhile
    }
  })
}

interface Stat {
  readonly pid: number
  readonly parent: number
  readonly user: number
  readonly system: number
  readonly endedUser: number
  readonly endedSystem: number
}

/** `roots` and all their descendants. */
function tree(roots: readonly number[]): readonly Stat[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(Number(name)) ?? [])
  const found = new Set(roots)
  for (let before = -1; before !== found.size;) {
    before = found.size
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid)
  }
  return all.filter(({ pid }) => found.has(pid))
}

/** The second field is the program's name and may hold anything, so the fields are counted after it. */
function statOf(pid: number): Stat | undefined {
  const text = read(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const at = (number: number) => fields[number - 3] ?? 0 // proc(5) counts from 1, and two are cut off
  return { pid, parent: at(4), user: at(14), system: at(15), endedUser: at(16), endedSystem: at(17) }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined // the process has ended
  }
}
