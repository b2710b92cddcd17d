/** One run at a time, whoever starts it. */
import { lockDirectory } from '../../cache/directory-lock.ts'
import { sqliteCode } from '../../cache/store-fault.ts'
import { describe, Fault } from '../../core/fault.ts'
import { Refused } from '../refused.ts'
import type { Installation } from './installation.ts'

const SQLITE_BUSY = 5

/** @throws Refused busy, and as Installation.prepare */
export async function locked<Value>(installation: Installation, work: () => Promise<Value>): Promise<Value> {
  installation.prepare()
  const unlock = lockNow(installation)
  try {
    return await work()
  } finally {
    unlock()
  }
}

function lockNow(installation: Installation) {
  try {
    return lockDirectory(installation.folder, installation.lock)
  } catch (error) {
    const isHeld = error instanceof Fault && sqliteCode(error.cause) === SQLITE_BUSY
    if (isHeld)
      throw new Refused('busy', `another update of ${installation.folder} is running`, { cause: error })
    throw new Refused('disk', `${installation.lock}: ${describe(error)}`, { cause: error })
  }
}
